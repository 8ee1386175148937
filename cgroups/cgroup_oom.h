/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Being told when the kernel kills in a cgroup for want of memory. systemd removes a scope's cgroup as
 * soon as it is empty, and with it the count of what was killed there; the parent's count stays, and is
 * that of all below it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cgroups/cgroup.h"

struct cgroup_oom_watch {
	int events_fd; /* poll it for POLLPRI; -EBADF without the memory controller */
	uint64_t kills;
	int above_fd; /* the same of the parent; -EBADF below the mount's root */
	uint64_t above;
};

#define CGROUP_OOM_WATCH_NONE ((struct cgroup_oom_watch){.events_fd = -EBADF, .above_fd = -EBADF})

/** Start to watch @cgroup, which is at @path below @mount_fd. What was killed before does not count. */
void cgroup_oom_watch_init(struct cgroup_oom_watch *watch, int mount_fd, const char *path,
			   const struct cgroup *cgroup);
void cgroup_oom_watch_done(struct cgroup_oom_watch *watch);
/**
 * How many processes the kernel has killed since it was asked last. Of a cgroup that is gone since then
 * those below its parent count: to be exact, ask whenever one of the two fds is ready.
 */
uint64_t cgroup_oom_watch_read(struct cgroup_oom_watch *watch);
