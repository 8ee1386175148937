/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/stats_row.h"

#include <errno.h>

#include "base/size.h"
#include "base/str.h"

#define UNKNOWN UINT64_MAX

const char *const stats_header[STATS_COLUMNS] = {
    "ID",   "CPU %",       "MEMORY",          "MEM %",
    "PIDS", "NET RX / TX", "IO READ / WRITE", "WAITS % CPU MEM IO",
};

/** @part / @whole in hundredths of a percent. */
static uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? (uint64_t)((unsigned __int128)part * 10000 / whole) : UNKNOWN;
}

static void sum_network(const struct oci_stats *stats, struct stats_row *row)
{
	row->net_received = row->net_sent = 0;
	for (size_t i = 0; i < stats->n_interfaces; i++) {
		row->net_received += stats->interfaces[i].rx_bytes;
		row->net_sent += stats->interfaces[i].tx_bytes;
	}
}

static void sum_io(const struct oci_stats *stats, struct stats_row *row)
{
	row->io_read = row->io_written = 0;
	for (size_t i = 0; i < stats->io.n_bytes; i++) {
		const struct oci_io_entry *entry = &stats->io.bytes[i];

		*(streq(entry->op, "Read") ? &row->io_read : &row->io_written) += entry->value;
	}
}

static uint64_t pressure(const struct oci_pressure *of)
{
	return of ? of->some.avg10 : UNKNOWN;
}

struct stats_row stats_row_make(const char *id, const struct oci_stats *stats,
				const struct stats_row *before, uint64_t elapsed_ns)
{
	const struct oci_memory_entry *memory = &stats->memory.usage;
	/* a cgroup in use with the controller has charged something, and has a limit or none */
	bool has_memory = memory->limit != 0;
	struct stats_row row = {
	    .id = id,
	    .cpu_time = stats->cpu.usage.total,
	    .cpu_percent = UNKNOWN,
	    .memory_usage = has_memory ? memory->usage : UNKNOWN,
	    .memory_limit = has_memory ? memory->limit : UNKNOWN,
	    .memory_percent = UNKNOWN,
	    .pids = stats->pids.current,
	    .pids_limit = stats->pids.limit ? stats->pids.limit : UNKNOWN,
	    .cpu_pressure = pressure(stats->cpu.pressure),
	    .memory_pressure = pressure(stats->memory.pressure),
	    .io_pressure = pressure(stats->io.pressure),
	};

	if (before && row.cpu_time >= before->cpu_time)
		row.cpu_percent = percent(row.cpu_time - before->cpu_time, elapsed_ns);
	if (row.memory_limit != UNKNOWN)
		row.memory_percent = percent(row.memory_usage, row.memory_limit);
	sum_network(stats, &row);
	sum_io(stats, &row);
	return row;
}

static const char *percent_text(uint64_t hundredths, struct arena *arena)
{
	return hundredths == UNKNOWN
		   ? "-"
		   : arena_printf(arena, "%llu.%02llu", (unsigned long long)hundredths / 100,
				  (unsigned long long)hundredths % 100);
}

static const char *size_text(uint64_t bytes, struct arena *arena)
{
	char buf[SIZE_TEXT];

	return bytes == UNKNOWN ? "-" : arena_strdup(arena, size_format(bytes, buf));
}

static const char *pair(const char *first, const char *second, struct arena *arena)
{
	return first && second ? arena_printf(arena, "%s / %s", first, second) : NULL;
}

static const char *pids_text(const struct stats_row *row, struct arena *arena)
{
	if (row->pids_limit == UNKNOWN)
		return arena_printf(arena, "%llu", (unsigned long long)row->pids);
	return arena_printf(arena, "%llu / %llu", (unsigned long long)row->pids,
			    (unsigned long long)row->pids_limit);
}

static const char *memory_text(const struct stats_row *row, struct arena *arena)
{
	const char *usage = size_text(row->memory_usage, arena);

	return row->memory_limit == UNKNOWN
		   ? usage
		   : pair(usage, size_text(row->memory_limit, arena), arena);
}

static const char *waits_text(const struct stats_row *row, struct arena *arena)
{
	const char *cpu = percent_text(row->cpu_pressure, arena);
	const char *memory = percent_text(row->memory_pressure, arena);
	const char *io = percent_text(row->io_pressure, arena);

	return cpu && memory && io ? arena_printf(arena, "%s %s %s", cpu, memory, io) : NULL;
}

int stats_row_cells(const struct stats_row *row, struct arena *arena,
		    const char *ret_cells[STATS_COLUMNS])
{
	const char *const cells[STATS_COLUMNS] = {
	    row->id,
	    percent_text(row->cpu_percent, arena),
	    memory_text(row, arena),
	    percent_text(row->memory_percent, arena),
	    pids_text(row, arena),
	    pair(size_text(row->net_received, arena), size_text(row->net_sent, arena), arena),
	    pair(size_text(row->io_read, arena), size_text(row->io_written, arena), arena),
	    waits_text(row, arena),
	};

	for (size_t i = 0; i < STATS_COLUMNS; i++) {
		if (!cells[i])
			return -ENOMEM;
		ret_cells[i] = cells[i];
	}
	return 0;
}

/** The members of the JSON form. */
static const struct {
	const char *name;
	size_t offset;
	void (*write)(struct json_writer *writer, uint64_t value);
} members[] = {
    {"cpu_time_ns",          offsetof(struct stats_row, cpu_time),        json_write_u64       },
    {"cpu_percent",          offsetof(struct stats_row, cpu_percent),     json_write_hundredths},
    {"memory_bytes",         offsetof(struct stats_row, memory_usage),    json_write_u64       },
    {"memory_limit_bytes",   offsetof(struct stats_row, memory_limit),    json_write_u64       },
    {"memory_percent",       offsetof(struct stats_row, memory_percent),  json_write_hundredths},
    {"pids",		 offsetof(struct stats_row, pids),            json_write_u64       },
    {"pids_limit",           offsetof(struct stats_row, pids_limit),      json_write_u64       },
    {"net_rx_bytes",         offsetof(struct stats_row, net_received),    json_write_u64       },
    {"net_tx_bytes",         offsetof(struct stats_row, net_sent),        json_write_u64       },
    {"io_read_bytes",        offsetof(struct stats_row, io_read),         json_write_u64       },
    {"io_write_bytes",       offsetof(struct stats_row, io_written),      json_write_u64       },
    {"cpu_waits_percent",    offsetof(struct stats_row, cpu_pressure),    json_write_hundredths},
    {"memory_waits_percent", offsetof(struct stats_row, memory_pressure), json_write_hundredths},
    {"io_waits_percent",     offsetof(struct stats_row, io_pressure),     json_write_hundredths},
};

void stats_row_json(const struct stats_row *row, struct json_writer *writer)
{
	json_write_object_begin(writer);
	json_write_key(writer, "id");
	json_write_string(writer, row->id);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		uint64_t value = *(const uint64_t *)((const char *)row + members[i].offset);

		if (value == UNKNOWN)
			continue;
		json_write_key(writer, members[i].name);
		members[i].write(writer, value);
	}
	json_write_object_end(writer);
}
