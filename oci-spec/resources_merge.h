/* SPDX-License-Identifier: Apache-2.0 */
/* What a container's resources are after an update (`update -r FILE`). Pure. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/types.h"

/**
 * Take out of @change what says "not set" in engines' documents: 0 for memory.limit, reservation
 * and swap, cpu.shares, quota and period, and empty lists of processors and memory nodes. Lives in
 * the arena; what is left is shared with @change. Returns 0 or -ENOMEM.
 */
int oci_resources_drop_unset(const struct oci_resources *change, struct arena *arena,
			     const struct oci_resources **ret_change, struct wh_error *err);
/**
 * @base changed by @change. A value of @change replaces @base's; in lists whose elements have a
 * name (a device, a page size, a file) elements of the same name are replaced and others stay; the
 * device rules and network priorities are replaced as a whole. Lives in the arena, sharing what it
 * points at with both. Returns 0 or -ENOMEM.
 */
int oci_resources_merge(const struct oci_resources *base, const struct oci_resources *change,
			struct arena *arena, const struct oci_resources **ret_merged,
			struct wh_error *err);
