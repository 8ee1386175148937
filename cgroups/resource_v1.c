/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_row.h"

int resource_v1_i64(struct resource_conversion *conversion, const struct resource_row *row)
{
	const int64_t *value = ROW_VALUE(conversion, row, int64_t);

	if (value && *value != 0 && *value != -1)
		resource_row_refuse(conversion, row->field, row->param);
	return 0;
}

int resource_v1_u64(struct resource_conversion *conversion, const struct resource_row *row)
{
	const uint64_t *value = ROW_VALUE(conversion, row, uint64_t);

	if (value && *value != 0)
		resource_row_refuse(conversion, row->field, row->param);
	return 0;
}

int resource_v1_u32(struct resource_conversion *conversion, const struct resource_row *row)
{
	const uint32_t *value = ROW_VALUE(conversion, row, uint32_t);

	if (value && *value != 0)
		resource_row_refuse(conversion, row->field, row->param);
	return 0;
}

int resource_v1_u16(struct resource_conversion *conversion, const struct resource_row *row)
{
	const uint16_t *value = ROW_VALUE(conversion, row, uint16_t);

	if (value && *value != 0)
		resource_row_refuse(conversion, row->field, row->param);
	return 0;
}

int resource_v1_true(struct resource_conversion *conversion, const struct resource_row *row)
{
	const bool *value = ROW_VALUE(conversion, row, bool);

	if (value && *value)
		resource_row_refuse(conversion, row->field, row->param);
	return 0;
}

/** vm.swappiness' own default asks for nothing. */
int resource_v1_swappiness(struct resource_conversion *conversion, const struct resource_row *row)
{
	const uint64_t *value = ROW_VALUE(conversion, row, uint64_t);

	if (value && *value != 60)
		resource_row_refuse(conversion, row->field, row->param);
	return 0;
}

int resource_v1_priorities(struct resource_conversion *conversion, const struct resource_row *row)
{
	if (conversion->resources->network && conversion->resources->network->n_priorities)
		resource_row_refuse(conversion, row->field, row->param);
	return 0;
}

/**
 * Version 2 is always hierarchical, and the container's cgroup is a leaf when it is made: either
 * value holds.
 */
int resource_v1_accept(struct resource_conversion *conversion, const struct resource_row *row)
{
	return 0;
}
