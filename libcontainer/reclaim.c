/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "libcontainer/access.h"

int container_reclaim(const struct runtime *rt, const char *id, uint64_t bytes,
		      struct cgroup_reclaimed *ret_reclaimed, struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_UNLOCKED, err);

	if (rc == 0 && access.status != OCI_STATUS_CREATED && access.status != OCI_STATUS_RUNNING)
		rc = access_not_running(&access, err);
	if (rc == 0)
		rc = access_open_cgroup(&access, err);
	if (rc == 0)
		rc = cgroup_reclaim(&access.cgroup, access.cgroup_mount_fd, bytes, ret_reclaimed,
				    err);
	access_done(&access);
	return rc;
}
