/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container uses, in the form of runc's `events` (its types/events.go; go-runc reads it).
 * Zero is what the kernel says or does not say: absent members are zero, absent parts NULL.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/** One line of a pressure file (psi.rst). */
struct oci_pressure_line {
	uint64_t avg10; /* hundredths of a percent, as the two below */
	uint64_t avg60;
	uint64_t avg300;
	uint64_t total; /* microseconds */
};

struct oci_pressure {
	struct oci_pressure_line some;
	struct oci_pressure_line full;
};

/** Nanoseconds. */
struct oci_cpu_usage {
	uint64_t total;
	uint64_t kernel;
	uint64_t user;
};

struct oci_cpu_throttling {
	uint64_t periods;
	uint64_t throttled_periods;
	uint64_t throttled_time; /* nanoseconds */
};

struct oci_cpu_burst {
	uint64_t bursts;
	uint64_t time; /* nanoseconds */
};

struct oci_cpu_stats {
	struct oci_cpu_usage usage;
	struct oci_cpu_throttling throttling;
	struct oci_cpu_burst burst;
	struct oci_pressure *pressure;
};

/** Version 2 has the two lists; the flags are version 1's, which runc writes as 0. */
struct oci_cpuset_stats {
	uint16_t *cpus;
	size_t n_cpus;
	uint16_t *mems;
	size_t n_mems;
	uint64_t unused; /* every flag */
};

/** Bytes; a limit of UINT64_MAX is none. */
struct oci_memory_entry {
	uint64_t limit;
	uint64_t usage;
	uint64_t max; /* the highest usage */
	uint64_t failcnt;
};

/** memory.events */
struct oci_memory_events {
	uint64_t low;
	uint64_t high;
	uint64_t max;
	uint64_t oom;
	uint64_t oom_kill;
	uint64_t oom_group_kill;
};

/** A line of memory.stat. */
struct oci_named_count {
	const char *name;
	uint64_t value;
};

struct oci_memory_stats {
	uint64_t cache;
	struct oci_memory_entry usage;
	struct oci_memory_entry swap; /* with memory, as version 1 counts it */
	struct oci_memory_entry kernel;
	struct oci_memory_entry kernel_tcp;
	struct oci_named_count *raw;
	size_t n_raw;
	struct oci_pressure *pressure;
	struct oci_memory_events events;
};

struct oci_pids_stats {
	uint64_t current;
	uint64_t limit; /* 0: none */
};

struct oci_io_entry {
	uint64_t major;
	uint64_t minor;
	const char *op; /* "Read" or "Write" */
	uint64_t value;
};

struct oci_io_stats {
	struct oci_io_entry *bytes;
	size_t n_bytes;
	struct oci_io_entry *operations;
	size_t n_operations;
	struct oci_pressure *pressure;
};

struct oci_hugetlb_stats {
	const char *page_size; /* "2MB" */
	uint64_t usage;
	uint64_t failcnt; /* version 2 does not keep the highest usage, runc's "max" */
};

struct oci_rdma_entry {
	const char *device;
	uint64_t hca_handles; /* UINT64_MAX: no limit */
	uint64_t hca_objects;
};

struct oci_rdma_stats {
	struct oci_rdma_entry *current;
	size_t n_current;
	struct oci_rdma_entry *limit;
	size_t n_limit;
};

/** info/L3 of resctrl: what a class of service can be given of the cache. */
struct oci_rdt_cache_info {
	const char *cbm_mask; /* hexadecimal, as the kernel writes it */
	uint64_t min_cbm_bits;
	uint64_t num_closids;
};

/** info/MB: likewise of the bandwidth to memory. */
struct oci_rdt_bandwidth_info {
	uint64_t bandwidth_gran;
	uint64_t delay_linear;
	uint64_t min_bandwidth;
	uint64_t num_closids;
};

/** Bytes that went between one cache and memory. */
struct oci_rdt_bandwidth_use {
	uint64_t total_bytes;
	uint64_t local_bytes;
};

/** Bytes of one cache that are in use. */
struct oci_rdt_cache_use {
	uint64_t llc_occupancy;
};

/** What resctrl tells of the container's class and monitoring group. */
struct oci_rdt_stats {
	struct oci_rdt_cache_info *cache;
	const char *cache_schema_root; /* "L3:0=7ff;1=7ff" of the default class */
	const char *cache_schema;
	struct oci_rdt_bandwidth_info *bandwidth;
	const char *bandwidth_schema_root; /* "MB:0=100;1=100" */
	const char *bandwidth_schema;
	struct oci_rdt_bandwidth_use *bandwidth_use; /* one a cache, in their order */
	size_t n_bandwidth_use;
	struct oci_rdt_cache_use *cache_use;
	size_t n_cache_use;
};

struct oci_interface_stats {
	const char *name;
	uint64_t rx_bytes;
	uint64_t rx_packets;
	uint64_t rx_errors;
	uint64_t rx_dropped;
	uint64_t tx_bytes;
	uint64_t tx_packets;
	uint64_t tx_errors;
	uint64_t tx_dropped;
};

struct oci_stats {
	struct oci_cpu_stats cpu;
	struct oci_cpuset_stats cpuset;
	struct oci_memory_stats memory;
	struct oci_pids_stats pids;
	struct oci_io_stats io;
	struct oci_hugetlb_stats *hugetlb;
	size_t n_hugetlb;
	struct oci_rdma_stats *rdma;
	struct oci_rdt_stats rdt; /* all zero without linux.intelRdt */
	struct oci_interface_stats *interfaces;
	size_t n_interfaces;
};

/**
 * One event on one line, with its newline: {"type":"stats","id":ID,"data":...}, or without data
 * when @stats is NULL. Returns 0 or -ENOMEM.
 */
int oci_event_encode(const char *type, const char *id, const struct oci_stats *stats,
		     struct arena *arena, const char **ret_json, size_t *ret_len,
		     struct wh_error *err);
