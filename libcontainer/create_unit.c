/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd manager's part of create. A scope needs a process to exist, so that init comes first and
 * waits (spawn.held): it is executed once it is in its unit and the limits hold.
 */
#include <errno.h>

#include "base/log.h"
#include "cgroups/systemd_manager.h"
#include "libcontainer/create_steps.h"

#define UNIT_REMOVE_TIMEOUT_MS 10000

int create_may_need_unit(const void *ctx)
{
	const struct create *create = ctx;

	return create->rt->cgroup_manager == CGROUP_MANAGER_SYSTEMD;
}

int create_needs_unit(const void *ctx)
{
	const struct create *create = ctx;

	return create->plan->cgroup.unit != NULL;
}

/** Before anything is done that cannot be done twice: see twin_require(). */
int create_step_load_systemd(void *ctx, struct wh_error *err)
{
	return systemd_load(err);
}

/** Connect, and complete the cgroup's path: a manager's units are below its own cgroup. */
int create_step_reach_systemd(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	struct cgroup_plan *plan = &create->plan->cgroup;
	const char *base = "";
	int rc = systemd_bus_open(plan->unit->user, &create->systemd, err);

	if (rc == 0)
		rc = systemd_manager_cgroup(create->systemd, &create->arena, &base, err);
	if (rc < 0)
		return rc;
	plan->path = arena_printf(&create->arena, "%s%s", base, plan->path);
	create->spawn.held = true;
	return plan->path ? 0 : wh_oom(err);
}

void create_undo_reach_systemd(void *ctx)
{
	struct create *create = ctx;

	systemd_bus_close(create->systemd);
	create->systemd = NULL;
}

static int take_unit(struct create *create, struct wh_error *err)
{
	int rc = cgroup_take_unit(&create->plan->cgroup, create->cgroup_mount_fd,
				  create->spawn.process.pid, &create->cgroup, err);

	if (rc < 0)
		return rc;
	create->plan->fds.cgroup = create->cgroup.dir_fd;
	cgroup_oom_watch_init(&create->oom, create->cgroup_mount_fd, create->plan->cgroup.path,
			      &create->cgroup);
	return spawn_proceed(&create->spawn, create->cgroup.dir_fd, err);
}

int create_step_unit(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	int rc = systemd_unit_start(create->systemd, create->plan->cgroup.unit,
				    create->spawn.process.pid, err);

	/* one that is there already is another's, and stays */
	if (rc == -EEXIST)
		return rc;
	create->unit_started = true;
	if (rc == 0)
		rc = take_unit(create, err);
	if (rc < 0)
		create_undo_unit(create);
	create_undo_reach_systemd(create);
	return rc;
}

void create_undo_unit(void *ctx)
{
	struct create *create = ctx;
	const struct cgroup_plan *plan = &create->plan->cgroup;
	struct wh_error err = WH_ERROR_INIT;

	if (!create->unit_started)
		return;
	if (cgroup_remove_unit(create->cgroup_mount_fd, plan->path, plan->unit->name.name,
			       plan->unit->user, UNIT_REMOVE_TIMEOUT_MS, &err) < 0)
		log_warning("%s", err.message);
}
