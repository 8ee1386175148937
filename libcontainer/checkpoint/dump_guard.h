/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While CRIU saves, a container stands still until CRIU lets it go, as it does when its caller fails, or has died. That takes
 * a CRIU which gets as far as looking: one that writes much memory is made to give up at once here, and one that hangs
 * is killed. Where the caller itself is killed, a small process of the same program does it in its place.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/guard.h"
#include "libcontainer/checkpoint/criu.h"

/** How long CRIU may take to undo what it has done before it is killed. */
#define DUMP_GIVE_UP_MS 10000

/**
 * CRIU (@pid, its @pidfd) is to give up what it saves: every write to a file fails for it from here on, unless it is @settled
 * that it does the rest. Whoever calls it has closed its socket before. Returns true when it had to be killed, which leaves the cgroup as CRIU had it just then, frozen
 * or not.
 */
bool dump_give_up(pid_t pid, int pidfd, bool settled);

struct dump_guard {
	struct guard guard;
};

#define DUMP_GUARD_NONE ((struct dump_guard){GUARD_NONE})

/**
 * Start the process that waits for the caller's death, and then lets go what CRIU holds; @cgroup_fd is the directory of
 * the container's cgroup, which CRIU freezes and thaws meanwhile, and @frozen how it is to be. -EBADF: there is none. All lent.
 * Returns 0 or -errno.
 */
int dump_guard_start(struct dump_guard *guard, const struct criu *criu, int cgroup_fd, bool frozen,
		     struct wh_error *err);
/** The image is complete, and CRIU knows it: what is left to it is to end the container. */
void dump_guard_settle(struct dump_guard *guard);
/** It is not needed any more. */
void dump_guard_end(struct dump_guard *guard);
