/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that outlives a migration's worker should that be killed, and then does what is left to do: a
 * container that is held must not stay so only because nobody is there to let it go.
 */
#pragma once

#include "base/error.h"
#include "base/guard.h"

struct migrate_guard {
	struct guard guard;
};

#define MIGRATE_GUARD_NONE ((struct migrate_guard){GUARD_NONE})

/**
 * Start the guard. When the caller ends without migrate_guard_end(), it runs @recover(@ctx), with no files but
 * the standard streams. Returns 0 or -errno.
 */
int migrate_guard_start(struct migrate_guard *guard, void (*recover)(void *ctx), void *ctx,
			struct wh_error *err);
/** It is no longer needed. None is all right. */
void migrate_guard_end(struct migrate_guard *guard);
