/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for cgroups: below a container's (exec --cgroup), and how much of a path is there. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cgroups/cgroup.h"

int cgroup_open_sub(const struct cgroup *cgroup, const char *path, struct cgroup *ret_cgroup,
		    struct wh_error *err)
{
	int fd;

	*ret_cgroup = CGROUP_NONE;
	while (*path == '/')
		path++;
	/* beneath, so that no ".." leaves the container's own */
	fd = path_open_beneath(cgroup->dir_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		return wh_fail(err, 0, "there is no such cgroup below the container's");
	if (fd == -EXDEV)
		return wh_fail(err, 0, "it leaves the container's cgroup");
	if (fd < 0)
		return wh_fail(err, -fd, "open the cgroup below the container's");
	ret_cgroup->dir_fd = fd;
	return 0;
}

int cgroup_count_missing(int mount_fd, const char *path)
{
	char prefix[PATH_MAX];
	int missing = 0;

	if ((size_t)snprintf(prefix, sizeof(prefix), "%s", path) >= sizeof(prefix))
		return -ENAMETOOLONG;
	for (char *end = strrchr(prefix, '/'); end; end = strrchr(prefix, '/')) {
		auto_fd fd = path_open_beneath(mount_fd, prefix[1] ? prefix + 1 : ".",
					       O_PATH | O_DIRECTORY, 0);

		if (fd >= 0)
			return missing;
		if (fd != -ENOENT)
			return fd;
		missing++;
		*end = '\0';
		if (end == prefix)
			break;
	}
	return missing;
}
