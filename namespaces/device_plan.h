/* SPDX-License-Identifier: Apache-2.0 */
/* Which device nodes the container gets: the defaults of the specification, and linux.devices. */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/**
 * The devices of a container, in the arena: the defaults (runtime-linux.md#default-devices) first,
 * then those of @linux_; an entry for the path of an earlier one takes its place. Paths are clean,
 * types are 'c', 'b' or 'p', and mode, owner and numbers are always set. Pure. Adds problems: a
 * path that is not absolute, numbers that are missing or that no device can have. Returns 0 or
 * -ENOMEM.
 */
int device_plan_build(const struct oci_linux *linux_, struct arena *arena,
		      struct problems *problems, struct oci_device **ret_devices, size_t *ret_count,
		      struct wh_error *err);
