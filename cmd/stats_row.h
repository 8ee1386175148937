/* SPDX-License-Identifier: Apache-2.0 */
/* One container in the table of `stats`, and its forms for people and programs. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "oci-spec/json_writer.h"
#include "oci-spec/stats.h"

/** Percents are in hundredths; a member that is not known is UINT64_MAX. */
struct stats_row {
	const char *id;
	uint64_t cpu_time; /* nanoseconds since the container's creation */
	uint64_t cpu_percent;
	uint64_t memory_usage;
	uint64_t memory_limit; /* UINT64_MAX: none */
	uint64_t memory_percent;
	uint64_t pids;
	uint64_t pids_limit; /* UINT64_MAX: none */
	uint64_t net_received;
	uint64_t net_sent;
	uint64_t io_read;
	uint64_t io_written;
	/* share of the last ten seconds in which something had to wait for it */
	uint64_t cpu_pressure;
	uint64_t memory_pressure;
	uint64_t io_pressure;
};

/**
 * Sum @stats up. @before: the row of the same container @elapsed_ns ago, for the share of processor
 * time since; NULL: not known yet.
 */
struct stats_row stats_row_make(const char *id, const struct oci_stats *stats,
				const struct stats_row *before, uint64_t elapsed_ns);

#define STATS_COLUMNS 8

extern const char *const stats_header[STATS_COLUMNS];

/** The cells of @row, in the arena, in the order of stats_header. Returns 0 or -ENOMEM. */
int stats_row_cells(const struct stats_row *row, struct arena *arena,
		    const char *ret_cells[STATS_COLUMNS]);
/** Write @row as a JSON object; what is not known is left out. */
void stats_row_json(const struct stats_row *row, struct json_writer *writer);
