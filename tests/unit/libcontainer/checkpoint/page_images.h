/* SPDX-License-Identifier: Apache-2.0 */
/* Images of memory as CRIU writes them, in the pages of this machine, and what page_index_read() makes of them. */
#pragma once

#include "libcontainer/checkpoint/page_index.h"

#include <sys/mman.h>

#include "base/fd.h"
#include "base/protobuf.h"
#include "base/str.h"
#include "tests/unit/base/scratch.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

/* the first eight bytes of CRIU's files */
#define MAGIC_PAGEMAP "\x19\x43\x56\x54\x25\x40\x08\x56"
#define MAGIC_MM      "\x19\x43\x56\x54\x20\x28\x49\x57"

/** The flags of an entry. */
enum { PARENT = 1, LAZY = 2, PRESENT = 4, OWN = LAZY | PRESENT };

/** What CRIU says of an area, by the bits' numbers in its criu/include/image.h. */
enum {
	REGULAR = 1 << 0,
	STACK = 1 << 1,
	VSYSCALL = 1 << 2,
	VDSO = 1 << 3,
	HEAP = 1 << 5,
	FILE_PRIVATE = 1 << 6,
	FILE_SHARED = 1 << 7,
	ANON_SHARED = 1 << 8,
	ANON_PRIVATE = 1 << 9,
	SYSV_IPC = 1 << 10,
	SOCKET = 1 << 11,
	VVAR = 1 << 12,
	AIO_RING = 1 << 13,
	MEMFD = 1 << 14,
};

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define MEMORY    (REGULAR | ANON_PRIVATE)

/** As the files have them, but in pages; the last of a list has no pages. */
struct entry {
	uint64_t page, count, flags;
};
struct area {
	uint64_t start, end, flags, status;
};

/** Of a process whose memory is all the same. */
static const struct area anywhere[2] = {
    {1, 1000, ANONYMOUS, MEMORY}
};

/** A file of the messages that are written to it. */
struct image_file {
	uint8_t data[8192];
	struct pb_writer writer;
};

/** Write into the caller's @data of @size bytes. */
static inline void file_begin_in(struct image_file *file, const char *magic, uint8_t *data,
				 size_t size)
{
	file->writer = (struct pb_writer){.data = data, .size = size};
	pb_write_raw(&file->writer, magic, 8);
}

/** Write into the file's own room. */
static inline void file_begin(struct image_file *file, const char *magic)
{
	file_begin_in(file, magic, file->data, sizeof(file->data));
}

/** What is written up to message_end(), given this value, is one message. */
static inline size_t message_begin(struct image_file *file)
{
	pb_write_raw(&file->writer, "\0\0\0\0", 4);
	return file->writer.used;
}

/** Put the length in front of the message that began at @begun. */
static inline void message_end(struct image_file *file, size_t begun)
{
	size_t len = file->writer.used - begun;

	for (size_t i = 0; i < 4; i++)
		file->writer.data[begun - 4 + i] = (uint8_t)(len >> (8 * i));
}

/** As NAME-TASK.img of image @image, whose directory is made when it is the first. */
static inline void file_end(const struct scratch *scratch, struct image_file *file,
			    const char *name, unsigned int image, unsigned int task)
{
	char path[64];
	int fd;

	assert_false(file->writer.full);
	snprintf(path, sizeof(path), "%u", image);
	(void)mkdirat(scratch->fd, path, 0700);
	snprintf(path, sizeof(path), "%u/%s-%u.img", image, name, task);
	fd = openat(scratch->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_return_code(fd, errno);
	assert_int_equal(fd_write_all(fd, file->writer.data, file->writer.used), 0);
	close(fd);
}

/** Of a file of pages the length alone matters here. It may be several processes'. */
static inline void put_pages(const struct scratch *scratch, unsigned int image, uint32_t pages,
			     uint64_t count)
{
	char path[40];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%u/pages-%u.img", image, pages);
	fd = openat(scratch->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &st), errno);
	if ((uint64_t)st.st_size < count * PAGE)
		assert_return_code(ftruncate(fd, (off_t)(count * PAGE)), errno);
	close(fd);
}

/** The first message of a pagemap: whose pages are in pages-@pages.img. */
static inline void put_head(struct image_file *file, uint32_t pages)
{
	size_t begun = message_begin(file);

	pb_write_varint(&file->writer, 1, pages);
	message_end(file, begun);
}

/** A further message of a pagemap. */
static inline void put_entry(struct image_file *file, const struct entry *entry)
{
	size_t begun = message_begin(file);

	pb_write_varint(&file->writer, 1, entry->page * PAGE);
	pb_write_varint(&file->writer, 2, entry->count);
	pb_write_varint(&file->writer, 4, entry->flags);
	pb_write_varint(&file->writer, 5, entry->count);
	message_end(file, begun);
}

/** pagemap-TASK.img, whose pages are in pages-@pages.img. */
static inline void put_pagemap(const struct scratch *scratch, unsigned int image, unsigned int task,
			       uint32_t pages, const struct entry *entries)
{
	struct image_file file;
	uint64_t present = 0;

	file_begin(&file, MAGIC_PAGEMAP);
	put_head(&file, pages);
	for (; entries->count > 0; entries++) {
		put_entry(&file, entries);
		present += entries->flags & PRESENT ? entries->count : 0;
	}
	file_end(scratch, &file, "pagemap", image, task);
	/* but for more than a file can have */
	put_pages(scratch, image, pages, present > INT64_MAX / PAGE ? 0 : present);
}

/** The same as CRIU wrote it before it had flags. */
static inline void put_old_pagemap(const struct scratch *scratch, unsigned int image,
				   unsigned int task, uint32_t pages, const struct entry *entries)
{
	struct image_file file;
	uint64_t present = 0;

	file_begin(&file, MAGIC_PAGEMAP);
	put_head(&file, pages);
	for (; entries->count > 0; entries++) {
		size_t begun = message_begin(&file);

		pb_write_varint(&file.writer, 1, entries->page * PAGE);
		pb_write_varint(&file.writer, 2, entries->count);
		if (entries->flags & PARENT)
			pb_write_varint(&file.writer, 3, 1);
		else
			present += entries->count;
		message_end(&file, begun);
	}
	file_end(scratch, &file, "pagemap", image, task);
	put_pages(scratch, image, pages, present);
}

/** The one message of a process's memory. */
static inline void put_areas(struct image_file *file, const struct area *areas)
{
	size_t begun = message_begin(file);

	/* others that the message has, before and behind them */
	pb_write_varint(&file->writer, 1, 0x400000);
	for (; areas->end > 0; areas++) {
		size_t area = pb_begin(&file->writer, 14);

		pb_write_varint(&file->writer, 1, areas->start * PAGE);
		pb_write_varint(&file->writer, 2, areas->end * PAGE);
		pb_write_varint(&file->writer, 3, 0);
		pb_write_varint(&file->writer, 4, 0);
		pb_write_varint(&file->writer, 5, PROT_READ | PROT_WRITE);
		pb_write_varint(&file->writer, 6, areas->flags);
		pb_write_varint(&file->writer, 7, areas->status);
		pb_write_varint(&file->writer, 8, (uint64_t)-1);
		pb_end(&file->writer, area);
	}
	pb_write_varint(&file->writer, 15, 1);
	message_end(file, begun);
}

/** mm-TASK.img, with these areas. */
static inline void put_mm(const struct scratch *scratch, unsigned int image, unsigned int task,
			  const struct area *areas)
{
	struct image_file file;

	file_begin(&file, MAGIC_MM);
	put_areas(&file, areas);
	file_end(scratch, &file, "mm", image, task);
}

/** A piece, in pages. */
struct want {
	uint64_t task, start, end, image;
	uint32_t pages;
	uint64_t offset;
};

/** These pieces it has, in this order, and no others. */
static inline void assert_index(const struct page_index *index, const struct want *want,
				size_t count)
{
	assert_int_equal(index->count, count);
	for (size_t i = 0; i < count; i++) {
		const struct page_piece *piece = &index->list[i];

		assert_int_equal(piece->range.task, want[i].task);
		assert_int_equal(piece->range.start, want[i].start * PAGE);
		assert_int_equal(piece->range.end, want[i].end * PAGE);
		assert_int_equal(piece->image, want[i].image);
		assert_int_equal(piece->pages, want[i].pages);
		assert_int_equal(piece->offset, want[i].offset * PAGE);
	}
}

/** What @images images have is this. */
static inline void assert_pieces(const struct scratch *scratch, uint64_t images,
				 const struct want *want, size_t count)
{
	struct wh_error err = WH_ERROR_INIT;
	struct page_index index;

	assert_int_equal(page_index_read(scratch->fd, images, &index, &err), 0);
	assert_string_equal(err.message, "");
	assert_int_equal(index.last, images - 1);
	assert_index(&index, want, count);
	page_index_done(&index);
}

/** They cannot be read, and @why is in the message. */
static inline void assert_fails(const struct scratch *scratch, uint64_t images, int code,
				const char *why)
{
	struct wh_error err = WH_ERROR_INIT;
	struct page_index index;

	assert_int_equal(page_index_read(scratch->fd, images, &index, &err), -code);
	assert_non_null(strstr(err.message, why));
}
