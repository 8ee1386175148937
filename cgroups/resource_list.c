/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_row.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"

int resource_list_weight_devices(struct resource_conversion *conversion,
				 const struct resource_row *row)
{
	const struct oci_block_io *io = conversion->resources->block_io;

	for (size_t i = 0; io && i < io->n_weight_device; i++) {
		const struct oci_weight_device *device = &io->weight_device[i];
		const char *field =
		    arena_printf(conversion->arena, "%s[%zu].weight", row->field, i);

		if (!field)
			return -ENOMEM;
		if (device->leaf_weight && *device->leaf_weight)
			problems_add(conversion->problems, PROBLEM_ERROR,
				     "linux.resources.%s[%zu].leafWeight: %s", row->field, i,
				     row->param);
		if (device->weight && *device->weight &&
		    !resource_row_add(conversion, field, row->file,
				      arena_printf(conversion->arena, "%" PRId64 ":%" PRId64 " %u",
						   device->major, device->minor, *device->weight)))
			return -ENOMEM;
	}
	return 0;
}

static_assert(offsetof(struct oci_block_io, n_throttle_read_bps_device) ==
		  offsetof(struct oci_block_io, throttle_read_bps_device) + sizeof(void *),
	      "resource_list_throttle() reads a list and its length as one pair");

/**
 * The four throttle lists: @row->member is the array in struct oci_block_io, its length follows it.
 * A rate of 0 lifts a limit.
 */
int resource_list_throttle(struct resource_conversion *conversion, const struct resource_row *row)
{
	struct throttle_list {
		const struct oci_throttle_device *devices;
		size_t count;
	};
	const struct throttle_list *list = resource_row_member(conversion, row);

	for (size_t i = 0; list && i < list->count; i++) {
		const struct oci_throttle_device *device = &list->devices[i];
		const char *head = arena_printf(conversion->arena, "%" PRId64 ":%" PRId64 " %s",
						device->major, device->minor, row->param);
		const char *line = !head          ? NULL
				   : device->rate ? arena_printf(conversion->arena, "%s=%" PRIu64,
								 head, device->rate)
						  : arena_printf(conversion->arena, "%s=max", head);

		if (!resource_row_add(conversion,
				      arena_printf(conversion->arena, "%s[%zu]", row->field, i),
				      row->file, line))
			return -ENOMEM;
	}
	return 0;
}

/**
 * The reservation limit first, where the kernel has it: a fault that is refused kills, a
 * reservation that is refused can be handled.
 */
int resource_list_hugepages(struct resource_conversion *conversion, const struct resource_row *row)
{
	for (size_t i = 0; i < conversion->resources->n_hugepage_limits; i++) {
		const struct oci_hugepage_limit *limit = &conversion->resources->hugepage_limits[i];
		const char *field = arena_printf(conversion->arena, "%s[%zu]", row->field, i);
		const char *value = arena_printf(conversion->arena, "%" PRIu64, limit->limit);
		struct cgroup_write *reserve;

		reserve = resource_row_add(
		    conversion, field,
		    arena_printf(conversion->arena, "hugetlb.%s.rsvd.max", limit->page_size),
		    value);
		if (!reserve)
			return -ENOMEM;
		/* older kernels lack it; the next write holds the limit */
		reserve->optional = true;
		if (!resource_row_add(
			conversion, field,
			arena_printf(conversion->arena, "hugetlb.%s.max", limit->page_size), value))
			return -ENOMEM;
	}
	return 0;
}

int resource_list_rdma(struct resource_conversion *conversion, const struct resource_row *row)
{
	for (size_t i = 0; i < conversion->resources->n_rdma; i++) {
		const struct oci_rdma *rdma = &conversion->resources->rdma[i];
		const char *line = rdma->device;

		if (line && rdma->hca_handles)
			line = arena_printf(conversion->arena, "%s hca_handle=%" PRIu32, line,
					    *rdma->hca_handles);
		if (line && rdma->hca_objects)
			line = arena_printf(conversion->arena, "%s hca_object=%" PRIu32, line,
					    *rdma->hca_objects);
		if (!resource_row_add(
			conversion,
			arena_printf(conversion->arena, "%s.%s", row->field, rdma->device),
			row->file, line))
			return -ENOMEM;
	}
	return 0;
}

/**
 * Files by which a document could reach beyond its limits: they move, stop or end processes, or
 * change what the cgroup is.
 */
static const char *const runtime_files[] = {
    "cgroup.freeze",          "cgroup.kill",    "cgroup.procs",
    "cgroup.subtree_control", "cgroup.threads", "cgroup.type",
};

static const char *complain_unified(const char *key)
{
	if (str_empty(key) || key[0] == '.' ||
	    strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
		strlen(key))
		return "must be the name of a cgroup file, without any slash";
	for (size_t i = 0; i < ARRAY_LEN(runtime_files); i++)
		if (streq(key, runtime_files[i]))
			return "is not a limit: this file belongs to the runtime";
	return NULL;
}

/** The kernel takes one line a write. */
static int add_lines(struct resource_conversion *conversion, const char *field, const char *file,
		     const char *value)
{
	for (;;) {
		size_t len = strcspn(value, "\n");

		if (!resource_row_add(conversion, field, file,
				      arena_strndup(conversion->arena, value, len)))
			return -ENOMEM;
		value += len;
		if (value[0] == '\0' || value[1] == '\0')
			return 0;
		value++;
	}
}

int resource_list_unified(struct resource_conversion *conversion, const struct resource_row *row)
{
	for (size_t i = 0; i < conversion->resources->n_unified; i++) {
		const struct oci_string_map *entry = &conversion->resources->unified[i];
		const char *complaint = complain_unified(entry->key);
		const char *field =
		    arena_printf(conversion->arena, "%s.%s", row->field, entry->key);

		if (!field)
			return -ENOMEM;
		if (complaint)
			resource_row_refuse(conversion, field, complaint);
		else if (add_lines(conversion, field, entry->key, entry->value) < 0)
			return -ENOMEM;
	}
	return 0;
}

int resource_list_none(struct resource_conversion *conversion, const struct resource_row *row)
{
	return 0;
}
