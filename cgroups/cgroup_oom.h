/* SPDX-License-Identifier: Apache-2.0 */
/* Being told when the kernel kills in a cgroup for want of memory. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cgroups/cgroup.h"

struct cgroup_oom_watch {
	int events_fd; /* poll it for POLLPRI; -EBADF without the memory controller */
	uint64_t kills;
};

/** Start to watch @cgroup. What was killed before does not count. */
void cgroup_oom_watch_init(struct cgroup_oom_watch *watch, const struct cgroup *cgroup);
void cgroup_oom_watch_done(struct cgroup_oom_watch *watch);
/** How many processes the kernel has killed since it was asked last. */
uint64_t cgroup_oom_watch_read(struct cgroup_oom_watch *watch);
