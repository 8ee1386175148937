/* SPDX-License-Identifier: Apache-2.0 */
/* stats, and events --stats: what a container uses. */
#include "base/fd.h"
#include "cgroups/cgroup_stats.h"
#include "libcontainer/access.h"
#include "libcontainer/intel_rdt.h"
#include "libcontainer/net_stats.h"

/** Where nothing is mounted, no container has a class of service, and its configuration is not read. */
static int read_rdt(struct access *access, struct arena *arena, struct oci_rdt_stats *ret_stats,
		    struct wh_error *err)
{
	auto_fd root_fd = intel_rdt_open(NULL);
	struct intel_rdt_plan plan = {.group = NULL};
	int rc;

	if (root_fd < 0)
		return 0;
	rc = access_spec(access, err);
	if (rc == 0)
		rc = intel_rdt_plan_build(access->spec->linux_->intel_rdt, access->record.id, arena,
					  &plan, err);
	if (rc < 0 || !plan.group)
		return rc;
	return intel_rdt_stats_read(&plan, root_fd, arena, ret_stats, err);
}

int access_stats(struct access *access, struct arena *arena, struct oci_stats *ret_stats,
		 struct wh_error *err)
{
	int rc;

	if (access->status != OCI_STATUS_CREATED && access->status != OCI_STATUS_RUNNING)
		return access_not_running(access, err);
	rc = access_open_cgroup(access, err);
	if (rc == 0)
		rc = cgroup_stats_read(&access->cgroup, arena, ret_stats, err);
	if (rc == 0)
		rc = net_stats_read(&access->record.init, arena, ret_stats, err);
	if (rc == 0)
		rc = read_rdt(access, arena, &ret_stats->rdt, err);
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
