/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of the userfaultfds by which `criu lazy-pages` gives memory. Should that process be killed, who touches memory that is
 * missing waits, as long as there is a copy, and finds no page of zeros. A copy must not outlive the process's own
 * when that was closed in peace: what the kernel reports through it would be read by nobody, and a fork would wait for that.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/** A file that the process and we both have open. */
struct lazy_copy {
	int theirs; /* its number in the process */
	int ours;
};

struct lazy_keep {
	pid_t pid;                /* of the process */
	struct lazy_copy witness; /* which it never closes as long as it lives */
	struct lazy_copy *copies;
	size_t count;
};

/**
 * Copy those that process @pid (behind @pidfd) has now. @witness: a file that it holds as long as it lives; lent. Where the
 * kernel cannot compare files (kcmp(2)) there are none. Returns 0 or -errno. Undone by lazy_keep_drop().
 */
int lazy_keep_take(struct lazy_keep *keep, pid_t pid, int pidfd, struct lazy_copy witness,
		   struct wh_error *err);
/** Close the copies of what the process has closed itself, and not with its end. */
void lazy_keep_prune(struct lazy_keep *keep);
/** Close all. */
void lazy_keep_drop(struct lazy_keep *keep);
