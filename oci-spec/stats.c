/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of runc's types/events.go. What Go leaves out when it is zero (omitempty) has no flag
 * here; what it always writes has FIELD_ALWAYS.
 */
#include "oci-spec/stats.h"

#include "oci-spec/field.h"

/** Hundredths, as a decimal number; these documents are only written. */
static void hundredths_encode(struct json_writer *writer, const struct field *field,
			      const void *src)
{
	json_write_hundredths(writer, *(const uint64_t *)src);
}

static const struct field_type field_hundredths = {
    .expected = "a number",
    .size = sizeof(uint64_t),
    .encode = hundredths_encode,
};

#define NUMBER(struct_, name, member) FIELD(struct_, name, member, field_u64, NULL, 0)
#define NUMBER_ALWAYS(struct_, name, member)                                                       \
	FIELD(struct_, name, member, field_u64, NULL, FIELD_ALWAYS)
#define OBJECT(struct_, name, member, type) FIELD(struct_, name, member, field_object, &(type), 0)
#define OPTIONAL(struct_, name, member, type)                                                      \
	FIELD(struct_, name, member, field_object, &(type), FIELD_POINTER)

/* clang-format off */
static const struct field line_fields[] = {
	FIELD(oci_pressure_line, "avg10", avg10, field_hundredths, NULL, 0),
	FIELD(oci_pressure_line, "avg60", avg60, field_hundredths, NULL, 0),
	FIELD(oci_pressure_line, "avg300", avg300, field_hundredths, NULL, 0),
	NUMBER_ALWAYS(oci_pressure_line, "total", total),
};
static const struct object_type line_type = OBJECT_TYPE(oci_pressure_line, line_fields);

static const struct field pressure_fields[] = {
	OBJECT(oci_pressure, "some", some, line_type),
	OBJECT(oci_pressure, "full", full, line_type),
};
static const struct object_type pressure_type = OBJECT_TYPE(oci_pressure, pressure_fields);

static const struct field usage_fields[] = {
	NUMBER(oci_cpu_usage, "total", total),
	NUMBER_ALWAYS(oci_cpu_usage, "kernel", kernel),
	NUMBER_ALWAYS(oci_cpu_usage, "user", user),
};
static const struct object_type usage_type = OBJECT_TYPE(oci_cpu_usage, usage_fields);

static const struct field throttling_fields[] = {
	NUMBER(oci_cpu_throttling, "periods", periods),
	NUMBER(oci_cpu_throttling, "throttledPeriods", throttled_periods),
	NUMBER(oci_cpu_throttling, "throttledTime", throttled_time),
};
static const struct object_type throttling_type = OBJECT_TYPE(oci_cpu_throttling, throttling_fields);

static const struct field burst_fields[] = {
	NUMBER(oci_cpu_burst, "burstsPeriods", bursts),
	NUMBER(oci_cpu_burst, "burstTime", time),
};
static const struct object_type burst_type = OBJECT_TYPE(oci_cpu_burst, burst_fields);

static const struct field cpu_fields[] = {
	OBJECT(oci_cpu_stats, "usage", usage, usage_type),
	OBJECT(oci_cpu_stats, "throttling", throttling, throttling_type),
	OBJECT(oci_cpu_stats, "burst", burst, burst_type),
	OPTIONAL(oci_cpu_stats, "psi", pressure, pressure_type),
};
static const struct object_type cpu_type = OBJECT_TYPE(oci_cpu_stats, cpu_fields);

static const struct field number_element = {.type = &field_u16};
static const struct field cpuset_fields[] = {
	FIELD_LIST(oci_cpuset_stats, "cpus", cpus, &number_element, 0),
	NUMBER_ALWAYS(oci_cpuset_stats, "cpu_exclusive", unused),
	FIELD_LIST(oci_cpuset_stats, "mems", mems, &number_element, 0),
	NUMBER_ALWAYS(oci_cpuset_stats, "mem_hardwall", unused),
	NUMBER_ALWAYS(oci_cpuset_stats, "mem_exclusive", unused),
	NUMBER_ALWAYS(oci_cpuset_stats, "memory_migrate", unused),
	NUMBER_ALWAYS(oci_cpuset_stats, "memory_spread_page", unused),
	NUMBER_ALWAYS(oci_cpuset_stats, "memory_spread_slab", unused),
	NUMBER_ALWAYS(oci_cpuset_stats, "memory_pressure", unused),
	NUMBER_ALWAYS(oci_cpuset_stats, "sched_load_balance", unused),
	NUMBER_ALWAYS(oci_cpuset_stats, "sched_relax_domain_level", unused),
};
static const struct object_type cpuset_type = OBJECT_TYPE(oci_cpuset_stats, cpuset_fields);

static const struct field entry_fields[] = {
	NUMBER_ALWAYS(oci_memory_entry, "limit", limit),
	NUMBER(oci_memory_entry, "usage", usage),
	NUMBER(oci_memory_entry, "max", max),
	NUMBER_ALWAYS(oci_memory_entry, "failcnt", failcnt),
};
static const struct object_type entry_type = OBJECT_TYPE(oci_memory_entry, entry_fields);

static const struct field event_count_fields[] = {
	NUMBER(oci_memory_events, "low", low),
	NUMBER(oci_memory_events, "high", high),
	NUMBER(oci_memory_events, "max", max),
	NUMBER(oci_memory_events, "oom", oom),
	NUMBER(oci_memory_events, "oom_kill", oom_kill),
	NUMBER(oci_memory_events, "oom_group_kill", oom_group_kill),
};
static const struct object_type event_count_type = OBJECT_TYPE(oci_memory_events, event_count_fields);

static const struct map_type raw_map = {
	.key = FIELD(oci_named_count, NULL, name, field_string, NULL, 0),
	.value = FIELD(oci_named_count, NULL, value, field_u64, NULL, 0),
	.size = sizeof(struct oci_named_count),
};
static const struct field memory_fields[] = {
	NUMBER(oci_memory_stats, "cache", cache),
	OBJECT(oci_memory_stats, "usage", usage, entry_type),
	OBJECT(oci_memory_stats, "swap", swap, entry_type),
	OBJECT(oci_memory_stats, "kernel", kernel, entry_type),
	OBJECT(oci_memory_stats, "kernelTCP", kernel_tcp, entry_type),
	FIELD_MAP(oci_memory_stats, "raw", raw, &raw_map, 0),
	OPTIONAL(oci_memory_stats, "psi", pressure, pressure_type),
	OBJECT(oci_memory_stats, "event_count", events, event_count_type),
};
static const struct object_type memory_type = OBJECT_TYPE(oci_memory_stats, memory_fields);

static const struct field pids_fields[] = {
	NUMBER(oci_pids_stats, "current", current),
	NUMBER(oci_pids_stats, "limit", limit),
};
static const struct object_type pids_type = OBJECT_TYPE(oci_pids_stats, pids_fields);

static const struct field io_entry_fields[] = {
	NUMBER(oci_io_entry, "major", major),
	NUMBER(oci_io_entry, "minor", minor),
	FIELD(oci_io_entry, "op", op, field_string, NULL, 0),
	NUMBER(oci_io_entry, "value", value),
};
static const struct object_type io_entry_type = OBJECT_TYPE(oci_io_entry, io_entry_fields);
static const struct field io_element = {.type = &field_object, .param = &io_entry_type};
static const struct field io_fields[] = {
	FIELD_LIST(oci_io_stats, "ioServiceBytesRecursive", bytes, &io_element, 0),
	FIELD_LIST(oci_io_stats, "ioServicedRecursive", operations, &io_element, 0),
	OPTIONAL(oci_io_stats, "psi", pressure, pressure_type),
};
static const struct object_type io_type = OBJECT_TYPE(oci_io_stats, io_fields);

static const struct field hugetlb_fields[] = {
	NUMBER(oci_hugetlb_stats, "usage", usage),
	NUMBER_ALWAYS(oci_hugetlb_stats, "failcnt", failcnt),
};
static const struct object_type hugetlb_type = OBJECT_TYPE(oci_hugetlb_stats, hugetlb_fields);
static const struct map_type hugetlb_map = {
	.key = FIELD(oci_hugetlb_stats, NULL, page_size, field_string, NULL, 0),
	.value = {.type = &field_object, .param = &hugetlb_type},
	.size = sizeof(struct oci_hugetlb_stats),
};

static const struct field rdma_entry_fields[] = {
	FIELD(oci_rdma_entry, "device", device, field_string, NULL, FIELD_ALWAYS),
	NUMBER(oci_rdma_entry, "hcaHandles", hca_handles),
	NUMBER(oci_rdma_entry, "hcaObjects", hca_objects),
};
static const struct object_type rdma_entry_type = OBJECT_TYPE(oci_rdma_entry, rdma_entry_fields);
static const struct field rdma_element = {.type = &field_object, .param = &rdma_entry_type};
static const struct field rdma_fields[] = {
	FIELD_LIST(oci_rdma_stats, "current", current, &rdma_element, 0),
	FIELD_LIST(oci_rdma_stats, "limit", limit, &rdma_element, 0),
};
static const struct object_type rdma_type = OBJECT_TYPE(oci_rdma_stats, rdma_fields);

static const struct field rdt_cache_fields[] = {
	FIELD(oci_rdt_cache_info, "cbm_mask", cbm_mask, field_string, NULL, 0),
	NUMBER(oci_rdt_cache_info, "min_cbm_bits", min_cbm_bits),
	NUMBER(oci_rdt_cache_info, "num_closids", num_closids),
};
static const struct object_type rdt_cache_type = OBJECT_TYPE(oci_rdt_cache_info, rdt_cache_fields);

static const struct field rdt_bandwidth_fields[] = {
	NUMBER(oci_rdt_bandwidth_info, "bandwidth_gran", bandwidth_gran),
	NUMBER(oci_rdt_bandwidth_info, "delay_linear", delay_linear),
	NUMBER(oci_rdt_bandwidth_info, "min_bandwidth", min_bandwidth),
	NUMBER(oci_rdt_bandwidth_info, "num_closids", num_closids),
};
static const struct object_type rdt_bandwidth_type =
	OBJECT_TYPE(oci_rdt_bandwidth_info, rdt_bandwidth_fields);

static const struct field rdt_bandwidth_use_fields[] = {
	NUMBER_ALWAYS(oci_rdt_bandwidth_use, "mbm_total_bytes", total_bytes),
	NUMBER_ALWAYS(oci_rdt_bandwidth_use, "mbm_local_bytes", local_bytes),
};
static const struct object_type rdt_bandwidth_use_type =
	OBJECT_TYPE(oci_rdt_bandwidth_use, rdt_bandwidth_use_fields);
static const struct field rdt_bandwidth_use_element = {
	.type = &field_object, .param = &rdt_bandwidth_use_type};

static const struct field rdt_cache_use_fields[] = {
	NUMBER_ALWAYS(oci_rdt_cache_use, "llc_occupancy", llc_occupancy),
};
static const struct object_type rdt_cache_use_type =
	OBJECT_TYPE(oci_rdt_cache_use, rdt_cache_use_fields);
static const struct field rdt_cache_use_element = {
	.type = &field_object, .param = &rdt_cache_use_type};

static const struct field rdt_fields[] = {
	OPTIONAL(oci_rdt_stats, "l3_cache_info", cache, rdt_cache_type),
	FIELD(oci_rdt_stats, "l3_cache_schema_root", cache_schema_root, field_string, NULL, 0),
	FIELD(oci_rdt_stats, "l3_cache_schema", cache_schema, field_string, NULL, 0),
	OPTIONAL(oci_rdt_stats, "mem_bw_info", bandwidth, rdt_bandwidth_type),
	FIELD(oci_rdt_stats, "mem_bw_schema_root", bandwidth_schema_root, field_string, NULL, 0),
	FIELD(oci_rdt_stats, "mem_bw_schema", bandwidth_schema, field_string, NULL, 0),
	FIELD_LIST(oci_rdt_stats, "mbm_stats", bandwidth_use, &rdt_bandwidth_use_element, 0),
	FIELD_LIST(oci_rdt_stats, "cmt_stats", cache_use, &rdt_cache_use_element, 0),
};
static const struct object_type rdt_type = OBJECT_TYPE(oci_rdt_stats, rdt_fields);

/* Go has no tags on these. */
static const struct field interface_fields[] = {
	FIELD(oci_interface_stats, "Name", name, field_string, NULL, FIELD_ALWAYS),
	NUMBER_ALWAYS(oci_interface_stats, "RxBytes", rx_bytes),
	NUMBER_ALWAYS(oci_interface_stats, "RxPackets", rx_packets),
	NUMBER_ALWAYS(oci_interface_stats, "RxErrors", rx_errors),
	NUMBER_ALWAYS(oci_interface_stats, "RxDropped", rx_dropped),
	NUMBER_ALWAYS(oci_interface_stats, "TxBytes", tx_bytes),
	NUMBER_ALWAYS(oci_interface_stats, "TxPackets", tx_packets),
	NUMBER_ALWAYS(oci_interface_stats, "TxErrors", tx_errors),
	NUMBER_ALWAYS(oci_interface_stats, "TxDropped", tx_dropped),
};
static const struct object_type interface_type = OBJECT_TYPE(oci_interface_stats, interface_fields);
static const struct field interface_element = {.type = &field_object, .param = &interface_type};

static const struct field stats_fields[] = {
	OBJECT(oci_stats, "cpu", cpu, cpu_type),
	OBJECT(oci_stats, "cpuset", cpuset, cpuset_type),
	OBJECT(oci_stats, "memory", memory, memory_type),
	OBJECT(oci_stats, "pids", pids, pids_type),
	OBJECT(oci_stats, "blkio", io, io_type),
	FIELD_MAP(oci_stats, "hugetlb", hugetlb, &hugetlb_map, FIELD_ALWAYS),
	OPTIONAL(oci_stats, "rdma", rdma, rdma_type),
	OBJECT(oci_stats, "intel_rdt", rdt, rdt_type),
	FIELD_LIST(oci_stats, "network_interfaces", interfaces, &interface_element, FIELD_ALWAYS),
};
static const struct object_type stats_type = OBJECT_TYPE(oci_stats, stats_fields);

struct event {
	const char *type;
	const char *id;
	const struct oci_stats *data;
};

static const struct field event_fields[] = {
	FIELD(event, "type", type, field_string, NULL, FIELD_ALWAYS),
	FIELD(event, "id", id, field_string, NULL, FIELD_ALWAYS),
	OPTIONAL(event, "data", data, stats_type),
};
static const struct object_type event_type = OBJECT_TYPE(event, event_fields);
/* clang-format on */

int oci_event_encode(const char *type, const char *id, const struct oci_stats *stats,
		     struct arena *arena, const char **ret_json, size_t *ret_len,
		     struct wh_error *err)
{
	const struct event event = {type, id, stats};
	const char *json;
	size_t len;
	int rc = field_encode_document(&event_type, &event, NULL, arena, &json, &len, err);
	char *line;

	if (rc < 0)
		return rc;
	line = arena_printf(arena, "%s\n", json);
	if (!line)
		return wh_oom(err);
	*ret_json = line;
	*ret_len = len + 1;
	return 0;
}
