/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_row.h"

#include <errno.h>
#include <inttypes.h>

#include "base/str.h"
#include "cgroups/resource_convert.h"

#define DEFAULT_CPU_PERIOD_US 100000
/** What the kernel takes as a period. */
#define MIN_CPU_PERIOD_US 1000
#define MAX_CPU_PERIOD_US 1000000

/** Bytes: 0 is what engines send for "not set", -1 is unlimited. */
int resource_limit_bytes(struct resource_conversion *conversion, const struct resource_row *row)
{
	const int64_t *value = ROW_VALUE(conversion, row, int64_t);

	if (!value || *value == 0)
		return 0;
	return *value < 0 ? resource_row_add_max(conversion, row)
			  : resource_row_add_number(conversion, row, (uint64_t)*value);
}

int resource_limit_swap(struct resource_conversion *conversion, const struct resource_row *row)
{
	const struct oci_memory *memory = conversion->resources->memory;
	int64_t swap, amount;
	bool set;
	int rc;

	if (!memory)
		return 0;
	swap = memory->swap ? *memory->swap : 0;
	rc = resource_convert_swap(swap, memory->limit ? *memory->limit : 0, &set, &amount);
	if (rc < 0) {
		resource_row_refuse(
		    conversion, row->field,
		    rc == -ERANGE
			? "must not be smaller than memory.limit: it is the sum of memory and swap"
			: "needs memory.limit: it is the sum of memory and swap");
		return 0;
	}
	if (!set)
		return 0;
	if (amount < 0)
		return resource_row_add_max(conversion, row);
	rc = resource_row_add_number(conversion, row, (uint64_t)amount);
	/* A kernel that does not account swap has no file to forbid it with. */
	if (rc == 0 && amount == 0)
		conversion->list[conversion->count - 1].optional = true;
	return rc;
}

int resource_limit_shares(struct resource_conversion *conversion, const struct resource_row *row)
{
	const uint64_t *shares = ROW_VALUE(conversion, row, uint64_t);
	const int64_t *idle = conversion->resources->cpu ? conversion->resources->cpu->idle : NULL;

	/* An idle cgroup has no weight: the kernel answers EINVAL. */
	if (!shares || *shares == 0 || (idle && *idle == 1))
		return 0;
	return resource_row_add_number(conversion, row, resource_convert_shares(*shares));
}

int resource_limit_idle(struct resource_conversion *conversion, const struct resource_row *row)
{
	const int64_t *idle = ROW_VALUE(conversion, row, int64_t);
	int rc;

	if (!idle)
		return 0;
	rc = resource_row_add_number(conversion, row, *idle != 0);
	if (rc == 0 && *idle == 0)
		conversion->list[conversion->count - 1].optional = true;
	return rc;
}

int resource_limit_cpu_max(struct resource_conversion *conversion, const struct resource_row *row)
{
	const struct oci_cpu *cpu = conversion->resources->cpu;
	int64_t quota = cpu && cpu->quota ? *cpu->quota : 0;
	uint64_t period = cpu && cpu->period ? *cpu->period : 0;
	const char *field = row->field;
	struct cgroup_write *write;
	const char *text;

	if (quota == 0 && period == 0)
		return 0;
	/* one file for both: name the one that the kernel will not have, or else that is there */
	if (!cpu->quota || (period && (period < MIN_CPU_PERIOD_US || period > MAX_CPU_PERIOD_US)))
		field = row->param;
	if (period == 0)
		period = DEFAULT_CPU_PERIOD_US;
	text = quota > 0 ? arena_printf(conversion->arena, "%" PRId64 " %" PRIu64, quota, period)
			 : arena_printf(conversion->arena, "max %" PRIu64, period);
	write = resource_row_add(conversion, field, row->file, text);
	if (!write)
		return -ENOMEM;
	write->optional = quota <= 0;
	return 0;
}

/**
 * Before cpu.max: an update that lowers the quota must lower the burst first; one that raises both
 * needs it after.
 */
int resource_limit_burst(struct resource_conversion *conversion, const struct resource_row *row)
{
	const uint64_t *burst = ROW_VALUE(conversion, row, uint64_t);
	struct cgroup_write *write;

	if (!burst)
		return 0;
	write = resource_row_add(conversion, row->field, row->file,
				 arena_printf(conversion->arena, "%" PRIu64, *burst));
	if (!write)
		return -ENOMEM;
	write->retry_last = true;
	write->optional = *burst == 0;
	return 0;
}

int resource_limit_text(struct resource_conversion *conversion, const struct resource_row *row)
{
	const char *const *member = resource_row_member(conversion, row);

	if (!member || str_empty(*member))
		return 0;
	return resource_row_add(conversion, row->field, row->file, *member) ? 0 : -ENOMEM;
}

/**
 * 0 becomes 1 as in runc (systemd refuses 0): either way the container's process can start and
 * nothing besides.
 */
int resource_limit_pids(struct resource_conversion *conversion, const struct resource_row *row)
{
	const int64_t *limit = ROW_VALUE(conversion, row, int64_t);

	if (!limit)
		return 0;
	if (*limit < 0)
		return resource_row_add_max(conversion, row);
	return resource_row_add_number(conversion, row, *limit == 0 ? 1 : (uint64_t)*limit);
}

int resource_limit_io_weight(struct resource_conversion *conversion, const struct resource_row *row)
{
	const uint16_t *weight = ROW_VALUE(conversion, row, uint16_t);
	int rc;

	if (!weight || *weight == 0)
		return 0;
	rc = resource_row_add_number(conversion, row, *weight);
	if (rc == 0) {
		struct cgroup_write *write = &conversion->list[conversion->count - 1];

		write->else_file = row->param;
		write->else_value = arena_printf(conversion->arena, "%" PRIu64,
						 resource_convert_io_weight(*weight));
		rc = write->else_value ? 0 : -ENOMEM;
	}
	return rc;
}
