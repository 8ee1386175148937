/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_reclaim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cgroups/cgroup_controllers.h"
#include "cgroups/cgroup_fs.h"

static int read_use(const struct cgroup *cgroup, int mount_fd, uint64_t *ret_bytes,
		    struct wh_error *err)
{
	int rc = cgroup_fs_read_number(cgroup->dir_fd, "memory.current", ret_bytes);

	if (rc == -ENOENT)
		return cgroup_controllers_fail_missing(mount_fd, "memory", err);
	return rc < 0 ? wh_fail(err, -rc, "read memory.current") : 0;
}

int cgroup_reclaim(const struct cgroup *cgroup, int mount_fd, uint64_t bytes,
		   struct cgroup_reclaimed *ret_reclaimed, struct wh_error *err)
{
	uint64_t before = 0, after = 0;
	char text[24];
	int written, rc;

	rc = read_use(cgroup, mount_fd, &before, err);
	if (rc < 0)
		return rc;
	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	written = cgroup_fs_write(cgroup->dir_fd, "memory.reclaim", text);
	if (written == -ENOENT)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "this kernel has no memory.reclaim: it is in Linux 5.19 and "
				    "newer");
	if (written < 0 && written != -EAGAIN)
		return wh_fail(err, -written, "write '%s' to memory.reclaim", text);
	rc = read_use(cgroup, mount_fd, &after, err);
	if (rc < 0)
		return rc;
	*ret_reclaimed = (struct cgroup_reclaimed){
	    .came_back = before > after ? before - after : 0,
	    .left = after,
	};
	return written == -EAGAIN;
}
