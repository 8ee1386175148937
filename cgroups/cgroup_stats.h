/* SPDX-License-Identifier: Apache-2.0 */
/* What the processes of a cgroup use: reading the kernel's files, one table row a statistic. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/cgroup.h"
#include "oci-spec/stats.h"

/**
 * Read all that the kernel tells about @cgroup. A controller that is not there leaves its members
 * zero, its lists empty and its pointers NULL: on a host with the hybrid layout processor time and
 * pressure are known without any. Without the pids controller processes are counted. Lives in
 * the arena. Returns 0, -ENODEV when the cgroup was removed, or -errno.
 */
int cgroup_stats_read(const struct cgroup *cgroup, struct arena *arena, struct oci_stats *ret_stats,
		      struct wh_error *err);
