/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/page_index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "libcontainer/checkpoint/image_entries.h"

#define MAGIC_MM     0x57492820U
#define MM_IMAGE_MAX (64UL << 20)

/**
 * So many pieces fit into the arena of page_index_defer(), whatever else is in the image: it works while the container stands
 * still, and what it cannot do would fail the restore.
 */
#define PIECES_MAX (1U << 20)

/** The field of a process's memory that matters here, and those of one area of it. */
enum { MM_AREA = 14 };
enum { AREA_START = 1, AREA_END = 2, AREA_FLAGS = 6, AREA_STATUS = 7 };

/** What CRIU says of an area: VMA_AREA_REGULAR and so on in its criu/include/image.h. */
enum {
	AREA_REGULAR = 1U << 0,
	AREA_STACK = 1U << 1,
	AREA_HEAP = 1U << 5,
	AREA_ANONYMOUS = 1U << 9
};

struct area {
	uint64_t start;
	uint64_t end;
};

/** One process while its pages are looked for. */
struct search {
	uint64_t task;
	const int *dir_fds; /* of the images */
	struct pagemap *pagemaps;
	uint64_t *
	    ends; /* how long each one's file of pages has to be for the pieces that are found in it */
	uint64_t images;
	struct area *areas; /* that can be left for later */
	size_t n_areas;
	struct arena arena;
	struct page_index *index;
};

static int add(struct page_index *index, const struct page_piece *piece)
{
	if (index->count == PIECES_MAX)
		return -EOVERFLOW;
	/* room is doubled whenever the number is a power of two */
	if ((index->count & (index->count - 1)) == 0) {
		size_t room = index->count ? 2 * index->count : 1;
		struct page_piece *list = reallocarray(index->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		index->list = list;
	}
	index->list[index->count++] = *piece;
	return 0;
}

/* Areas */

/**
 * Whether CRIU's restore leaves pages in such an area for later: vma_entry_can_be_lazy() in its criu/include/vma.h, and
 * nothing that is not known here.
 */
static bool can_wait(uint64_t flags, uint64_t status)
{
	const uint64_t private = MAP_ANONYMOUS | MAP_PRIVATE;
	const uint64_t known = AREA_REGULAR | AREA_STACK | AREA_HEAP | AREA_ANONYMOUS;

	return (flags & private) == private && !(flags & (MAP_LOCKED | MAP_HUGETLB)) &&
	       (status & AREA_ANONYMOUS) && !(status & ~known);
}

static int read_area(struct search *search, const struct pb_field *raw)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t before = search->n_areas ? search->areas[search->n_areas - 1].end : 0;
	struct pb_reader reader = PB_READER(raw->data, raw->len);
	struct pb_field field;
	struct area area = {0};
	uint64_t flags = 0, status = 0;
	int rc;

	while ((rc = pb_next(&reader, &field)) > 0) {
		if (field.number == AREA_START)
			area.start = field.value;
		else if (field.number == AREA_END)
			area.end = field.value;
		else if (field.number == AREA_FLAGS)
			flags = field.value;
		else if (field.number == AREA_STATUS)
			status = field.value;
	}
	if (rc < 0 || area.start > area.end || area.start % page != 0 || area.end % page != 0 ||
	    area.start < before)
		return -EBADMSG;
	if (can_wait(flags, status))
		search->areas[search->n_areas++] = area;
	return 0;
}

static int parse_areas(struct search *search, const uint8_t *data, size_t len)
{
	struct image_entry *mm;
	ssize_t count = image_entries_read(data, len, MAGIC_MM, &search->arena, &mm);
	struct pb_reader reader;
	struct pb_field field;
	int rc;

	if (count != 1)
		return count < 0 ? (int)count : -EBADMSG;
	/* an area takes a few bytes at least */
	search->areas = arena_array(&search->arena, struct area, mm->len / 4 + 1);
	if (!search->areas)
		return -ENOMEM;
	reader = PB_READER(mm->data, mm->len);
	while ((rc = pb_next(&reader, &field)) > 0) {
		if (field.number == MM_AREA && field.wire_type == PB_BYTES && field.len >= 4 &&
		    read_area(search, &field) < 0)
			return -EBADMSG;
	}
	return rc;
}

static int read_areas(struct search *search, struct wh_error *err)
{
	char name[40];
	char *data;
	size_t len;
	int rc;

	snprintf(name, sizeof(name), "mm-%llu.img", (unsigned long long)search->task);
	rc = file_read(search->dir_fds[search->images - 1], name, MM_IMAGE_MAX, &search->arena,
		       &data, &len, err);
	if (rc < 0)
		return rc;
	rc = parse_areas(search, (const uint8_t *)data, len);
	return rc < 0 ? wh_fail(err, -rc, "read image '%s'", name) : 0;
}

/* Pages */

static int find_entry(const void *key, const void *element)
{
	const uint64_t *address = key;
	const struct pagemap_entry *entry = element;

	if (*address < entry->start)
		return -1;
	return *address >= entry->end;
}

static int found(struct search *search, uint64_t image, const struct pagemap_entry *entry,
		 const struct area *range)
{
	/* entries follow each other without overlap, so that no sum of their sizes overflows */
	const uint64_t end = entry->offset + range->end - entry->start;

	if (end > search->ends[image])
		search->ends[image] = end;
	return add(search->index, &(struct page_piece){
				      .range = {search->task, range->start, range->end},
				      .image = image,
				      .pages = search->pagemaps[image].pages,
				      .offset = entry->offset + range->start - entry->start
        });
}

/** Memory that is in @image, or in those before it: pages that an image leaves to its parent have to be there. */
static int look_up(struct search *search, uint64_t image, struct area range)
{
	const struct pagemap *pagemap = &search->pagemaps[image];

	while (range.start < range.end) {
		const struct pagemap_entry *entry =
		    pagemap->count ? bsearch(&range.start, pagemap->entries, pagemap->count,
					     sizeof(*entry), find_entry)
				   : NULL;
		struct area part = {range.start, range.end};
		int rc = -EBADMSG;

		if (entry && part.end > entry->end)
			part.end = entry->end;
		if (entry && entry->present)
			rc = found(search, image, entry, &part);
		else if (entry && entry->in_parent && image > 0)
			rc = look_up(search, image - 1, part);
		if (rc < 0)
			return rc;
		range.start = part.end;
	}
	return 0;
}

/** What of an entry can wait though it is in a parent: it lies in such an area. Entries come in order, as areas do. */
static int look_up_areas(struct search *search, const struct pagemap_entry *entry)
{
	int rc = 0;

	while (search->n_areas > 0 && search->areas->end <= entry->start) {
		search->areas++;
		search->n_areas--;
	}
	for (size_t i = 0; rc == 0 && i < search->n_areas && search->areas[i].start < entry->end;
	     i++) {
		struct area part = search->areas[i];

		if (part.start < entry->start)
			part.start = entry->start;
		if (part.end > entry->end)
			part.end = entry->end;
		if (part.start < part.end)
			rc = look_up(search, search->images - 1, part);
	}
	return rc;
}

static int look_for_pages(struct search *search)
{
	const uint64_t last = search->images - 1;
	const struct pagemap *pagemap = &search->pagemaps[last];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < pagemap->count; i++) {
		const struct pagemap_entry *entry = &pagemap->entries[i];

		if (entry->in_parent)
			rc = look_up_areas(search, entry);
		else if (entry->lazy)
			rc = look_up(search, last, (struct area){entry->start, entry->end});
	}
	return rc;
}

/** One file, whose entries have to be in order: so they are looked for, and cut. */
static int read_pagemap(int dir_fd, uint64_t task, struct arena *arena, struct pagemap *ret_pagemap,
			struct wh_error *err)
{
	int rc = pagemap_read(dir_fd, task, arena, ret_pagemap, err);
	uint64_t end = 0;

	for (size_t i = 0; rc == 0 && i < ret_pagemap->count; i++) {
		const struct pagemap_entry *entry = &ret_pagemap->entries[i];

		if (entry->start < end || entry->start == entry->end)
			rc = wh_fail(err, EBADMSG,
				     "read image 'pagemap-%llu.img': its entry %zu is out of order",
				     (unsigned long long)task, i);
		end = entry->end;
	}
	return rc;
}

/** All pagemaps of a process that may be needed: it may be younger than the first images. */
static int read_pagemaps(struct search *search, struct wh_error *err)
{
	for (uint64_t i = search->images; i-- > 0;) {
		struct wh_error reason = WH_ERROR_INIT;
		int rc = read_pagemap(search->dir_fds[i], search->task, &search->arena,
				      &search->pagemaps[i], &reason);

		if (rc == -ENOENT && i + 1 < search->images)
			return 0;
		if (rc < 0) {
			if (err)
				*err = reason;
			return rc;
		}
	}
	return 0;
}

/** CRIU would find out in time that pages are missing, the container that waits for them too late. */
static int check_sizes(const struct search *search, struct wh_error *err)
{
	for (uint64_t i = 0; i < search->images; i++) {
		char name[40];
		struct stat st;

		if (search->ends[i] == 0)
			continue;
		snprintf(name, sizeof(name), "pages-%u.img", search->pagemaps[i].pages);
		if (fstatat(search->dir_fds[i], name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return wh_fail(err, errno, "look at image '%llu/%s'", (unsigned long long)i,
				       name);
		if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < search->ends[i])
			return wh_fail(err, EBADMSG,
				       "image '%llu/%s' has not all of the pages of process %llu",
				       (unsigned long long)i, name,
				       (unsigned long long)search->task);
	}
	return 0;
}

static int find_pages(struct search *search, struct wh_error *err)
{
	int rc = look_for_pages(search);

	if (rc == -EOVERFLOW)
		return wh_fail(err, EOVERFLOW, "the images have memory in more than %u pieces",
			       PIECES_MAX);
	if (rc < 0)
		return wh_fail(err, -rc, "find the pages of process %llu in the images",
			       (unsigned long long)search->task);
	return check_sizes(search, err);
}

static int read_task(struct search *search, struct wh_error *err)
{
	int rc = arena_init(&search->arena, err);

	if (rc < 0)
		return rc;
	search->pagemaps = arena_array(&search->arena, struct pagemap, search->images);
	search->ends = arena_array(&search->arena, uint64_t, search->images);
	rc = search->pagemaps && search->ends ? read_pagemaps(search, err) : wh_oom(err);
	if (rc == 0)
		rc = read_areas(search, err);
	if (rc == 0)
		rc = find_pages(search, err);
	arena_done(&search->arena);
	return rc;
}

static int read_tasks(struct search *search, struct wh_error *err)
{
	auto_dir *dir = fd_list(search->dir_fds[search->images - 1]);
	struct dirent *entry;
	int rc = dir ? 0 : wh_fail(err, errno, "list the images");

	while (rc == 0 && (entry = readdir(dir))) {
		struct search task = *search;

		task.task = pagemap_task(entry->d_name);
		if (task.task > 0)
			rc = read_task(&task, err);
	}
	return rc;
}

static int compare(const void *a, const void *b)
{
	const struct lazy_range *one = &((const struct page_piece *)a)->range;
	const struct lazy_range *two = &((const struct page_piece *)b)->range;

	if (one->task != two->task)
		return one->task < two->task ? -1 : 1;
	return one->start < two->start ? -1 : one->start > two->start;
}

int page_index_read(int images_fd, uint64_t images, struct page_index *ret_index,
		    struct wh_error *err)
{
	auto_free int *dir_fds = calloc(images, sizeof(*dir_fds));
	struct page_index index = {.last = images - 1};
	struct search search = {.dir_fds = dir_fds, .images = images, .index = &index};
	uint64_t opened = 0;
	int rc = dir_fds ? 0 : wh_oom(err);

	for (; rc == 0 && opened < images; opened++) {
		char name[24];

		snprintf(name, sizeof(name), "%llu", (unsigned long long)opened);
		dir_fds[opened] =
		    openat(images_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir_fds[opened] < 0)
			rc = wh_fail(err, errno, "open image '%s'", name);
	}
	if (rc == 0)
		rc = read_tasks(&search, err);
	while (opened > 0)
		fd_close(dir_fds[--opened]);
	if (rc < 0) {
		page_index_done(&index);
		return rc;
	}
	if (index.count > 0)
		qsort(index.list, index.count, sizeof(*index.list), compare);
	*ret_index = index;
	return 0;
}

void page_index_done(struct page_index *index)
{
	free(index->list);
	*index = (struct page_index){0};
}

/** The number of the first piece that ends behind @address of @task, or that is of a later process. */
static size_t lower_bound(const struct page_index *index, uint64_t task, uint64_t address)
{
	size_t low = 0, high = index->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct lazy_range *range = &index->list[middle].range;

		if (range->task < task || (range->task == task && range->end <= address))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct page_piece *page_index_find(const struct page_index *index, uint64_t task,
					 uint64_t address)
{
	size_t i = lower_bound(index, task, address);
	const struct page_piece *piece = i < index->count ? &index->list[i] : NULL;

	return piece && piece->range.task == task && piece->range.start <= address ? piece : NULL;
}

uint64_t page_index_size(const struct page_index *index, uint64_t *ret_most)
{
	uint64_t all = 0, one = 0;

	*ret_most = 0;
	for (size_t i = 0; i < index->count; i++) {
		const struct lazy_range *range = &index->list[i].range;

		if (i > 0 && range->task != index->list[i - 1].range.task)
			one = 0;
		one += range->end - range->start;
		all += range->end - range->start;
		if (one > *ret_most)
			*ret_most = one;
	}
	return all;
}

/* Changing the image */

/** How far the memory from @range's start on is one or the other: what waits (*@ret_waits), or what does not. */
static uint64_t same_until(const struct page_index *index, const struct lazy_range *range,
			   bool *ret_waits)
{
	uint64_t at = range->start;

	*ret_waits = false;
	for (size_t i = lower_bound(index, range->task, at);
	     at < range->end && i < index->count && index->list[i].range.task == range->task; i++) {
		const struct page_piece *piece = &index->list[i];

		if (piece->range.start > at && *ret_waits)
			return at;
		if (piece->range.start > at)
			return piece->range.start < range->end ? piece->range.start : range->end;
		*ret_waits = true;
		at = piece->range.end;
	}
	return *ret_waits && at < range->end ? at : range->end;
}

/** Entry @entry of process @task, in as many as it takes: what waits is no longer the parent's. Returns how many were written. */
static size_t split(const struct page_index *index, uint64_t task,
		    const struct pagemap_entry *entry, struct pagemap_entry *to)
{
	struct lazy_range rest = {task, entry->start, entry->end};
	size_t count = 0;

	if (!entry->in_parent) {
		*to = *entry;
		return 1;
	}
	while (rest.start < rest.end) {
		bool waits;
		uint64_t end = same_until(index, &rest, &waits);

		to[count++] = (struct pagemap_entry){
		    .start = rest.start, .end = end, .in_parent = !waits, .lazy = waits};
		rest.start = end;
	}
	return count;
}

/** @pieces: how many the process has; each can split an entry in three. */
static int defer_task(const struct page_index *index, int dir_fd, uint64_t task, size_t pieces,
		      struct wh_error *err)
{
	struct pagemap pagemap = {0}, changed;
	struct arena read = {.fd = -EBADF}, arena = {.fd = -EBADF};
	int rc = arena_init(&read, err);

	/* of its own: that this could be read was seen before */
	if (rc == 0)
		rc = arena_init(&arena, err);
	if (rc == 0)
		rc = read_pagemap(dir_fd, task, &read, &pagemap, err);
	changed = (struct pagemap){.pages = pagemap.pages};
	if (rc == 0) {
		changed.entries =
		    arena_array(&arena, struct pagemap_entry, pagemap.count + 2 * pieces + 1);
		rc = changed.entries ? 0 : wh_oom(err);
	}
	for (size_t i = 0; rc == 0 && i < pagemap.count; i++)
		changed.count +=
		    split(index, task, &pagemap.entries[i], &changed.entries[changed.count]);
	if (rc == 0)
		rc = pagemap_replace(dir_fd, task, &changed, &arena, err);
	arena_done(&read);
	arena_done(&arena);
	return rc;
}

int page_index_defer(const struct page_index *index, int dir_fd, struct wh_error *err)
{
	size_t first = 0;
	int rc = 0;

	while (rc == 0 && first < index->count) {
		const uint64_t task = index->list[first].range.task;
		bool in_parent = false;
		size_t next = first;

		for (; next < index->count && index->list[next].range.task == task; next++)
			in_parent = in_parent || index->list[next].image != index->last;
		if (in_parent)
			rc = defer_task(index, dir_fd, task, next - first, err);
		first = next;
	}
	return rc;
}
