/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a cgroup that is a unit of systemd's. */
#include <errno.h>

#include "base/log.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_events.h"
#include "cgroups/systemd_manager.h"

/** What is left in it dies at once, where systemd would ask first and wait. */
static void kill_all(int mount_fd, const char *path, int timeout_ms)
{
	struct cgroup cgroup = CGROUP_NONE;

	if (cgroup_open(mount_fd, path, &cgroup, NULL) < 0)
		return;
	/* what it could not kill shows when the cgroup is removed */
	cgroup_kill(&cgroup, NULL);
	cgroup_events_wait(cgroup.dir_fd, "populated", false, timeout_ms);
	cgroup_close(&cgroup);
}

int cgroup_remove_unit(int mount_fd, const char *path, const char *unit, bool user, int timeout_ms,
		       struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	struct systemd_bus *bus = NULL;
	int rc;

	kill_all(mount_fd, path, timeout_ms);
	rc = systemd_bus_open(user, &bus, &reason);
	if (rc == 0)
		rc = systemd_unit_stop(bus, unit, &reason);
	if (rc < 0)
		log_warning("unit '%s' was not stopped: %s", unit, reason.message);
	systemd_bus_close(bus);
	return cgroup_remove(mount_fd, path, timeout_ms, err);
}
