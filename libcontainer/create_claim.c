/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create claims its id: the state directory, and what delete needs to know should we die from here
 * on.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "libcontainer/create_steps.h"
#include "libcontainer/destroy.h"

static void now_rfc3339(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%09ldZ", now.tv_nsec);
}

/**
 * Below the mount itself there is one component, which is ours; of a deeper path it matters what
 * was there before.
 */
static int count_cgroups_made(struct create *create, struct wh_error *err)
{
	const char *path = create->plan->cgroup.path;
	int rc;

	if (!path)
		return 0;
	if (create->plan->cgroup.own_path)
		return 1;
	rc = cgroup_count_missing(create->cgroup_mount_fd, path);
	if (rc < 0)
		return wh_fail(err, -rc, "look for cgroup '%s'", path);
	/* the slices that a unit is in are systemd's */
	return create->plan->cgroup.unit && rc > 1 ? 1 : rc;
}

static int fill_record(struct create *create, struct wh_error *err)
{
	struct container_plan *plan = create->plan;
	struct container_record *record = &create->record;
	int rc;

	rc = process_boot_id(create->boot_id, err);
	if (rc < 0)
		return rc;
	now_rfc3339(create->created, sizeof(create->created));
	*record = (struct container_record){
	    .id = plan->id,
	    .bundle = plan->bundle,
	    .rootfs = plan->rootfs.path,
	    .oci_version = plan->spec->oci_version,
	    .created = create->created,
	    .owner = geteuid(),
	    .boot_id = create->boot_id,
	    .cgroup_path = plan->cgroup.path,
	    .cgroup_manager = plan->cgroup.manager,
	    .unit = plan->cgroup.unit ? plan->cgroup.unit->name.name : NULL,
	    .user_unit = plan->cgroup.unit && plan->cgroup.unit->user,
	    .status = OCI_STATUS_CREATING,
	    .creator = {.pid = getpid()},
	    .rdt_group = create->rdt_missing ? plan->rdt.group : NULL,
	    .rdt_monitor = plan->rdt.monitor,
	    .no_pivot = plan->rootfs.no_pivot || plan->rootfs.no_mount_namespace,
	    .annotations = plan->spec->annotations,
	    .n_annotations = plan->spec->n_annotations,
	};
	rc = process_stat(record->creator.pid, &record->creator.start_time, NULL);
	if (rc < 0)
		return wh_fail(err, -rc, "read this process's start time");
	rc = count_cgroups_made(create, err);
	if (rc < 0)
		return rc;
	record->cgroup_made = (uint32_t)rc;
	return 0;
}

/** Intent first: before a cgroup or a process exists, what to remove is on disk. */
int create_step_claim(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	int rc = fill_record(create, err);

	if (rc < 0)
		return rc;
	create->root_fd = state_root_open(create->rt, true, err);
	if (create->root_fd < 0)
		return create->root_fd;
	create->dir_fd = state_claim(create->root_fd, create->opts->id, err);
	if (create->dir_fd < 0) {
		if (create->dir_fd != -EEXIST)
			wh_error_prefix(err, "state directory '%s'", create->rt->root);
		return create->dir_fd;
	}
	rc = record_write(create->dir_fd, &create->record, &create->arena, err);
	if (rc == 0 && create->record.cgroup_path)
		rc = record_write_cgroup(create->dir_fd, create->record.cgroup_path,
					 create->record.cgroup_made, err);
	if (rc < 0)
		state_remove(create->root_fd, create->opts->id, create->dir_fd, NULL);
	return rc;
}

/**
 * Whatever fails once there is a process, the lifecycle goes on with the poststop hooks
 * (runtime.md#lifecycle, "continue the lifecycle at step 12").
 */
static void run_poststop(struct create *create)
{
	const struct container_record *record = &create->record;
	const struct oci_state state = {
	    .oci_version = record->oci_version,
	    .id = record->id,
	    .bundle = record->bundle,
	    .annotations = record->annotations,
	    .n_annotations = record->n_annotations,
	};

	if (create->spawn.process.pid > 0)
		poststop_run(create->plan->hooks, state, &create->arena);
}

void create_undo_claim(void *ctx)
{
	struct create *create = ctx;
	struct wh_error err = WH_ERROR_INIT;

	run_poststop(create);
	if (state_remove(create->root_fd, create->opts->id, create->dir_fd, &err) < 0)
		log_warning("%s", err.message);
}
