/* SPDX-License-Identifier: Apache-2.0 */
/* stats, and events --stats: what a container uses. */
#include "cgroups/cgroup_stats.h"
#include "libcontainer/access.h"
#include "libcontainer/net_stats.h"

int access_stats(struct access *access, struct arena *arena, struct oci_stats *ret_stats,
		 struct wh_error *err)
{
	int rc;

	if (access->status != OCI_STATUS_CREATED && access->status != OCI_STATUS_RUNNING)
		return wh_fail_kind(err, WH_ERROR_STATE, 0, "container not running: '%s' is %s",
				    access->record.id, oci_status_name(access->status));
	rc = access_open_cgroup(access, err);
	if (rc == 0)
		rc = cgroup_stats_read(&access->cgroup, arena, ret_stats, err);
	if (rc == 0)
		rc = net_stats_read(&access->record.init, arena, ret_stats, err);
	return rc;
}

int container_stats(const struct runtime *rt, const char *id, struct arena *arena,
		    struct oci_stats *ret_stats, struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_UNLOCKED, err);

	if (rc == 0)
		rc = access_stats(&access, arena, ret_stats, err);
	access_done(&access);
	return rc;
}
