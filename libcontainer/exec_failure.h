/* SPDX-License-Identifier: Apache-2.0 */
/* Why an exec failed, where that is because its container ended meanwhile. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/** An exec that failed. */
struct exec_failure {
	const char *id; /* of the container */
	pid_t init;
	int init_pidfd; /* lent; -EBADF: it was not found yet */
	bool lost;      /* our process ended without a word of why */
};

/**
 * What goes wrong while the container ends, goes wrong because it ends: a signal that killed our process, a namespace
 * or a cgroup that is not there any more. What the process told of its program stands. Waits a second at the most, and
 * only for an init that is ending, or may be. Children that have ended are reaped.
 *
 * @rc, @err: the failure; @err may be NULL.
 * Returns @rc, or the -errno of another error in @err.
 */
int exec_explain(const struct exec_failure *failure, int rc, struct wh_error *err);
