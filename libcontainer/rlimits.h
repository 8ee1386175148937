/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hard limits of a process in another user namespace. Only CAP_SYS_RESOURCE of the initial one raises them
 * (setrlimit(2)), and init has none of its own in there: so the caller, which may, raises its own for as long as
 * it takes to clone init, which inherits them and then sets what the document wants.
 */
#pragma once

#include <stdint.h>
#include <sys/resource.h>

#include "libcontainer/container_plan.h"

/** The caller's own limits as they were before rlimits_raise(). */
struct rlimits_raised {
	struct rlimit was[RLIM_NLIMITS];
	uint32_t kinds; /* bit N: RLIMIT N was raised */
};

/**
 * Raise the caller's hard limits to those of @plan's process that are higher, where that will be in another user
 * namespace. What the caller may not is left as it is: init, which cannot either, tells of it. Undone by
 * rlimits_lower().
 */
void rlimits_raise(const struct container_plan *plan, struct rlimits_raised *ret_raised);
/** Set the caller's limits back. */
void rlimits_lower(const struct rlimits_raised *raised);
