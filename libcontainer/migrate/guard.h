/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that outlives a migration's worker should that be killed, and then does what is left to do: a
 * container that is held must not stay so only because nobody is there to let it go.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct migrate_guard {
	pid_t pid; /* 0: none */
	int pipe;
};

#define MIGRATE_GUARD_NONE ((struct migrate_guard){.pipe = -EBADF})

/**
 * Fork the guard. When the caller ends without migrate_guard_end(), it runs @recover(@ctx) in a session of its
 * own, with the standard streams only. Returns 0 or -errno.
 */
int migrate_guard_start(struct migrate_guard *guard, void (*recover)(void *ctx), void *ctx,
			struct wh_error *err);
/** It is no longer needed. None is all right. */
void migrate_guard_end(struct migrate_guard *guard);
