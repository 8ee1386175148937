/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.intelRdt (config-linux.md#intelrdt): the container's class of service and its monitoring
 * group, which are directories of the kernel's resctrl file system. Nothing of this is entered for
 * a container that does not ask for it.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/stats.h"
#include "oci-spec/types.h"

/** What will be done in resctrl. Paths are below its root. */
struct intel_rdt_plan {
	const char *group; /* the class's directory, "." for the default class; NULL: no intelRdt */
	bool own;          /* without closID: the class is the container's, named after it */
	const char *limits;   /* l3CacheSchema and memBwSchema as one text of lines; NULL: none */
	const char *schemata; /* the same of schemata; NULL: none */
	const char *monitor;  /* the monitoring group's directory; NULL: none */
};

/** Decide about @rdt (NULL: nothing) for container @id. Pure. Returns 0 or -ENOMEM. */
int intel_rdt_plan_build(const struct oci_intel_rdt *rdt, const char *id, struct arena *arena,
			 struct intel_rdt_plan *ret_plan, struct wh_error *err);
/**
 * Whether each value in the lines of @limits ("L3:0=ff;1=f") is what @schemata, the text of a
 * class's schemata file, has for the same resource and domain. Digits are compared, not blanks or
 * leading zeros.
 */
bool intel_rdt_limits_hold(const char *limits, const char *schemata);

/** The root of the resctrl file system, an fd owned by the caller. Returns it, or -errno. */
int intel_rdt_open(struct wh_error *err);
/**
 * Look whether @plan can be done, changing nothing: a class that has to be there is, one that is
 * there has the limits asked for, and the names of those to be made are free. @root_fd: of
 * intel_rdt_open(). *@ret_missing: whether intel_rdt_make() has to make the class. Returns 0 or
 * -errno.
 */
int intel_rdt_check(const struct intel_rdt_plan *plan, int root_fd, bool *ret_missing,
		    struct wh_error *err);
/**
 * Make what is missing, and write what was asked for: the limits of a new class, then the schemata.
 * On failure nothing that was made is left. Returns 0 or -errno.
 */
int intel_rdt_make(const struct intel_rdt_plan *plan, int root_fd, bool missing,
		   struct wh_error *err);
/**
 * Give the class of @plan other limits: @limits are lines for its schemata file, where resources
 * that they do not name stay. *@ret_before: all that the file said, to be given here to undo it.
 * On failure nothing has changed. Returns 0 or -errno.
 */
int intel_rdt_change(const struct intel_rdt_plan *plan, int root_fd, const char *limits,
		     struct arena *arena, const char **ret_before, struct wh_error *err);
/** Put the process @pid into the class and the monitoring group. Returns 0 or -errno. */
int intel_rdt_add(const struct intel_rdt_plan *plan, int root_fd, pid_t pid, struct wh_error *err);
/**
 * Remove the directories that a container made, NULL: none. A class that others are in stays.
 * Returns 0, also when they are gone already, or -errno.
 */
int intel_rdt_remove(int root_fd, const char *group, const char *monitor, struct wh_error *err);
/**
 * What resctrl tells of the class and the monitoring group of @plan, as runc's `events --stats` has it
 * (intel_rdt_stats.c). Without a monitoring group of its own the container shows what its class uses.
 * What the CPU does not have is left out; of a group that was removed there is a warning, and nothing
 * is told. Lives in the arena. Returns 0 or -errno.
 */
int intel_rdt_stats_read(const struct intel_rdt_plan *plan, int root_fd, struct arena *arena,
			 struct oci_rdt_stats *ret_stats, struct wh_error *err);
