/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "cgroups/cgroup_update.h"
#include "cgroups/device_program.h"
#include "oci-spec/resources_merge.h"

/** The most members that belong together. */
#define GROUP_MAX 2

/** Members of one section, each a pointer, that one file or the kernel ties together. */
static const struct group {
	size_t section; /* in struct oci_resources */
	size_t members[GROUP_MAX];
} groups[] = {
    {offsetof(struct oci_resources, cpu),
     {offsetof(struct oci_cpu, quota), offsetof(struct oci_cpu, period)}    },
 /* leaving idle resets the weight */
    {offsetof(struct oci_resources, cpu),
     {offsetof(struct oci_cpu, shares), offsetof(struct oci_cpu, idle)}     },
 /* swap is written as the sum of both */
    {offsetof(struct oci_resources, memory),
     {offsetof(struct oci_memory, limit), offsetof(struct oci_memory, swap)}},
};

static void *get(const void *base, size_t offset)
{
	void *pointer;

	memcpy(&pointer, (const char *)base + offset, sizeof(pointer));
	return pointer;
}

static void set(void *base, size_t offset, const void *pointer)
{
	memcpy((char *)base + offset, &pointer, sizeof(pointer));
}

/** Give the sections of @change, which are its own, what belongs to the members that they have. */
static void complete(const struct oci_resources *merged, struct oci_resources *change)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		const struct group *group = &groups[i];
		void *section = get(change, group->section);
		const void *all = get(merged, group->section);
		bool touched = false;

		for (size_t m = 0; section && m < GROUP_MAX; m++)
			touched |= get(section, group->members[m]) != NULL;
		for (size_t m = 0; touched && m < GROUP_MAX; m++)
			set(section, group->members[m], get(all, group->members[m]));
	}
}

/**
 * A copy of @change that may be completed: drop_unset() made its sections anew. Without a limit on
 * memory the sum with swap has none either.
 */
static struct oci_resources *own_change(const struct oci_resources *change, struct arena *arena)
{
	static const int64_t unlimited = -1;
	struct oci_resources *own = arena_memdup(arena, change, sizeof(*change));
	struct oci_memory *memory;

	if (!own || !own->memory)
		return own;
	memory = arena_memdup(arena, own->memory, sizeof(*memory));
	if (!memory)
		return NULL;
	if (memory->limit && *memory->limit == -1 && !memory->swap)
		memory->swap = &unlimited;
	own->memory = memory;
	return own;
}

static bool same_number(const int64_t *a, const int64_t *b)
{
	return a && b ? *a == *b : a == b;
}

static bool same_rules(const struct oci_resources *a, const struct oci_resources *b)
{
	if (a->n_devices != b->n_devices)
		return false;
	for (size_t i = 0; i < a->n_devices; i++) {
		const struct oci_device_rule *x = &a->devices[i], *y = &b->devices[i];

		if (x->allow != y->allow || x->type != y->type ||
		    !same_number(x->major, y->major) || !same_number(x->minor, y->minor) ||
		    !streq(x->access ? x->access : "rwm", y->access ? y->access : "rwm"))
			return false;
	}
	return true;
}

/**
 * The same rules are left alone: others may have put programs of their own in the place of
 * wherry's (a GPU's container toolkit).
 */
static int plan_devices(const struct oci_resources *base, const struct oci_resources *change,
			struct arena *arena, struct problems *problems,
			struct cgroup_update *update)
{
	if (!change->devices || same_rules(base, change))
		return 0;
	update->devices = true;
	if (device_program_plan(base, arena, problems, &update->old_devices.insns,
				&update->old_devices.count) < 0)
		return -ENOMEM;
	return device_program_plan(change, arena, problems, &update->new_devices.insns,
				   &update->new_devices.count);
}

static bool has_key(const struct oci_resources *resources, const char *key)
{
	for (size_t i = 0; i < resources->n_unified; i++)
		if (streq(resources->unified[i].key, key))
			return true;
	return false;
}

static bool is_written(const struct cgroup_writes *writes, const char *file)
{
	for (size_t i = 0; i < writes->count; i++)
		if (streq(writes->list[i].file, file))
			return true;
	return false;
}

/**
 * Drop the files that an earlier `unified` set and this update has set by their fields: unified is
 * written last, and would win when the container is made again.
 */
static int drop_overridden(const struct oci_resources *change, const struct cgroup_writes *writes,
			   struct arena *arena, struct oci_resources *merged)
{
	struct oci_string_map *kept =
	    arena_array(arena, struct oci_string_map, merged->n_unified + 1);
	size_t count = 0;

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < merged->n_unified; i++) {
		const struct oci_string_map *entry = &merged->unified[i];

		if (has_key(change, entry->key) || !is_written(writes, entry->key))
			kept[count++] = *entry;
	}
	merged->unified = merged->unified ? kept : NULL;
	merged->n_unified = count;
	return 0;
}

/** Where only the period changes it is not the quota, written with it, that is at fault. */
static int name_period(struct cgroup_writes *writes, struct arena *arena)
{
	struct cgroup_write *list =
	    arena_memdup(arena, writes->list, writes->count * sizeof(*writes->list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < writes->count; i++)
		if (streq(list[i].field, "cpu.quota"))
			list[i].field = "cpu.period";
	writes->list = list;
	return 0;
}

int cgroup_update_plan(const struct oci_resources *base, const struct oci_resources *change,
		       struct arena *arena, struct problems *problems,
		       struct cgroup_update *ret_update, struct wh_error *err)
{
	static const struct oci_resources nothing = {.n_devices = 0};
	struct cgroup_update update = {.devices = false};
	const struct oci_resources *merged = NULL;
	struct oci_resources *own, *remembered;
	bool has_quota;
	int rc;

	base = base ? base : &nothing;
	rc = oci_resources_drop_unset(change, arena, &change, err);
	if (rc < 0)
		return rc;
	own = own_change(change, arena);
	if (!own)
		return wh_oom(err);
	rc = oci_resources_merge(base, own, arena, &merged, err);
	if (rc < 0)
		return rc;
	remembered = arena_memdup(arena, merged, sizeof(*merged));
	if (!remembered)
		return wh_oom(err);
	has_quota = own->cpu && own->cpu->quota;
	complete(merged, own);
	rc = resource_files_plan(own, arena, problems, &update.writes, err);
	if (rc < 0)
		return rc;
	if (!has_quota && name_period(&update.writes, arena) < 0)
		return wh_oom(err);
	if (plan_devices(base, own, arena, problems, &update) < 0 ||
	    drop_overridden(own, &update.writes, arena, remembered) < 0)
		return wh_oom(err);
	update.change = own;
	update.resources = remembered;
	*ret_update = update;
	return 0;
}
