/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of a container's network interfaces. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/process.h"
#include "oci-spec/stats.h"

/**
 * Parse the text of /proc/PID/net/dev into @stats, all interfaces but lo. Pure. Returns 0 or
 * -ENOMEM.
 */
int net_stats_parse(const char *text, struct arena *arena, struct oci_stats *stats);
/**
 * Read the interfaces of @process's network namespace into @stats; none when it is the caller's own,
 * whose counters say nothing about the container, or when the process ends meanwhile. Returns 0 or
 * -errno.
 */
int net_stats_read(const struct process_id *process, struct arena *arena, struct oci_stats *stats,
		   struct wh_error *err);
