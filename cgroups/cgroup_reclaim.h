/* SPDX-License-Identifier: Apache-2.0 */
/* Giving a container's memory back to the host (cgroup-v2.rst, memory.reclaim). */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "cgroups/cgroup.h"

struct cgroup_reclaimed {
	uint64_t came_back; /* bytes by which the use fell */
	uint64_t left;      /* bytes in use afterwards */
};

/**
 * Ask the kernel to take @bytes from the processes of @cgroup, whose v2 mount is @mount_fd. Takes
 * as long as that takes. Returns 0, 1 when the kernel found less than that, or -errno: the memory
 * controller is not there, or the kernel has no memory.reclaim (Linux 5.19).
 */
int cgroup_reclaim(const struct cgroup *cgroup, int mount_fd, uint64_t bytes,
		   struct cgroup_reclaimed *ret_reclaimed, struct wh_error *err);
