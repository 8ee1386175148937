/* SPDX-License-Identifier: Apache-2.0 */
/* What a container asks of systemd: a unit that is started, changed, joined and removed. */
#pragma once

#include <sys/types.h>

#include "cgroups/cgroup.h"
#include "cgroups/systemd_bus.h"
#include "cgroups/systemd_unit.h"

/**
 * The manager's own cgroup below the mount, "" at its root: units' paths are below it. *@ret_path: in
 * the arena. Returns 0 or -errno.
 */
int systemd_manager_cgroup(struct systemd_bus *bus, struct arena *arena, const char **ret_path,
			   struct wh_error *err);
/**
 * Start @unit with the process @pid in it, and wait until it is there; a slice is started without.
 * A unit of that name must not be there, but for a slice. When it fails, nothing of it is left as far
 * as systemd can be reached. Returns 0 or -errno.
 */
int systemd_unit_start(struct systemd_bus *bus, const struct systemd_unit *unit, pid_t pid,
		       struct wh_error *err);
/**
 * Change properties of the unit @name until it ends (SetUnitProperties, runtime): all of them or,
 * when systemd refuses one, none. Returns 0 or -errno.
 */
int systemd_unit_set(struct systemd_bus *bus, const char *name,
		     const struct bus_properties *properties, struct wh_error *err);
/**
 * Read the properties of the unit @unit that @wanted names into @properties (its arena), such that
 * systemd_unit_set() sets them back to what they are now: a list begins with an empty one. Returns 0 or
 * -errno.
 */
int systemd_unit_get(struct systemd_bus *bus, const char *unit, const struct bus_properties *wanted,
		     struct bus_properties *properties, struct wh_error *err);
/**
 * Have systemd move @pid into the cgroup @sub ("/": its own) of the unit @name, for callers whom the
 * kernel does not let do it. Returns 0 or -errno.
 */
int systemd_unit_attach(struct systemd_bus *bus, const char *name, const char *sub, pid_t pid,
			struct wh_error *err);
/**
 * Stop the unit @name, wait, and have it forgotten, failed or not. One that is not there is no error.
 * systemd takes its time with processes that are in it: kill them first. Returns 0 or -errno.
 */
int systemd_unit_stop(struct systemd_bus *bus, const char *name, struct wh_error *err);
