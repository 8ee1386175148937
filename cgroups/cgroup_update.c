/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_update.h"

#include <inttypes.h>

#include "base/log.h"
#include "cgroups/cgroup_controllers.h"
#include "cgroups/cgroup_fs.h"
#include "cgroups/device_program.h"
#include "cgroups/device_property.h"
#include "cgroups/systemd_manager.h"

static uint64_t read_number(const struct cgroup *cgroup, const char *file)
{
	uint64_t value = 0;

	/* a check as far as there is something to check: the kernel may lack the file */
	return cgroup_fs_read_number(cgroup->dir_fd, file, &value) == 0 ? value : 0;
}

static int refuse_below_use(const char *field, int64_t limit, uint64_t used, struct wh_error *err)
{
	return wh_fail_kind(err, WH_ERROR_STATE, 0,
			    "linux.resources.memory.%s: %" PRId64 " bytes are not more than the "
			    "%" PRIu64 " in use (memory.checkBeforeUpdate)",
			    field, limit, used);
}

/** config-linux.md#memory: checkBeforeUpdate. */
static int check_memory(const struct cgroup_update *update, const struct cgroup *cgroup,
			struct wh_error *err)
{
	const struct oci_memory *kept = update->resources->memory, *memory = update->change->memory;
	uint64_t used;

	if (!memory || !kept || !kept->check_before_update || !*kept->check_before_update)
		return 0;
	used = read_number(cgroup, "memory.current");
	if (memory->limit && *memory->limit > 0 && (uint64_t)*memory->limit <= used)
		return refuse_below_use("limit", *memory->limit, used, err);
	used += read_number(cgroup, "memory.swap.current");
	if (memory->swap && *memory->swap > 0 && (uint64_t)*memory->swap <= used)
		return refuse_below_use("swap", *memory->swap, used, err);
	return 0;
}

static int replace_devices(const struct device_insns *devices, const struct cgroup *cgroup,
			   struct wh_error *err)
{
	return device_program_replace(devices->insns, devices->count, cgroup->dir_fd, err);
}

/** A user's manager may not guard devices, as its own programs may not. */
static int add_devices(const struct oci_resources *resources, const struct cgroup_target *target,
		       struct bus_properties *properties, struct wh_error *err)
{
	if (target->user_unit)
		return 0;
	return device_property_add(resources->devices, resources->n_devices, properties, err);
}

/**
 * What they were is asked for first: a file that the unit lacks could not say it, nor one that another
 * wrote to, nor one whose value systemd rounds.
 */
static int set_properties(const struct cgroup_update *update, const struct cgroup_target *target,
			  struct cgroup_update_done *done, struct wh_error *err)
{
	struct bus_properties properties = {.arena = target->arena};
	int rc = resource_files_properties(&update->writes, &properties, err);

	done->before = (struct bus_properties){.arena = target->arena};
	if (rc == 0 && update->devices)
		rc = add_devices(update->change, target, &properties, err);
	if (rc < 0 || properties.count == 0)
		return rc;
	rc = systemd_unit_get(target->systemd, target->unit, &properties, &done->before, err);
	if (rc == 0)
		rc = systemd_unit_set(target->systemd, target->unit, &properties, err);
	done->properties = rc == 0;
	return rc;
}

static void restore_properties(const struct cgroup_target *target,
			       const struct cgroup_update_done *done)
{
	struct wh_error reason = WH_ERROR_INIT;

	if (systemd_unit_set(target->systemd, target->unit, &done->before, &reason) < 0)
		log_warning("the earlier properties of unit '%s' are not set back: %s",
			    target->unit, reason.message);
}

/** Before the first value changes: what is refused, and what must be there. */
static int prepare(const struct cgroup_update *update, const struct cgroup_target *target,
		   struct wh_error *err)
{
	int rc = check_memory(update, target->cgroup, err);

	if (rc == 0 && target->manager == CGROUP_MANAGER_CGROUPFS)
		rc =
		    cgroup_controllers_enable(target->mount_fd, target->path, &update->writes, err);
	return rc;
}

int cgroup_update_apply(const struct cgroup_update *update, const struct cgroup_target *target,
			struct cgroup_update_done *ret_done, struct wh_error *err)
{
	struct cgroup_update_done done = {.devices = false};
	int dir_fd = target->cgroup->dir_fd;
	int rc = prepare(update, target, err);

	if (rc == 0)
		rc = resource_files_save(&update->writes, dir_fd, target->arena, &done.saved, err);
	if (rc == 0 && target->systemd) {
		rc = set_properties(update, target, &done, err);
		if (rc == 0)
			rc = cgroup_controllers_complete(target->mount_fd, target->path, dir_fd,
							 &update->writes, err);
	}
	if (rc == 0)
		rc = resource_files_apply(&update->writes, RESOURCE_PART_ALL, dir_fd, err);
	if (rc == 0 && update->devices) {
		rc = replace_devices(&update->new_devices, target->cgroup, err);
		done.devices = rc == 0;
	}
	if (rc < 0) {
		cgroup_update_undo(update, target, &done);
		return rc;
	}
	*ret_done = done;
	return 0;
}

void cgroup_update_undo(const struct cgroup_update *update, const struct cgroup_target *target,
			const struct cgroup_update_done *done)
{
	/* the older failure is what is reported */
	if (done->devices)
		(void)replace_devices(&update->old_devices, target->cgroup, NULL);
	if (done->properties)
		restore_properties(target, done);
	resource_files_restore(&done->saved, target->cgroup->dir_fd);
}
