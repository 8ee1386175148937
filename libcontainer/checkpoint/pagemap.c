/* SPDX-License-Identifier: Apache-2.0 */
/* CRIU's pagemap-N.img: which pages of a process are where. Its format is that of CRIU's crit. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/protobuf.h"
#include "base/str.h"
#include "libcontainer/checkpoint/lazy_pages.h"

#define IMAGE_MAGIC_COMMON  0x54564319U
#define IMAGE_MAGIC_PAGEMAP 0x56084025U
#define IMAGE_HEADER_SIZE   8
#define PAGEMAP_MAX         (64UL << 20)

/** The fields of an entry that matter here, and what the flags say: left with the page server. */
enum { ENTRY_COUNT_OLD = 2, ENTRY_FLAGS = 4, ENTRY_COUNT = 5 };
#define FLAG_LAZY 2U

static uint32_t load_u32(const uint8_t *data)
{
	return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
	       (uint32_t)data[3] << 24;
}

/** Pages of one entry that were left: newer versions of CRIU write their number in a second field, too. */
static int count_entry(const uint8_t *data, size_t len, uint64_t *ret_pages)
{
	struct pb_reader reader = PB_READER(data, len);
	struct pb_field field;
	uint64_t count = 0;
	bool lazy = false;
	int rc;

	while ((rc = pb_next(&reader, &field)) > 0) {
		if (field.number == ENTRY_COUNT || (field.number == ENTRY_COUNT_OLD && count == 0))
			count = field.value;
		else if (field.number == ENTRY_FLAGS)
			lazy = (field.value & FLAG_LAZY) != 0;
	}
	*ret_pages = lazy ? count : 0;
	return rc;
}

int lazy_pages_count(const uint8_t *data, size_t len, uint64_t *ret_pages)
{
	const uint8_t *end = data + len;
	uint64_t total = 0;
	bool head = true;

	if (len < IMAGE_HEADER_SIZE || load_u32(data) != IMAGE_MAGIC_COMMON ||
	    load_u32(data + 4) != IMAGE_MAGIC_PAGEMAP)
		return -EBADMSG;
	for (data += IMAGE_HEADER_SIZE; data < end; head = false) {
		uint64_t pages = 0;
		uint32_t size;

		if (end - data < 4 || (size = load_u32(data)) > (size_t)(end - data) - 4)
			return -EBADMSG;
		data += 4;
		/* the first says which file has the pages */
		if (!head && count_entry(data, size, &pages) < 0)
			return -EBADMSG;
		total += pages;
		data += size;
	}
	*ret_pages = total;
	return 0;
}

static int count_file(int dir_fd, const char *name, struct arena *arena, uint64_t *total,
		      struct wh_error *err)
{
	uint64_t pages;
	char *data;
	size_t len;
	int rc = file_read(dir_fd, name, PAGEMAP_MAX, arena, &data, &len, err);

	if (rc < 0)
		return rc;
	if (lazy_pages_count((const uint8_t *)data, len, &pages) < 0)
		return wh_fail(err, EBADMSG, "read image '%s'", name);
	*total += pages;
	return 0;
}

int lazy_pages_left(int dir_fd, uint64_t *ret_bytes, struct wh_error *err)
{
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	struct arena arena;
	uint64_t pages = 0;
	int rc;

	if (!dir) {
		rc = wh_fail(err, errno, "list the images");
		fd_close(copy);
		return rc;
	}
	rc = arena_init(&arena, err);
	while (rc == 0 && (entry = readdir(dir))) {
		if (str_after(entry->d_name, "pagemap-"))
			rc = count_file(dir_fd, entry->d_name, &arena, &pages, err);
	}
	arena_done(&arena);
	*ret_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return rc;
}
