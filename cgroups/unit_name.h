/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of systemd's units, and where their cgroups are: linux.cgroupsPath as "slice:prefix:name".
 * Pure.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

/** The longest name of a unit, in bytes (UNIT_NAME_MAX less its NUL). */
#define UNIT_NAME_MAX_LENGTH 255

struct unit_name {
	const char *name;  /* "docker-ID.scope"; or a slice, when the last part names one */
	const char *slice; /* what it is in: "system.slice"; "-.slice" is the root */
	bool is_slice;
	const char *path; /* its cgroup below the manager's own: "/system.slice/docker-ID.scope" */
};

/** Whether linux.cgroupsPath has the form, any part of which may be empty. */
bool unit_name_has_form(const char *path);
/**
 * Resolve "slice:prefix:name". An empty slice is @default_slice and "-" the root; an empty name is
 * @id; with a prefix the unit is PREFIX-NAME.scope, without one NAME.scope. A name that ends in
 * ".slice" is the unit itself. Bytes that units cannot have become \xHH.
 * Returns 0, or -errno with a text that has no place in front.
 */
int unit_name_parse(const char *path, const char *default_slice, const char *id,
		    struct arena *arena, struct unit_name *ret_unit, struct wh_error *err);

/** Whether @unit, a full name, is a slice's: systemd does not collect one when its last process ends. */
bool unit_name_is_slice(const char *unit);
