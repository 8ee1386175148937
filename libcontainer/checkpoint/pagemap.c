/* SPDX-License-Identifier: Apache-2.0 */
/* The format is that of CRIU's crit. */
#include "libcontainer/checkpoint/pagemap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/protobuf.h"
#include "base/str.h"

#define IMAGE_MAGIC_COMMON  0x54564319U
#define IMAGE_MAGIC_PAGEMAP 0x56084025U
#define IMAGE_HEADER_SIZE   8
#define PAGEMAP_MAX         (64UL << 20)

/** The fields of an entry that matter here, and what the flags say: left with the page server. */
enum { ENTRY_ADDRESS = 1, ENTRY_COUNT_OLD = 2, ENTRY_FLAGS = 4, ENTRY_COUNT = 5 };
#define FLAG_LAZY 2U

static uint32_t load_u32(const uint8_t *data)
{
	return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
	       (uint32_t)data[3] << 24;
}

/** Memory of one entry that was left, or an empty range. Newer versions of CRIU write the number of pages in a second field, too. */
static int read_entry(const uint8_t *data, size_t len, struct lazy_range *ret_range)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct pb_reader reader = PB_READER(data, len);
	struct pb_field field;
	uint64_t count = 0;
	bool lazy = false;
	int rc;

	ret_range->start = 0;
	while ((rc = pb_next(&reader, &field)) > 0) {
		if (field.number == ENTRY_ADDRESS)
			ret_range->start = field.value;
		else if (field.number == ENTRY_COUNT ||
			 (field.number == ENTRY_COUNT_OLD && count == 0))
			count = field.value;
		else if (field.number == ENTRY_FLAGS)
			lazy = (field.value & FLAG_LAZY) != 0;
	}
	if (!lazy)
		count = 0;
	if (rc < 0 || ret_range->start % page != 0 ||
	    count > (UINT64_MAX - ret_range->start) / page)
		return -EBADMSG;
	ret_range->end = ret_range->start + count * page;
	return 0;
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

int lazy_ranges_add(struct lazy_ranges *ranges, uint64_t task, const uint8_t *data, size_t len)
{
	const uint8_t *end = data + len;
	bool head = true;

	if (len < IMAGE_HEADER_SIZE || load_u32(data) != IMAGE_MAGIC_COMMON ||
	    load_u32(data + 4) != IMAGE_MAGIC_PAGEMAP)
		return -EBADMSG;
	for (data += IMAGE_HEADER_SIZE; data < end; head = false) {
		struct lazy_range range = {.task = task};
		uint32_t size;
		int rc = 0;

		if (end - data < 4 || (size = load_u32(data)) > (size_t)(end - data) - 4)
			return -EBADMSG;
		data += 4;
		/* the first says which file has the pages */
		if (!head)
			rc = read_entry(data, size, &range);
		if (rc == 0)
			rc = add(ranges, &range);
		if (rc < 0)
			return rc;
		data += size;
	}
	return 0;
}

static int read_file(int dir_fd, const char *name, uint64_t task, struct arena *arena,
		     struct lazy_ranges *ranges, struct wh_error *err)
{
	char *data;
	size_t len;
	int rc = file_read(dir_fd, name, PAGEMAP_MAX, arena, &data, &len, err);

	if (rc < 0)
		return rc;
	rc = lazy_ranges_add(ranges, task, (const uint8_t *)data, len);
	return rc < 0 ? wh_fail(err, -rc, "read image '%s'", name) : 0;
}

static int compare(const void *a, const void *b)
{
	const struct lazy_range *one = a;
	const struct lazy_range *two = b;

	if (one->task != two->task)
		return one->task < two->task ? -1 : 1;
	return one->start < two->start ? -1 : one->start > two->start;
}

/** The task whose file is called @name; 0: it is another file, such as that of memory which is shared. */
static uint64_t task_of(const char *name)
{
	const char *number = str_after(name, "pagemap-");
	uint64_t task = 0;
	char *end;

	if (!number || *number < '1' || *number > '9')
		return 0;
	task = strtoull(number, &end, 10);
	return streq(end, ".img") ? task : 0;
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
		uint64_t task = task_of(entry->d_name);

		if (task > 0)
			rc = read_file(dir_fd, entry->d_name, task, &arena, &ranges, err);
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
