/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the limits of a cgroup in use (`update`), all or none. Deciding is pure; the manager of
 * the container decides how it is applied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/bus_value.h"
#include "cgroups/cgroup.h"
#include "cgroups/resource_save.h"
#include "cgroups/systemd_bus.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/** A program of device rules; none (NULL) allows everything. */
struct device_insns {
	const struct bpf_insn *insns;
	size_t count;
};

/** What an update does. Lives in the arena. */
struct cgroup_update {
	struct cgroup_writes writes;
	/* what holds afterwards, to be remembered: what was there, changed */
	const struct oci_resources *resources;
	/* what is changed, with what cannot be set without it (cpu.period with cpu.quota) */
	const struct oci_resources *change;
	bool devices; /* the device rules are others than before */
	struct device_insns new_devices;
	struct device_insns old_devices;
};

/** The cgroup that is changed, and who keeps it. Lent. */
struct cgroup_target {
	enum cgroup_manager manager;
	int mount_fd;
	const char *path; /* below the mount */
	const struct cgroup *cgroup;
	struct systemd_bus *systemd; /* with CGROUP_MANAGER_SYSTEMD: where its unit is */
	const char *unit;
	bool user_unit;
	struct arena *arena;
};

/** What cgroup_update_apply() has changed. */
struct cgroup_update_done {
	struct saved_values saved;
	bool properties;              /* of the unit */
	struct bus_properties before; /* what those were */
	bool devices;
};

/**
 * Decide how the container's resources @base (NULL: none) become those with @change. What engines
 * write for "not set" changes nothing (oci_resources_drop_unset()). Values that belong together are
 * set together, the missing one as it was: quota and period; shares and idle; memory and swap,
 * where a limit taken away takes swap's along, as in runc. What @change sets overrides a file of
 * @base's `unified`.
 *
 * Adds a problem for each value that cgroup v2 cannot express, and for malformed device rules.
 * Pure. Returns 0 or -errno.
 */
int cgroup_update_plan(const struct oci_resources *base, const struct oci_resources *change,
		       struct arena *arena, struct problems *problems,
		       struct cgroup_update *ret_update, struct wh_error *err);
/**
 * Apply @update to @target. With memory.checkBeforeUpdate limits that are not above what is in use
 * are refused. Controllers that the limits need are enabled in the parents first; of a unit systemd
 * does that, which gets its properties before the files are written (a property may be coarser). On
 * failure everything is as it was (but for controllers). Returns 0 with *@ret_done, or -errno.
 */
int cgroup_update_apply(const struct cgroup_update *update, const struct cgroup_target *target,
			struct cgroup_update_done *ret_done, struct wh_error *err);
/** Take back what cgroup_update_apply() did. */
void cgroup_update_undo(const struct cgroup_update *update, const struct cgroup_target *target,
			const struct cgroup_update_done *done);
