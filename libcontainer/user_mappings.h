/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ordinary user's container without a user namespace in its configuration: one is added, with
 * the ids that the host has given to the user in /etc/subuid and /etc/subgid (crun's way).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/** A line of subuid(5). */
struct id_range {
	uint32_t first;
	uint32_t count;
};

/**
 * The ranges that @text, a whole file, gives to the user @name or @uid. Lines that are not of the
 * form NAME:FIRST:COUNT, and ids that do not exist, are left out. Pure. *@ret_ranges in the arena.
 * Returns 0 or -ENOMEM.
 */
int user_mappings_parse(const char *text, const char *name, uint32_t uid, struct arena *arena,
			struct id_range **ret_ranges, size_t *ret_count, struct wh_error *err);
/**
 * Map @own_id, the caller's, to the container's @id, which its process runs as, and the ids of
 * @ranges in order to the others from 0 on. Pure. Returns 0 or -ENOMEM.
 */
int user_mappings_plan(uint32_t id, uint32_t own_id, const struct id_range *ranges, size_t n_ranges,
		       struct arena *arena, struct oci_id_mapping **ret_mappings, size_t *ret_count,
		       struct wh_error *err);
/**
 * *@spec with a new user namespace for the caller, when it has none. A caller who was given no ids,
 * or a host without newuidmap(1) and newgidmap(1), leaves its own id alone: a warning in @problems
 * says so.
 * Returns 1 when *@spec is another one now, 0, or -errno.
 */
int user_mappings_add(const struct oci_spec **spec, struct arena *arena, struct problems *problems,
		      struct wh_error *err);
