/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_row.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

const void *resource_row_member(const struct resource_conversion *conversion,
				const struct resource_row *row)
{
	const char *section =
	    *(const char *const *)((const char *)conversion->resources + row->section);

	return section ? section + row->member : NULL;
}

struct cgroup_write *resource_row_add(struct resource_conversion *conversion, const char *field,
				      const char *file, const char *value)
{
	struct cgroup_write *write = &conversion->list[conversion->count];

	if (!field || !file || !value)
		return NULL;
	assert(conversion->count < conversion->room);
	*write = (struct cgroup_write){.field = field, .file = file, .value = value};
	conversion->count++;
	return write;
}

int resource_row_add_number(struct resource_conversion *conversion, const struct resource_row *row,
			    uint64_t value)
{
	return resource_row_add(conversion, row->field, row->file,
				arena_printf(conversion->arena, "%" PRIu64, value))
		   ? 0
		   : -ENOMEM;
}

int resource_row_add_max(struct resource_conversion *conversion, const struct resource_row *row)
{
	struct cgroup_write *write = resource_row_add(conversion, row->field, row->file, "max");

	if (!write)
		return -ENOMEM;
	write->optional = true;
	return 0;
}

void resource_row_refuse(struct resource_conversion *conversion, const char *field, const char *why)
{
	problems_add(conversion->problems, PROBLEM_ERROR, "linux.resources.%s: %s", field, why);
}
