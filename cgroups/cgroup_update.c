/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_update.h"

#include <inttypes.h>

#include "cgroups/cgroup_controllers.h"
#include "cgroups/cgroup_fs.h"
#include "cgroups/device_program.h"

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

int cgroup_update_apply(const struct cgroup_update *update, enum cgroup_manager manager,
			int mount_fd, const char *path, const struct cgroup *cgroup,
			struct arena *arena, struct cgroup_update_done *ret_done,
			struct wh_error *err)
{
	struct cgroup_update_done done = {.devices = false};
	int rc;

	rc = check_memory(update, cgroup, err);
	if (rc == 0 && manager == CGROUP_MANAGER_CGROUPFS)
		rc = cgroup_controllers_enable(mount_fd, path, &update->writes, err);
	if (rc == 0)
		rc = resource_files_replace(&update->writes, cgroup->dir_fd, arena, &done.saved,
					    err);
	if (rc < 0)
		return rc;
	if (update->devices) {
		rc = replace_devices(&update->new_devices, cgroup, err);
		done.devices = rc == 0;
	}
	if (rc < 0) {
		cgroup_update_undo(update, manager, cgroup, &done);
		return rc;
	}
	*ret_done = done;
	return 0;
}

void cgroup_update_undo(const struct cgroup_update *update, enum cgroup_manager manager,
			const struct cgroup *cgroup, const struct cgroup_update_done *done)
{
	/* the older failure is what is reported */
	if (done->devices)
		(void)replace_devices(&update->old_devices, cgroup, NULL);
	resource_files_restore(&done->saved, cgroup->dir_fd);
}
