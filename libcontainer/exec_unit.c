/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/exec_unit.h"

#include <errno.h>
#include <limits.h>

#include "cgroups/systemd_manager.h"
#include "libcontainer/exec_cgroup.h"

static int attach(const struct spawn *spawn, const struct access *access, const char *sub,
		  struct wh_error *err)
{
	struct systemd_bus *bus = NULL;
	char path[PATH_MAX];
	int rc = sub ? 0 : exec_cgroup_path_of_init(access, path, sizeof(path), &sub, err);

	if (rc == 0)
		rc = systemd_bus_open(access->record.user_unit, &bus, err);
	if (rc == 0)
		rc = systemd_unit_attach(bus, access->record.unit, sub[0] ? sub : "/",
					 spawn->process.pid, err);
	systemd_bus_close(bus);
	return rc;
}

int exec_spawn_into_unit(struct spawn *spawn, const struct access *access, const char *sub,
			 struct wh_error *err)
{
	int rc;

	spawn->cgroup_fd = -EBADF;
	spawn->held = true;
	rc = spawn_start(spawn, err);
	if (rc < 0)
		return rc;
	rc = attach(spawn, access, sub, err);
	if (rc == 0)
		rc = spawn_proceed(spawn, -EBADF, err);
	if (rc < 0)
		spawn_kill(spawn);
	return rc;
}
