/* SPDX-License-Identifier: Apache-2.0 */
/* The format is that of CRIU's crit. */
#include "libcontainer/checkpoint/pagemap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/protobuf.h"
#include "base/str.h"
#include "libcontainer/checkpoint/image_entries.h"

#define MAGIC_PAGEMAP 0x56084025U
#define PAGEMAP_MAX   (64UL << 20)
/** Bytes that an entry takes at the most: its length, and four numbers each after its field. */
#define ENTRY_ROOM 48U

/** The field of the head that matters here, those of an entry, and what its flags say. */
enum { HEAD_PAGES = 1 };
enum {
	ENTRY_ADDRESS = 1,
	ENTRY_COUNT_OLD = 2,
	ENTRY_IN_PARENT = 3,
	ENTRY_FLAGS = 4,
	ENTRY_COUNT = 5
};
enum { FLAG_PARENT = 1, FLAG_LAZY = 2, FLAG_PRESENT = 4 };

static int read_head(const struct image_entry *head, struct pagemap *pagemap)
{
	struct pb_reader reader = PB_READER(head->data, head->len);
	struct pb_field field;
	int rc;

	while ((rc = pb_next(&reader, &field)) > 0) {
		if (field.number == HEAD_PAGES)
			pagemap->pages = (uint32_t)field.value;
	}
	return rc;
}

/** Newer versions of CRIU write the number of pages in a second field, too; older ones no flags. */
static int read_entry(const struct image_entry *raw, struct pagemap_entry *ret_entry)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct pb_reader reader = PB_READER(raw->data, raw->len);
	struct pb_field field;
	uint64_t flags = FLAG_PRESENT;
	uint64_t count = 0;
	bool in_parent = false;
	int rc;

	*ret_entry = (struct pagemap_entry){0};
	while ((rc = pb_next(&reader, &field)) > 0) {
		if (field.number == ENTRY_ADDRESS)
			ret_entry->start = field.value;
		else if (field.number == ENTRY_COUNT ||
			 (field.number == ENTRY_COUNT_OLD && count == 0))
			count = field.value;
		else if (field.number == ENTRY_FLAGS)
			flags = field.value;
		else if (field.number == ENTRY_IN_PARENT)
			in_parent = field.value != 0;
	}
	if (rc < 0 || ret_entry->start % page != 0 ||
	    count > (UINT64_MAX - ret_entry->start) / page)
		return -EBADMSG;
	ret_entry->end = ret_entry->start + count * page;
	ret_entry->in_parent = in_parent || (flags & FLAG_PARENT);
	ret_entry->lazy = (flags & FLAG_LAZY) != 0;
	ret_entry->present = !ret_entry->in_parent && (flags & FLAG_PRESENT);
	return 0;
}

int pagemap_parse(const uint8_t *data, size_t len, struct arena *arena, struct pagemap *ret_pagemap)
{
	struct image_entry *raw;
	ssize_t count = image_entries_read(data, len, MAGIC_PAGEMAP, arena, &raw);
	uint64_t offset = 0;
	int rc;

	*ret_pagemap = (struct pagemap){0};
	if (count <= 0)
		return (int)count;
	ret_pagemap->entries = arena_array(arena, struct pagemap_entry, (size_t)count);
	if (!ret_pagemap->entries)
		return -ENOMEM;
	/* the first says which file has the pages, one entry's behind the other's */
	rc = read_head(&raw[0], ret_pagemap);
	for (ssize_t i = 1; rc == 0 && i < count; i++) {
		struct pagemap_entry *entry = &ret_pagemap->entries[ret_pagemap->count++];

		rc = read_entry(&raw[i], entry);
		entry->offset = offset;
		if (entry->present)
			offset += entry->end - entry->start;
	}
	return rc;
}

/** Long enough for its name. */
#define NAME_SIZE 40

static const char *name_of(uint64_t task, char *buf)
{
	snprintf(buf, NAME_SIZE, "pagemap-%llu.img", (unsigned long long)task);
	return buf;
}

int pagemap_read(int dir_fd, uint64_t task, struct arena *arena, struct pagemap *ret_pagemap,
		 struct wh_error *err)
{
	char name[NAME_SIZE];
	char *data;
	size_t len;
	int rc = file_read(dir_fd, name_of(task, name), PAGEMAP_MAX, arena, &data, &len, err);

	if (rc < 0)
		return rc;
	rc = pagemap_parse((const uint8_t *)data, len, arena, ret_pagemap);
	return rc < 0 ? wh_fail(err, -rc, "read image '%s'", name) : 0;
}

/** Both fields for the number of pages, so that any version of CRIU finds its own. */
static void write_entry(struct pb_writer *writer, const struct pagemap_entry *entry)
{
	const uint64_t count = (entry->end - entry->start) / (uint64_t)sysconf(_SC_PAGESIZE);
	const unsigned int flags = (entry->in_parent ? FLAG_PARENT : 0U) |
				   (entry->lazy ? FLAG_LAZY : 0U) |
				   (entry->present ? FLAG_PRESENT : 0U);
	size_t begun = image_entry_begin(writer);

	pb_write_varint(writer, ENTRY_ADDRESS, entry->start);
	pb_write_varint(writer, ENTRY_COUNT_OLD, count > UINT32_MAX ? 0 : count);
	pb_write_varint(writer, ENTRY_FLAGS, flags);
	pb_write_varint(writer, ENTRY_COUNT, count);
	image_entry_end(writer, begun);
}

int pagemap_replace(int dir_fd, uint64_t task, const struct pagemap *pagemap, struct arena *arena,
		    struct wh_error *err)
{
	struct pb_writer writer = {.size = 64 + pagemap->count * ENTRY_ROOM};
	char name[NAME_SIZE];
	size_t begun;

	writer.data = arena_alloc(arena, writer.size);
	if (!writer.data)
		return wh_oom(err);
	image_header_write(&writer, MAGIC_PAGEMAP);
	begun = image_entry_begin(&writer);
	pb_write_varint(&writer, HEAD_PAGES, pagemap->pages);
	image_entry_end(&writer, begun);
	for (size_t i = 0; i < pagemap->count; i++)
		write_entry(&writer, &pagemap->entries[i]);
	if (writer.full)
		return wh_fail(err, EOVERFLOW, "write image '%s'", name_of(task, name));
	return file_replace(dir_fd, name_of(task, name), writer.data, writer.used, 0600, err);
}

/** Neighbours become one. Returns 0 or -ENOMEM. */
static int add(struct lazy_ranges *ranges, const struct lazy_range *range)
{
	struct lazy_range *last = ranges->count ? &ranges->list[ranges->count - 1] : NULL;
	struct lazy_range *list;

	if (range->start == range->end)
		return 0;
	if (last && last->task == range->task && last->end == range->start) {
		last->end = range->end;
		return 0;
	}
	/* room is doubled whenever the number is a power of two */
	if ((ranges->count & (ranges->count - 1)) == 0) {
		size_t room = ranges->count ? 2 * ranges->count : 1;

		list = reallocarray(ranges->list, room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		ranges->list = list;
	}
	ranges->list[ranges->count++] = *range;
	return 0;
}

int lazy_ranges_add(struct lazy_ranges *ranges, uint64_t task, const struct pagemap *pagemap)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < pagemap->count; i++) {
		const struct pagemap_entry *entry = &pagemap->entries[i];

		if (entry->lazy)
			rc = add(ranges, &(struct lazy_range){task, entry->start, entry->end});
	}
	return rc;
}

static int compare(const void *a, const void *b)
{
	const struct lazy_range *one = a;
	const struct lazy_range *two = b;

	if (one->task != two->task)
		return one->task < two->task ? -1 : 1;
	return one->start < two->start ? -1 : one->start > two->start;
}

uint64_t pagemap_task(const char *name)
{
	const char *number = str_after(name, "pagemap-");
	uint64_t task = 0;
	char *end;

	if (!number || *number < '1' || *number > '9')
		return 0;
	task = strtoull(number, &end, 10);
	return streq(end, ".img") ? task : 0;
}

static int read_file(int dir_fd, uint64_t task, struct arena *arena, struct lazy_ranges *ranges,
		     struct wh_error *err)
{
	struct pagemap pagemap = {0};
	int rc = pagemap_read(dir_fd, task, arena, &pagemap, err);

	if (rc < 0)
		return rc;
	rc = lazy_ranges_add(ranges, task, &pagemap);
	return rc < 0 ? wh_oom(err) : 0;
}

int lazy_ranges_read(int dir_fd, struct lazy_ranges *ret_ranges, struct wh_error *err)
{
	auto_dir *dir = fd_list(dir_fd);
	struct lazy_ranges ranges = {0};
	struct dirent *entry;
	struct arena arena;
	int rc;

	if (!dir)
		return wh_fail(err, errno, "list the images");
	rc = arena_init(&arena, err);
	while (rc == 0 && (entry = readdir(dir))) {
		uint64_t task = pagemap_task(entry->d_name);

		if (task > 0)
			rc = read_file(dir_fd, task, &arena, &ranges, err);
	}
	arena_done(&arena);
	if (rc < 0) {
		lazy_ranges_done(&ranges);
		return rc;
	}
	if (ranges.count > 0)
		qsort(ranges.list, ranges.count, sizeof(*ranges.list), compare);
	*ret_ranges = ranges;
	return 0;
}

void lazy_ranges_done(struct lazy_ranges *ranges)
{
	free(ranges->list);
	*ranges = (struct lazy_ranges){0};
}

uint64_t lazy_ranges_size(const struct lazy_ranges *ranges)
{
	uint64_t size = 0;

	for (size_t i = 0; i < ranges->count; i++)
		size += ranges->list[i].end - ranges->list[i].start;
	return size;
}

static int find(const void *key, const void *element)
{
	const struct lazy_range *wanted = key;
	const struct lazy_range *range = element;

	if (wanted->task == range->task && wanted->start >= range->start &&
	    wanted->start < range->end)
		return 0;
	return compare(wanted, range);
}

uint64_t lazy_ranges_end(const struct lazy_ranges *ranges, uint64_t task, uint64_t address)
{
	const struct lazy_range key = {.task = task, .start = address};
	const struct lazy_range *range =
	    ranges->count ? bsearch(&key, ranges->list, ranges->count, sizeof(*ranges->list), find)
			  : NULL;

	return range ? range->end : address;
}
