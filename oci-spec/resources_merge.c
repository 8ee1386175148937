/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/resources_merge.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"

/** Whether the value at @value says "not set". */
typedef bool (*is_unset_fn)(const void *value);

static bool is_zero(const void *value)
{
	static const uint64_t zero;

	return memcmp(value, &zero, sizeof(zero)) == 0;
}

static bool is_empty(const void *value)
{
	return *(const char *)value == '\0';
}

/** A member that is a pointer: NULL means that the document does not have it. */
struct pointer_member {
	size_t offset;
	is_unset_fn is_unset; /* NULL: every value counts */
};

/** A member that is an array, its length right behind it, of elements that have a name. */
struct list_member {
	size_t offset;
	size_t size; /* of an element */
	bool (*same)(const void *a, const void *b);
};

/** A part of the resources: the pointer to it, and what it is made of. */
struct section {
	size_t offset;
	size_t size;
	const struct pointer_member *pointers;
	size_t n_pointers;
	const struct list_member *lists;
	size_t n_lists;
};

#define POINTER(type, member, ...)                                                                 \
	{                                                                                          \
		offsetof(struct type, member), __VA_ARGS__                                         \
	}
#define LIST(type, member, element, same_)                                                         \
	{                                                                                          \
		offsetof(struct type, member), sizeof(struct element), same_                       \
	}
#define SECTION(member, type, pointers_, ...)                                                      \
	{                                                                                          \
		.offset = offsetof(struct oci_resources, member), .size = sizeof(struct type),     \
		.pointers = (pointers_), .n_pointers = ARRAY_LEN(pointers_), __VA_ARGS__           \
	}

static const struct pointer_member memory_pointers[] = {
    POINTER(oci_memory, limit, is_zero),
    POINTER(oci_memory, reservation, is_zero),
    POINTER(oci_memory, swap, is_zero),
    POINTER(oci_memory, kernel, is_zero),
    POINTER(oci_memory, kernel_tcp, is_zero),
    POINTER(oci_memory, swappiness, NULL),
    POINTER(oci_memory, disable_oom_killer, NULL),
    POINTER(oci_memory, use_hierarchy, NULL),
    POINTER(oci_memory, check_before_update, NULL),
};
static_assert(sizeof(struct oci_memory) == ARRAY_LEN(memory_pointers) * sizeof(void *),
	      "a member of memory has no row");

static const struct pointer_member cpu_pointers[] = {
    POINTER(oci_cpu, shares, is_zero),
    POINTER(oci_cpu, quota, is_zero),
    POINTER(oci_cpu, burst, NULL),
    POINTER(oci_cpu, period, is_zero),
    POINTER(oci_cpu, realtime_runtime, is_zero),
    POINTER(oci_cpu, realtime_period, is_zero),
    POINTER(oci_cpu, cpus, is_empty),
    POINTER(oci_cpu, mems, is_empty),
    POINTER(oci_cpu, idle, NULL),
};
static_assert(sizeof(struct oci_cpu) == ARRAY_LEN(cpu_pointers) * sizeof(void *),
	      "a member of cpu has no row");

static const struct pointer_member pids_pointers[] = {
    POINTER(oci_pids, limit, NULL),
};

static bool same_weight_device(const void *a, const void *b)
{
	const struct oci_weight_device *x = a, *y = b;

	return x->major == y->major && x->minor == y->minor;
}

static bool same_throttle(const void *a, const void *b)
{
	const struct oci_throttle_device *x = a, *y = b;

	return x->major == y->major && x->minor == y->minor;
}

static const struct pointer_member block_io_pointers[] = {
    POINTER(oci_block_io, weight, NULL),
    POINTER(oci_block_io, leaf_weight, NULL),
};
static const struct list_member block_io_lists[] = {
    LIST(oci_block_io, weight_device, oci_weight_device, same_weight_device),
    LIST(oci_block_io, throttle_read_bps_device, oci_throttle_device, same_throttle),
    LIST(oci_block_io, throttle_write_bps_device, oci_throttle_device, same_throttle),
    LIST(oci_block_io, throttle_read_iops_device, oci_throttle_device, same_throttle),
    LIST(oci_block_io, throttle_write_iops_device, oci_throttle_device, same_throttle),
};

static bool same_page_size(const void *a, const void *b)
{
	const struct oci_hugepage_limit *x = a, *y = b;

	return streq(x->page_size, y->page_size);
}

static bool same_rdma(const void *a, const void *b)
{
	const struct oci_rdma *x = a, *y = b;

	return streq(x->device, y->device);
}

static bool same_file(const void *a, const void *b)
{
	const struct oci_string_map *x = a, *y = b;

	return streq(x->key, y->key);
}

static const struct section sections[] = {
    SECTION(memory, oci_memory, memory_pointers),
    SECTION(cpu, oci_cpu, cpu_pointers),
    SECTION(pids, oci_pids, pids_pointers),
    SECTION(block_io, oci_block_io, block_io_pointers, .lists = block_io_lists,
	    .n_lists = ARRAY_LEN(block_io_lists)),
};
static const struct list_member lists[] = {
    LIST(oci_resources, hugepage_limits, oci_hugepage_limit, same_page_size),
    LIST(oci_resources, rdma, oci_rdma, same_rdma),
    LIST(oci_resources, unified, oci_string_map, same_file),
};

/** Pointers of any type, and lists, are moved as bytes. */
static const void *get_pointer(const void *base, size_t offset)
{
	const void *pointer;

	memcpy(&pointer, (const char *)base + offset, sizeof(pointer));
	return pointer;
}

static void set_pointer(void *base, size_t offset, const void *pointer)
{
	memcpy((char *)base + offset, &pointer, sizeof(pointer));
}

static size_t get_length(const void *base, const struct list_member *list)
{
	size_t length;

	memcpy(&length, (const char *)base + list->offset + sizeof(void *), sizeof(length));
	return length;
}

static void *find_same(const struct list_member *list, char *elements, size_t count,
		       const void *element)
{
	for (size_t i = 0; i < count; i++)
		if (list->same(elements + i * list->size, element))
			return elements + i * list->size;
	return NULL;
}

/** Merge one list into the struct @merged, which holds the base's. Returns 0 or -ENOMEM. */
static int merge_list(const struct list_member *list, const void *change, struct arena *arena,
		      void *merged)
{
	const char *new = get_pointer(change, list->offset);
	size_t count = get_length(merged, list), n_new = new ? get_length(change, list) : 0;
	char *elements;

	if (!n_new)
		return 0;
	elements = arena_calloc(arena, count + n_new, list->size);
	if (!elements)
		return -ENOMEM;
	if (count)
		memcpy(elements, get_pointer(merged, list->offset), count * list->size);
	for (size_t i = 0; i < n_new; i++) {
		const char *element = new + i * list->size;
		char *place = find_same(list, elements, count, element);

		memcpy(place ? place : elements + count++ * list->size, element, list->size);
	}
	set_pointer(merged, list->offset, elements);
	memcpy((char *)merged + list->offset + sizeof(void *), &count, sizeof(count));
	return 0;
}

static int merge_lists(const struct list_member *rows, size_t n_rows, const void *change,
		       struct arena *arena, void *merged)
{
	for (size_t i = 0; i < n_rows; i++)
		if (merge_list(&rows[i], change, arena, merged) < 0)
			return -ENOMEM;
	return 0;
}

/** Merge one section of @change into @merged. Returns 0 or -ENOMEM. */
static int merge_section(const struct section *section, const struct oci_resources *change,
			 struct arena *arena, struct oci_resources *merged)
{
	const void *new = get_pointer(change, section->offset);
	const void *old = get_pointer(merged, section->offset);
	void *both;

	if (!new)
		return 0;
	both = arena_alloc(arena, section->size);
	if (!both)
		return -ENOMEM;
	if (old)
		memcpy(both, old, section->size);
	for (size_t i = 0; i < section->n_pointers; i++) {
		const void *value = get_pointer(new, section->pointers[i].offset);

		if (value)
			set_pointer(both, section->pointers[i].offset, value);
	}
	set_pointer(merged, section->offset, both);
	return merge_lists(section->lists, section->n_lists, new, arena, both);
}

static int merge_network(const struct oci_network *new, struct arena *arena,
			 struct oci_resources *merged)
{
	struct oci_network *both = new ? arena_new(arena, struct oci_network) : NULL;

	if (!new)
		return 0;
	if (!both)
		return -ENOMEM;
	if (merged->network)
		*both = *merged->network;
	if (new->class_id)
		both->class_id = new->class_id;
	if (new->priorities) {
		both->priorities = new->priorities;
		both->n_priorities = new->n_priorities;
	}
	merged->network = both;
	return 0;
}

int oci_resources_merge(const struct oci_resources *base, const struct oci_resources *change,
			struct arena *arena, const struct oci_resources **ret_merged,
			struct wh_error *err)
{
	struct oci_resources *merged = arena_memdup(arena, base, sizeof(*base));

	if (!merged)
		return wh_oom(err);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (merge_section(&sections[i], change, arena, merged) < 0)
			return wh_oom(err);
	if (merge_lists(lists, ARRAY_LEN(lists), change, arena, merged) < 0 ||
	    merge_network(change->network, arena, merged) < 0)
		return wh_oom(err);
	if (change->devices) {
		merged->devices = change->devices;
		merged->n_devices = change->n_devices;
	}
	*ret_merged = merged;
	return 0;
}

int oci_resources_drop_unset(const struct oci_resources *change, struct arena *arena,
			     const struct oci_resources **ret_change, struct wh_error *err)
{
	struct oci_resources *kept = arena_memdup(arena, change, sizeof(*change));

	if (!kept)
		return wh_oom(err);
	for (size_t s = 0; s < ARRAY_LEN(sections); s++) {
		const struct section *section = &sections[s];
		const void *given = get_pointer(change, section->offset);
		void *copy = given ? arena_memdup(arena, given, section->size) : NULL;

		if (!given)
			continue;
		if (!copy)
			return wh_oom(err);
		for (size_t i = 0; i < section->n_pointers; i++) {
			const struct pointer_member *member = &section->pointers[i];
			const void *value = get_pointer(copy, member->offset);

			if (value && member->is_unset && member->is_unset(value))
				set_pointer(copy, member->offset, NULL);
		}
		set_pointer(kept, section->offset, copy);
	}
	*ret_change = kept;
	return 0;
}
