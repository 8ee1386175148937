/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows of resource_files.c are made of, and their converters. A converter leaves absent
 * fields alone, adds writes, or refuses a value; it returns 0, or -ENOMEM. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "cgroups/bus_value.h"
#include "cgroups/resource_files.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

struct resource_conversion;
struct resource_row;

/**
 * Convert @value, as the row's file takes it, to the row's property; what the property cannot say is
 * left to the file. Returns 0 or -ENOMEM.
 */
typedef int resource_property_convert(const struct resource_row *row, const char *value,
				      struct bus_properties *properties);

/**
 * One OCI field. The member is found as section (a pointer in struct oci_resources) and member (in
 * what it points to).
 */
struct resource_row {
	const char *field; /* below linux.resources */
	const char *file;  /* NULL: cgroup v2 has nothing like it */
	int (*convert)(struct resource_conversion *conversion, const struct resource_row *row);
	size_t section;
	size_t member;
	const char *param; /* the converter's: a key, or why the field is refused */
	/* the file's property of a systemd unit, and who converts a value written to the file to it */
	const char *property;
	resource_property_convert *to_property;
};

struct resource_conversion {
	const struct oci_resources *resources;
	struct arena *arena;
	struct problems *problems;
	struct cgroup_write *list;
	size_t count;
	size_t room;
};

/** The address of the row's member, or NULL when its section is not in the document. */
const void *resource_row_member(const struct resource_conversion *conversion,
				const struct resource_row *row);

/** A member that is a pointer to @type: the pointer, NULL when absent. */
#define ROW_VALUE(conversion, row, type)                                                           \
	({                                                                                         \
		const type *const *member_ = resource_row_member((conversion), (row));             \
		member_ ? *member_ : NULL;                                                         \
	})

/**
 * Append a write. Returns it, or NULL when memory ran out, which the caller may have met while it
 * made @field, @file or @value: each may be NULL then.
 */
struct cgroup_write *resource_row_add(struct resource_conversion *conversion, const char *field,
				      const char *file, const char *value);
/** Write @value to the row's file. */
int resource_row_add_number(struct resource_conversion *conversion, const struct resource_row *row,
			    uint64_t value);
/** Write "max" to the row's file: what holds anyway where the file is missing. */
int resource_row_add_max(struct resource_conversion *conversion, const struct resource_row *row);
/** Add the problem that @field, below linux.resources, cannot be applied. */
void resource_row_refuse(struct resource_conversion *conversion, const char *field,
			 const char *why);

/* Single values (resource_limit.c). */
/** Bytes: 0 is what engines send for "not set", -1 is unlimited. */
int resource_limit_bytes(struct resource_conversion *conversion, const struct resource_row *row);
/** memory.swap, the sum of memory and swap, by resource_convert_swap(). */
int resource_limit_swap(struct resource_conversion *conversion, const struct resource_row *row);
/** cpu.shares by resource_convert_shares(); none for an idle cgroup. */
int resource_limit_shares(struct resource_conversion *conversion, const struct resource_row *row);
/** 0 or 1. */
int resource_limit_idle(struct resource_conversion *conversion, const struct resource_row *row);
/**
 * cpu.quota and cpu.period in one: @row->param is the field to name when only the period is there.
 */
int resource_limit_cpu_max(struct resource_conversion *conversion, const struct resource_row *row);
/** Tried before cpu.max, and once more after it. */
int resource_limit_burst(struct resource_conversion *conversion, const struct resource_row *row);
/** A list of processors or memory nodes, as it is. */
int resource_limit_text(struct resource_conversion *conversion, const struct resource_row *row);
/** -1 is unlimited, 0 becomes 1. */
int resource_limit_pids(struct resource_conversion *conversion, const struct resource_row *row);
/** BFQ's weight as it is, else @row->param's file by resource_convert_io_weight(). */
int resource_limit_io_weight(struct resource_conversion *conversion,
			     const struct resource_row *row);

/* Values of which there may be several (resource_list.c). */
/** blockIO.weightDevice; @row->param says why a leafWeight is refused. */
int resource_list_weight_devices(struct resource_conversion *conversion,
				 const struct resource_row *row);
/** One of the four throttle lists; @row->param is io.max's key. */
int resource_list_throttle(struct resource_conversion *conversion, const struct resource_row *row);
/** The reservation limit where the kernel has it, and the fault limit. */
int resource_list_hugepages(struct resource_conversion *conversion, const struct resource_row *row);
/** One line a device. */
int resource_list_rdma(struct resource_conversion *conversion, const struct resource_row *row);
/** Files named by the document, line by line. */
int resource_list_unified(struct resource_conversion *conversion, const struct resource_row *row);

/** A row that only gives a file of unified its property. */
int resource_list_none(struct resource_conversion *conversion, const struct resource_row *row);

/* What becomes of a file's value as a property (resource_property.c). */
/** A number, or "max". */
resource_property_convert resource_property_limit;
/** The number as it is: weights. */
resource_property_convert resource_property_weight;
/** cpu.idle: a weight of 0 (systemd 252). */
resource_property_convert resource_property_idle;
/** cpu.max: what it gives in a second, and the period. */
resource_property_convert resource_property_quota;
/** A list of processors or memory nodes. */
resource_property_convert resource_property_set;
/** io.weight and io.bfq.weight: a number, or one for a device. */
resource_property_convert resource_property_io_weight;
resource_property_convert resource_property_bfq_weight;
/** io.max: a property for each key. */
resource_property_convert resource_property_throttle;

/*
 * Fields that only version 1 has (resource_v1.c): what engines send for "not set" passes,
 * everything else is refused with @row->param as the reason.
 */
int resource_v1_i64(struct resource_conversion *conversion, const struct resource_row *row);
int resource_v1_u64(struct resource_conversion *conversion, const struct resource_row *row);
int resource_v1_u32(struct resource_conversion *conversion, const struct resource_row *row);
int resource_v1_u16(struct resource_conversion *conversion, const struct resource_row *row);
int resource_v1_true(struct resource_conversion *conversion, const struct resource_row *row);
int resource_v1_swappiness(struct resource_conversion *conversion, const struct resource_row *row);
int resource_v1_priorities(struct resource_conversion *conversion, const struct resource_row *row);
int resource_v1_accept(struct resource_conversion *conversion, const struct resource_row *row);
