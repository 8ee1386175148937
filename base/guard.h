/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guard: a process of the same program that outlives its parent should that be killed, and then does what is left to do. It
 * waits at a pipe, whose other end the parent alone has: a byte comes when it is not needed any more, end of file when the
 * parent has died.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct guard {
	pid_t pid; /* 0: there is none */
	int pipe;
};

#define GUARD_NONE ((struct guard){.pipe = -EBADF})

/** What a guard is there for. It has a copy of all this, which thus need not outlive guard_start(). */
struct guard_post {
	/*
	 * called in the guard once its parent has ended, and not only closed its files; @said is the last byte of
	 * guard_say(), 0: there was none
	 */
	void (*recover)(void *ctx, char said);
	void *ctx;
	const int *keep; /* fds that it has under the same numbers; a negative one is none */
	size_t n_keep;
	/* called in the guard before it waits; without success it ends, and nobody watches. NULL: nothing to do there */
	int (*prepare)(struct wh_error *err);
};

/**
 * Fork a guard: in a session of its own, deaf to SIGINT, SIGTERM, SIGHUP and SIGQUIT, and with nothing open but the standard
 * streams, @post->keep and its end of the pipe: whatever else is copied would stay open as long as it waits, locks and the
 * ends of other pipes among it. Returns 0 or -errno.
 */
int guard_start(struct guard *guard, const struct guard_post *post, struct wh_error *err);
/** Leave it word of how far we are, for its recover(): @what is not 0. Without a guard nothing is done. */
void guard_say(const struct guard *guard, char what);
/** It is not needed any more: it ends without having done anything, and is reaped. Without a guard nothing is done. */
void guard_end(struct guard *guard);
