/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/stored.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"

#define CHUNK_SIZE (256U << 10)

int migrate_stored_init(struct migrate_stored *stored, struct wh_error *err)
{
	stored->chunk = malloc(CHUNK_SIZE);
	return stored->chunk ? 0 : wh_oom(err);
}

void migrate_stored_done(struct migrate_stored *stored)
{
	free(stored->chunk);
	fd_close(stored->file_fd);
	*stored = MIGRATE_STORED_NONE;
}

/** Open the file that has @piece, unless it was the last one, too. */
static int open_file(struct migrate_stored *stored, const struct page_piece *piece,
		     struct wh_error *err)
{
	char name[56];

	if (stored->file_fd >= 0 && stored->image == piece->image && stored->pages == piece->pages)
		return 0;
	fd_close(stored->file_fd);
	snprintf(name, sizeof(name), "%llu/pages-%u.img", (unsigned long long)piece->image,
		 piece->pages);
	stored->file_fd = openat(stored->images_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (stored->file_fd < 0)
		return wh_fail(err, errno, "open image '%s'", name);
	stored->image = piece->image;
	stored->pages = piece->pages;
	return 0;
}

/** Say @len bytes at @offset of the open file. */
static int say(struct migrate_stored *stored, struct migrate_fetch *fetch, uint64_t offset,
	       uint64_t len, struct wh_error *err)
{
	while (len > 0) {
		ssize_t n = pread(stored->file_fd, stored->chunk,
				  len < CHUNK_SIZE ? (size_t)len : CHUNK_SIZE, (off_t)offset);
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return wh_fail(err, n < 0 ? errno : ENODATA, "read memory of the images");
		rc = migrate_fetch_say(fetch, stored->chunk, (size_t)n, err);
		if (rc < 0)
			return rc;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int refuse(const struct migrate_range *range, struct wh_error *err)
{
	return wh_fail(err, EPROTO,
		       "'criu lazy-pages' wants memory that the images do not have: process "
		       "%llu, %llx",
		       (unsigned long long)range->task, (unsigned long long)range->address);
}

/** The end of @range in memory; 0: there is no such range. */
static uint64_t end_of(const struct migrate_range *range)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return range->count > (UINT64_MAX - range->address) / page
		   ? 0
		   : range->address + range->count * page;
}

/** Before anything is said of it: all of it is there. */
static bool has(const struct page_index *index, const struct migrate_range *range)
{
	const uint64_t end = end_of(range);
	uint64_t at = range->address;

	while (at < end) {
		const struct page_piece *piece = page_index_find(index, range->task, at);

		if (!piece)
			return false;
		at = piece->range.end;
	}
	return end > range->address;
}

int migrate_stored_give(struct migrate_stored *stored, struct migrate_fetch *fetch,
			const struct migrate_range *range, struct wh_error *err)
{
	const uint64_t end = end_of(range);
	uint64_t at = range->address;
	int rc;

	if (!has(stored->index, range))
		return refuse(range, err);
	rc = migrate_fetch_answer(fetch, range, err);
	while (rc == 0 && at < end) {
		const struct page_piece *piece = page_index_find(stored->index, range->task, at);
		uint64_t until = piece->range.end < end ? piece->range.end : end;

		rc = open_file(stored, piece, err);
		if (rc == 0)
			rc = say(stored, fetch, piece->offset + at - piece->range.start, until - at,
				 err);
		at = until;
	}
	return rc;
}
