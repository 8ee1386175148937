/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup below a container's (exec --cgroup). */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cgroups/cgroup.h"

int cgroup_open_sub(const struct cgroup *cgroup, const char *path, struct cgroup *ret_cgroup, struct wh_error *err)
{
	int fd;

	*ret_cgroup = CGROUP_NONE;
	while (*path == '/')
		path++;
	/* beneath, so that no ".." leaves the container's own */
	fd = path_open_beneath(cgroup->dir_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		return wh_fail(err, 0, "there is no such cgroup below the container's");
	if (fd < 0)
		return wh_fail(err, -fd, "open the cgroup below the container's");
	ret_cgroup->dir_fd = fd;
	return 0;
}
