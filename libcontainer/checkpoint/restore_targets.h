/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "libcontainer/container_plan.h"

/**
 * Make the mount targets that @plan's root lacks: what was made at create is in the root that was used then, and an
 * engine that restores elsewhere leaves them out of what it copies. Targets below another mount are in the image, or in
 * the mount's source. Returns 0 or -errno.
 */
int restore_targets_make(const struct container_plan *plan, struct wh_error *err);
