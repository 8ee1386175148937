/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of resources: an OCI field, its cgroup v2 file, its conversion
 * (config-linux.md#control-groups). Deciding is pure and yields writes in their order; applying
 * writes them. docs/resources.md has the table in words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/bus_value.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/** One write(2) to one file of the container's cgroup. All strings live in the arena. */
struct cgroup_write {
	const char *field; /* "memory.limit": below linux.resources, for errors and `wherry plan` */
	const char *file;  /* "memory.max" */
	const char *value;
	/* asks for what holds anyway, or another write asks it too: a missing file is no error */
	bool optional;
	bool retry_last; /* EINVAL may be due to a value written after it: tried again at the end */
	const char *else_file; /* where @file is missing: this file and value instead; NULL: none */
	const char *else_value;
};

struct cgroup_writes {
	const struct cgroup_write *list;
	size_t count;
};

/**
 * Convert all of @resources but the device rules. Adds a problem for each value that cgroup v2
 * cannot express, by its name. Fields that only version 1 has are accepted with the values that
 * engines send for "not set". Pure. Returns 0 or -errno.
 */
int resource_files_plan(const struct oci_resources *resources, struct arena *arena,
			struct problems *problems, struct cgroup_writes *ret_writes,
			struct wh_error *err);
/**
 * What of @writes a systemd unit has a property for, by the same table; the rest is left to the
 * files. Pure. Returns 0 or -errno.
 */
int resource_files_properties(const struct cgroup_writes *writes, struct bus_properties *properties,
			      struct wh_error *err);
/**
 * Limits of processor time (cpu.*) need not hold while init makes the container, and would stretch
 * its work over many periods; all others must be there before it.
 */
enum resource_part { RESOURCE_PART_ALL, RESOURCE_PART_FIRST, RESOURCE_PART_CPU_TIME };

/**
 * Write @part of @writes, in order, to the files of the cgroup @dir_fd. Returns 0, or -errno with an
 * error that names the field.
 */
int resource_files_apply(const struct cgroup_writes *writes, enum resource_part part, int dir_fd,
			 struct wh_error *err);
