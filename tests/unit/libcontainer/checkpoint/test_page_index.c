/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/page_index.h"

#include <sys/mman.h>

#include "base/arena.h"
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

static void file_begin_in(struct image_file *file, const char *magic, uint8_t *data, size_t size)
{
	file->writer = (struct pb_writer){.data = data, .size = size};
	pb_write_raw(&file->writer, magic, 8);
}

static void file_begin(struct image_file *file, const char *magic)
{
	file_begin_in(file, magic, file->data, sizeof(file->data));
}

static size_t message_begin(struct image_file *file)
{
	pb_write_raw(&file->writer, "\0\0\0\0", 4);
	return file->writer.used;
}

static void message_end(struct image_file *file, size_t begun)
{
	size_t len = file->writer.used - begun;

	for (size_t i = 0; i < 4; i++)
		file->writer.data[begun - 4 + i] = (uint8_t)(len >> (8 * i));
}

/** As NAME-TASK.img of image @image, whose directory is made when it is the first. */
static void file_end(const struct scratch *scratch, struct image_file *file, const char *name,
		     unsigned int image, unsigned int task)
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
static void put_pages(const struct scratch *scratch, unsigned int image, uint32_t pages,
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

static void put_head(struct image_file *file, uint32_t pages)
{
	size_t begun = message_begin(file);

	pb_write_varint(&file->writer, 1, pages);
	message_end(file, begun);
}

static void put_entry(struct image_file *file, const struct entry *entry)
{
	size_t begun = message_begin(file);

	pb_write_varint(&file->writer, 1, entry->page * PAGE);
	pb_write_varint(&file->writer, 2, entry->count);
	pb_write_varint(&file->writer, 4, entry->flags);
	pb_write_varint(&file->writer, 5, entry->count);
	message_end(file, begun);
}

/** pagemap-TASK.img, whose pages are in pages-@pages.img. */
static void put_pagemap(const struct scratch *scratch, unsigned int image, unsigned int task,
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
static void put_old_pagemap(const struct scratch *scratch, unsigned int image, unsigned int task,
			    uint32_t pages, const struct entry *entries)
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

static void put_areas(struct image_file *file, const struct area *areas)
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

static void put_mm(const struct scratch *scratch, unsigned int image, unsigned int task,
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

static void assert_index(const struct page_index *index, const struct want *want, size_t count)
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
static void assert_pieces(const struct scratch *scratch, uint64_t images, const struct want *want,
			  size_t count)
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
static void assert_fails(const struct scratch *scratch, uint64_t images, int code, const char *why)
{
	struct wh_error err = WH_ERROR_INIT;
	struct page_index index;

	assert_int_equal(page_index_read(scratch->fd, images, &index, &err), -code);
	assert_non_null(strstr(err.message, why));
}

/* Pages */

static void test_pages_of_the_last_image(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry entries[5] = {
	    {16, 4, OWN    },
            {20, 2, PRESENT},
            {24, 1, OWN    },
            {25, 3, OWN    }
        };
	static const struct want want[] = {
	    {7, 16, 20, 0, 3, 0},
            {7, 24, 25, 0, 3, 6},
            {7, 25, 28, 0, 3, 7}
        };

	put_pagemap(scratch, 0, 7, 3, entries);
	put_mm(scratch, 0, 7, anywhere);
	assert_pieces(scratch, 1, want, ARRAY_LEN(want));
}

/** Whether they can wait there matters to no one: it is the last image that is restored. */
static void test_pages_of_images_before(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry first[4] = {
	    {10, 5, PRESENT},
            {16, 8, PRESENT},
            {30, 1, OWN    }
        };
	static const struct entry second[5] = {
	    {16, 2, PRESENT},
            {18, 4, PARENT },
            {22, 2, OWN    },
            {30, 1, PARENT }
        };
	static const struct entry third[5] = {
	    {12, 1, PRESENT},
            {16, 8, PARENT },
            {24, 2, OWN    },
            {30, 1, PARENT }
        };
	static const struct want want[] = {
	    {7, 16, 18, 1, 5, 0 },
	    {7, 18, 22, 0, 4, 7 },
	    {7, 22, 24, 1, 5, 2 },
	    {7, 24, 26, 2, 6, 1 },
	    {7, 30, 31, 0, 4, 13}
        };

	put_pagemap(scratch, 0, 7, 4, first);
	put_pagemap(scratch, 1, 7, 5, second);
	put_pagemap(scratch, 2, 7, 6, third);
	put_mm(scratch, 2, 7, anywhere);
	assert_pieces(scratch, 3, want, ARRAY_LEN(want));
}

/** Each area has two pages, and all are one entry in the parent. */
static void test_only_some_areas_can_wait(void **state)
{
	const struct scratch *scratch = *state;
	static const struct {
		uint64_t flags, status;
		bool waits;
	} cases[] = {
	    {ANONYMOUS,                  MEMORY,                 true },
	    {ANONYMOUS | MAP_LOCKED,     MEMORY,                 false},
	    {ANONYMOUS | MAP_GROWSDOWN,  MEMORY | STACK,         true },
	    {ANONYMOUS | MAP_HUGETLB,    MEMORY,                 false},
	    {ANONYMOUS,                  MEMORY | HEAP,          true },
	    {MAP_SHARED | MAP_ANONYMOUS, REGULAR | ANON_SHARED,  false},
	    {MAP_SHARED | MAP_ANONYMOUS, MEMORY,                 false},
	    {ANONYMOUS | MAP_NORESERVE,  MEMORY,                 true },
	    {MAP_PRIVATE,                REGULAR | FILE_PRIVATE, false},
	    {MAP_PRIVATE,                MEMORY,                 false},
	    {MAP_SHARED,                 REGULAR | FILE_SHARED,  false},
	    {ANONYMOUS,                  REGULAR | FILE_PRIVATE, false},
	    {ANONYMOUS,                  MEMORY | VDSO,          false},
	    {ANONYMOUS,                  MEMORY | VVAR,          false},
	    {ANONYMOUS,                  MEMORY | VSYSCALL,      false},
	    {ANONYMOUS,                  MEMORY | SYSV_IPC,      false},
	    {ANONYMOUS,                  MEMORY | SOCKET,        false},
	    {ANONYMOUS,                  MEMORY | AIO_RING,      false},
	    {ANONYMOUS,                  MEMORY | MEMFD,         false},
	    {ANONYMOUS,                  MEMORY | 1U << 15,      false},
	    {ANONYMOUS,                  MEMORY | 1ULL << 40,    false},
	    {ANONYMOUS,                  REGULAR,                false},
	    {ANONYMOUS,                  ANON_PRIVATE,           true },
	};
	const struct entry parent[2] = {
	    {16, 2 * ARRAY_LEN(cases), PRESENT}
        };
	const struct entry last[2] = {
	    {16, 2 * ARRAY_LEN(cases), PARENT}
        };
	struct area areas[ARRAY_LEN(cases) + 1] = {0};
	struct want want[ARRAY_LEN(cases)];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const uint64_t start = 16 + 2 * i;

		areas[i] = (struct area){start, start + 2, cases[i].flags, cases[i].status};
		if (cases[i].waits)
			want[count++] = (struct want){7, start, start + 2, 0, 1, 2 * i};
	}
	put_pagemap(scratch, 0, 7, 1, parent);
	put_pagemap(scratch, 1, 7, 1, last);
	put_mm(scratch, 1, 7, areas);
	assert_pieces(scratch, 2, want, count);
}

/** Areas and entries begin and end where they like, and need not have anything to do with each other. */
static void test_areas_that_cut_entries(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry parent[2] = {
	    {10, 90, PRESENT}
        };
	static const struct entry last[5] = {
	    {20, 10, PARENT},
            {30, 4,  OWN   },
            {34, 6,  PARENT},
            {60, 2,  PARENT}
        };
	static const struct area areas[7] = {
	    {5,  8,  ANONYMOUS, MEMORY},
            {15, 22, ANONYMOUS, MEMORY},
            {24, 25, ANONYMOUS, MEMORY},
	    {26, 38, ANONYMOUS, MEMORY},
            {40, 60, ANONYMOUS, MEMORY},
            {62, 70, ANONYMOUS, MEMORY}
        };
	static const struct want want[] = {
	    {7, 20, 22, 0, 1, 10},
            {7, 24, 25, 0, 1, 14},
            {7, 26, 30, 0, 1, 16},
	    {7, 30, 34, 1, 1, 0 },
            {7, 34, 38, 0, 1, 24},
	};

	put_pagemap(scratch, 0, 7, 1, parent);
	put_pagemap(scratch, 1, 7, 1, last);
	put_mm(scratch, 1, 7, areas);
	assert_pieces(scratch, 2, want, ARRAY_LEN(want));
}

static void test_several_processes(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry other[2] = {
	    {16, 2, PRESENT}
        };
	static const struct entry own[2] = {
	    {16, 2, OWN}
        };
	static const struct entry parents[2] = {
	    {16, 2, PARENT}
        };
	static const struct area none[1] = {{0}};
	static const struct want want[] = {
	    {9,  16, 18, 0, 3, 0},
            {10, 16, 18, 1, 4, 0},
            {11, 16, 18, 0, 5, 0}
        };

	put_pagemap(scratch, 0, 9, 3, other);
	put_pagemap(scratch, 0, 11, 5, other);
	put_pagemap(scratch, 0, 12, 6, other);
	/* one that has ended meanwhile */
	put_pagemap(scratch, 0, 13, 7, other);
	put_pagemap(scratch, 1, 11, 3, parents);
	put_pagemap(scratch, 1, 10, 4, own);
	put_pagemap(scratch, 1, 9, 5, parents);
	put_pagemap(scratch, 1, 12, 6, parents);
	put_mm(scratch, 1, 9, anywhere);
	put_mm(scratch, 1, 10, anywhere);
	put_mm(scratch, 1, 11, anywhere);
	put_mm(scratch, 1, 12, none);
	/* others are not looked at */
	scratch_write(scratch, "1/pagemap-shmem-7.img", "x");
	scratch_write(scratch, "1/pagemap-14.img.tmp", "x");
	scratch_write(scratch, "1/core-14.img", "x");
	assert_pieces(scratch, 2, want, ARRAY_LEN(want));
}

/** The images before its birth say nothing of it, be it that another one had its pid in an even earlier one. */
static void test_a_process_that_is_younger(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry other[2] = {
	    {16, 1, PRESENT}
        };
	static const struct entry second[2] = {
	    {16, 2, PRESENT}
        };
	static const struct entry third[3] = {
	    {16, 2, PARENT},
            {18, 1, OWN   }
        };
	static const struct want want[] = {
	    {7, 16, 18, 2, 1, 0},
            {7, 18, 19, 3, 1, 0}
        };

	put_pagemap(scratch, 0, 7, 1, other);
	put_pagemap(scratch, 1, 8, 1, other);
	put_pagemap(scratch, 2, 7, 1, second);
	put_pagemap(scratch, 3, 7, 1, third);
	put_mm(scratch, 3, 7, anywhere);
	assert_pieces(scratch, 4, want, ARRAY_LEN(want));
}

static void test_pages_that_no_image_has(void **state)
{
	const struct scratch *scratch = *state;
	static const struct {
		struct entry first[3];
		struct entry second[3];
	} cases[] = {
  /* not a word of it, or of some of it */
	    {{{10, 2, PRESENT}},                   {{16, 4, PARENT}}                  },
	    {{{16, 3, PRESENT}},                   {{16, 4, PARENT}}                  },
	    {{{17, 3, PRESENT}},                   {{16, 4, PARENT}}                  },
	    {{{16, 1, PRESENT}, {18, 2, PRESENT}}, {{16, 4, PARENT}}                  },
 /* left for later, and nobody's */
	    {{{16, 4, LAZY}},                      {{16, 4, PARENT}}                  },
	    {{{16, 4, 0}},                         {{16, 4, PARENT}}                  },
 /* there is none before the first */
	    {{{16, 4, PARENT}},                    {{16, 4, PARENT}}                  },
	    {{{16, 4, PRESENT}},                   {{10, 1, PRESENT}, {16, 5, PARENT}}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_pagemap(scratch, 0, 7, 1, cases[i].first);
		put_pagemap(scratch, 1, 7, 1, cases[i].second);
		put_mm(scratch, 1, 7, anywhere);
		assert_fails(scratch, 2, EBADMSG, "pages of process 7");
	}
	/* left for later in the image that is restored: of one of a migration whose source has them */
	put_pagemap(scratch, 1, 7, 1, cases[4].first);
	put_pagemap(scratch, 0, 7, 1, cases[7].first);
	assert_fails(scratch, 2, EBADMSG, "pages of process 7");
	/* nor is there one of a process that was not there */
	put_pagemap(scratch, 0, 8, 1, cases[0].first);
	put_pagemap(scratch, 1, 8, 1, cases[0].second);
	put_mm(scratch, 1, 8, anywhere);
	assert_int_equal(unlinkat(scratch->fd, "1/pagemap-7.img", 0), 0);
	assert_int_equal(unlinkat(scratch->fd, "0/pagemap-8.img", 0), 0);
	assert_fails(scratch, 2, EBADMSG, "pages of process 8");
}

/** What does not wait is CRIU's to miss. */
static void test_pages_that_do_not_wait_are_not_looked_for(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry first[2] = {
	    {10, 2, PRESENT}
        };
	static const struct entry last[3] = {
	    {10, 2, PARENT},
            {16, 4, PARENT}
        };
	static const struct area areas[3] = {
	    {1,  16, ANONYMOUS,              MEMORY},
            {16, 99, ANONYMOUS | MAP_LOCKED, MEMORY}
        };
	static const struct want want[] = {
	    {7, 10, 12, 0, 1, 0}
        };

	put_pagemap(scratch, 0, 7, 1, first);
	put_pagemap(scratch, 1, 7, 1, last);
	put_mm(scratch, 1, 7, areas);
	assert_pieces(scratch, 2, want, ARRAY_LEN(want));
}

static void test_files_of_old_versions(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry first[3] = {
	    {10, 3, PRESENT},
            {16, 4, PRESENT}
        };
	/* they say of no page of their own that it can wait */
	static const struct entry last[4] = {
	    {16, 2, PARENT },
            {18, 1, PRESENT},
            {19, 1, PARENT }
        };
	static const struct want want[] = {
	    {7, 16, 18, 0, 1, 3},
            {7, 19, 20, 0, 1, 6}
        };

	put_old_pagemap(scratch, 0, 7, 1, first);
	put_old_pagemap(scratch, 1, 7, 2, last);
	put_mm(scratch, 1, 7, anywhere);
	assert_pieces(scratch, 2, want, ARRAY_LEN(want));
}

/* Damage */

/** A good image of two pages that wait. */
static void put_good(const struct scratch *scratch)
{
	static const struct entry entries[2] = {
	    {16, 2, OWN}
        };

	put_pagemap(scratch, 0, 7, 1, entries);
	put_mm(scratch, 0, 7, anywhere);
}

static void test_nothing_there(void **state)
{
	const struct scratch *scratch = *state;

	assert_fails(scratch, 1, ENOENT, "open image '0'");
	scratch_mkdir(scratch, "0");
	assert_pieces(scratch, 1, NULL, 0);
	assert_fails(scratch, 2, ENOENT, "open image '1'");
	assert_int_equal(symlinkat("0", scratch->fd, "1"), 0);
	assert_fails(scratch, 2, ENOTDIR, "open image '1'");
	put_good(scratch);
	assert_int_equal(unlinkat(scratch->fd, "0/mm-7.img", 0), 0);
	assert_fails(scratch, 1, ENOENT, "mm-7.img");
}

/** A file that is cut where a message ends is a whole one with less in it. @whole: these lengths, and -1. */
static void cut(const struct scratch *scratch, const char *path, const off_t *whole)
{
	struct stat st;

	put_good(scratch);
	assert_int_equal(fstatat(scratch->fd, path, &st, 0), 0);
	for (off_t len = st.st_size - 1; len >= 0; len--) {
		int fd = openat(scratch->fd, path, O_WRONLY | O_CLOEXEC);

		assert_return_code(fd, errno);
		assert_int_equal(ftruncate(fd, len), 0);
		close(fd);
		if (len == *whole) {
			assert_pieces(scratch, 1, NULL, 0);
			whole++;
		} else {
			assert_fails(scratch, 1, EBADMSG, "read image");
		}
	}
	assert_int_equal(*whole, -1);
}

static void test_files_that_are_cut(void **state)
{
	const struct scratch *scratch = *state;

	/* the head is a message of two bytes */
	cut(scratch, "0/mm-7.img", (const off_t[]){-1});
	cut(scratch, "0/pagemap-7.img", (const off_t[]){8 + 4 + 2, 8, -1});
}

static void test_areas_that_cannot_be(void **state)
{
	const struct scratch *scratch = *state;
	static const struct area cases[][3] = {
	    {{20, 16, ANONYMOUS, MEMORY} },
	    { {20, 24, ANONYMOUS, MEMORY}, {16, 20, ANONYMOUS, MEMORY}},
	    { {16, 20, ANONYMOUS, MEMORY}, {18, 24, ANONYMOUS, MEMORY}},
	    { {16, 20, ANONYMOUS, MEMORY}, {16, 20, ANONYMOUS, MEMORY}},
	};
	struct image_file file;
	size_t begun, area;

	put_good(scratch);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_mm(scratch, 0, 7, cases[i]);
		assert_fails(scratch, 1, EBADMSG, "mm-7.img");
	}
	/* half a page */
	file_begin(&file, MAGIC_MM);
	begun = message_begin(&file);
	area = pb_begin(&file.writer, 14);
	pb_write_varint(&file.writer, 1, 16 * PAGE);
	pb_write_varint(&file.writer, 2, 16 * PAGE + PAGE / 2);
	pb_write_varint(&file.writer, 6, ANONYMOUS);
	pb_write_varint(&file.writer, 7, MEMORY);
	pb_end(&file.writer, area);
	message_end(&file, begun);
	file_end(scratch, &file, "mm", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "mm-7.img");
	/* not one message */
	file_begin(&file, MAGIC_MM);
	put_areas(&file, anywhere);
	put_areas(&file, anywhere);
	file_end(scratch, &file, "mm", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "mm-7.img");
	file_begin(&file, MAGIC_PAGEMAP);
	put_areas(&file, anywhere);
	file_end(scratch, &file, "mm", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "mm-7.img");
	/* a number without an end */
	file_begin(&file, MAGIC_MM);
	begun = message_begin(&file);
	pb_write_bytes(&file.writer, 14, "\x08\x80\x80\x80", 4);
	message_end(&file, begun);
	file_end(scratch, &file, "mm", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "mm-7.img");
}

/** CRIU goes through them in order as well. */
static void test_entries_out_of_order(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry good[2] = {
	    {16, 8, PRESENT}
        };
	static const struct entry cases[][3] = {
	    {{18, 2, OWN},     {16, 2, OWN}    },
	    {{16, 2, PARENT},  {16, 2, PARENT} },
	    {{16, 2, PARENT},  {17, 2, OWN}    },
	    {{16, 4, PRESENT}, {17, 1, PRESENT}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_pagemap(scratch, 0, 7, 1, good);
		put_pagemap(scratch, 1, 7, 1, cases[i]);
		put_mm(scratch, 1, 7, anywhere);
		assert_fails(scratch, 2, EBADMSG, "pagemap-7.img");
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_pagemap(scratch, 0, 7, 1, cases[i]);
		put_pagemap(scratch, 1, 7, 1, good);
		assert_fails(scratch, 2, EBADMSG, "pagemap-7.img");
	}
}

static void test_an_entry_of_no_pages(void **state)
{
	const struct scratch *scratch = *state;
	struct image_file file;
	size_t begun;

	put_good(scratch);
	file_begin(&file, MAGIC_PAGEMAP);
	put_head(&file, 1);
	begun = message_begin(&file);
	pb_write_varint(&file.writer, 1, 16 * PAGE);
	pb_write_varint(&file.writer, 4, OWN);
	message_end(&file, begun);
	file_end(scratch, &file, "pagemap", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "pagemap-7.img");
}

static void test_entries_that_cannot_be(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry many[2] = {
	    {16, UINT64_MAX / 2, OWN}
        };

	put_good(scratch);
	put_pagemap(scratch, 0, 7, 1, many);
	assert_fails(scratch, 1, EBADMSG, "pagemap-7.img");
	/* in an image that is not the last, too */
	put_good(scratch);
	assert_int_equal(renameat(scratch->fd, "0", scratch->fd, "1"), 0);
	put_pagemap(scratch, 0, 7, 1, many);
	assert_fails(scratch, 2, EBADMSG, "pagemap-7.img");
}

/** Images 0 and 1 with pages that wait, and such that do not. */
static void put_two(const struct scratch *scratch)
{
	static const struct entry first[3] = {
	    {16, 3, OWN    },
            {30, 2, PRESENT}
        };
	static const struct entry second[4] = {
	    {16, 2, PARENT },
            {20, 4, OWN    },
            {24, 1, PRESENT}
        };

	put_pagemap(scratch, 0, 7, 3, first);
	put_pagemap(scratch, 1, 7, 4, second);
	put_mm(scratch, 1, 7, anywhere);
}

static void set_length(const struct scratch *scratch, const char *path, uint64_t len)
{
	int fd = openat(scratch->fd, path, O_WRONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_return_code(ftruncate(fd, (off_t)len), errno);
	close(fd);
}

/** As far as they have what waits: it would be missing when there is no way back. */
static void test_files_of_pages_that_lack_some(void **state)
{
	const struct scratch *scratch = *state;
	const struct {
		const char *path;
		uint64_t enough;
	} cases[] = {
	    {"0/pages-3.img", 2 * PAGE},
            {"1/pages-4.img", 4 * PAGE}
        };
	static const struct want want[] = {
	    {7, 16, 18, 0, 3, 0},
            {7, 20, 24, 1, 4, 0}
        };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *path = cases[i].path;

		put_two(scratch);
		set_length(scratch, path, cases[i].enough);
		assert_pieces(scratch, 2, want, ARRAY_LEN(want));
		set_length(scratch, path, cases[i].enough - 1);
		assert_fails(scratch, 2, EBADMSG, path);
		set_length(scratch, path, 0);
		assert_fails(scratch, 2, EBADMSG, path);
		put_two(scratch);
		assert_int_equal(renameat(scratch->fd, path, scratch->fd, "kept"), 0);
		assert_fails(scratch, 2, ENOENT, path);
		assert_int_equal(symlinkat("../kept", scratch->fd, path), 0);
		assert_fails(scratch, 2, EBADMSG, path);
		assert_int_equal(unlinkat(scratch->fd, path, 0), 0);
		scratch_mkdir(scratch, path);
		assert_fails(scratch, 2, EBADMSG, path);
		assert_int_equal(unlinkat(scratch->fd, path, AT_REMOVEDIR), 0);
	}
}

/** More than page_index_defer() may have room for. */
static void test_too_many_pieces(void **state)
{
	const struct scratch *scratch = *state;
	const size_t size = 64UL << 20;
	uint8_t *data = malloc(size);

	assert_non_null(data);
	for (unsigned int more = 0; more < 2; more++) {
		const uint64_t count = (1U << 20) + more;
		struct wh_error err = WH_ERROR_INIT;
		struct page_index index = {0};
		struct image_file file;

		file_begin_in(&file, MAGIC_PAGEMAP, data, size);
		put_head(&file, 1);
		for (uint64_t i = 0; i < count; i++)
			put_entry(&file, &(struct entry){16 + i, 1, OWN});
		file_end(scratch, &file, "pagemap", 0, 7);
		put_pages(scratch, 0, 1, count);
		put_mm(scratch, 0, 7, anywhere);
		assert_int_equal(page_index_read(scratch->fd, 1, &index, &err),
				 more ? -EOVERFLOW : 0);
		assert_int_equal(index.count, more ? 0 : count);
		assert_string_equal(
		    err.message, more ? "the images have memory in more than 1048576 pieces" : "");
		page_index_done(&index);
	}
	free(data);
}

/* What is done with them */

static struct page_piece pieces[] = {
    {.range = {7, 0x10000, 0x12000},                   .offset = 1},
    {.range = {7, 0x12000, 0x13000},                   .offset = 2},
    {.range = {7, 0x15000, 0x16000},                   .offset = 3},
    {.range = {9, 0x10000, 0x14000},                   .offset = 4},
    {.range = {9, 0x7fffffffe000, UINT64_MAX - 0xfff}, .offset = 5},
};

static void test_find(void **state)
{
	static const struct {
		uint64_t task, address, want; /* 0: none */
	} cases[] = {
	    {7,  0,		   0},
	    {7,  0xffff,              0},
	    {7,  0x10000,             1},
	    {7,  0x11fff,             1},
	    {7,  0x12000,             2},
	    {7,  0x12fff,             2},
	    {7,  0x13000,             0},
	    {7,  0x14fff,             0},
	    {7,  0x15000,             3},
	    {7,  0x16000,             0},
	    {7,  UINT64_MAX,          0},
	    {6,  0x10000,             0},
	    {8,  0x10000,             0},
	    {9,  0xffff,              0},
	    {9,  0x10000,             4},
	    {9,  0x13fff,             4},
	    {9,  0x14000,             0},
	    {9,  0x7fffffffe000,      5},
	    {9,  UINT64_MAX - 0x1000, 5},
	    {9,  UINT64_MAX - 0xfff,  0},
	    {10, 0x10000,             0},
	};

	for (size_t count = 0; count <= ARRAY_LEN(pieces); count++) {
		const struct page_index index = {pieces, count, 0};

		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			const struct page_piece *piece =
			    page_index_find(&index, cases[i].task, cases[i].address);

			if (cases[i].want == 0 || cases[i].want > count)
				assert_null(piece);
			else
				assert_int_equal(piece->offset, cases[i].want);
		}
	}
}

static void test_size(void **state)
{
	static const struct {
		size_t count;
		uint64_t all, most;
	} cases[] = {
	    {0, 0,      0     },
            {1, 0x2000, 0x2000},
            {3, 0x4000, 0x4000},
            {4, 0x8000, 0x4000}
        };
	struct page_piece more[] = {pieces[0],
				    pieces[1],
				    pieces[2],
				    {.range = {9, 0x10000, 0x11000}},
				    {.range = {11, 0, 0x3000}}};
	uint64_t most;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct page_index index = {pieces, cases[i].count, 0};

		assert_int_equal(page_index_size(&index, &most), cases[i].all);
		assert_int_equal(most, cases[i].most);
	}
	/* it need not be the last that has most */
	assert_int_equal(page_index_size(&(struct page_index){more, ARRAY_LEN(more), 0}, &most),
			 0x8000);
	assert_int_equal(most, 0x4000);
}

/** @want: in pages; @offsets: where those are that are there, in pages. */
static void assert_pagemap(const struct scratch *scratch, unsigned int image, unsigned int task,
			   uint32_t pages, const struct entry *want, const uint64_t *offsets)
{
	struct pagemap pagemap;
	struct arena arena;
	char path[16];
	int dir_fd;
	size_t i;

	snprintf(path, sizeof(path), "%u", image);
	dir_fd = openat(scratch->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(dir_fd, errno);
	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_int_equal(pagemap_read(dir_fd, task, &arena, &pagemap, NULL), 0);
	close(dir_fd);
	assert_int_equal(pagemap.pages, pages);
	for (i = 0; want[i].count > 0; i++) {
		const struct pagemap_entry *entry = &pagemap.entries[i];

		assert_true(i < pagemap.count);
		assert_int_equal(entry->start, want[i].page * PAGE);
		assert_int_equal(entry->end, (want[i].page + want[i].count) * PAGE);
		assert_int_equal(entry->in_parent, (want[i].flags & PARENT) != 0);
		assert_int_equal(entry->lazy, (want[i].flags & LAZY) != 0);
		assert_int_equal(entry->present, (want[i].flags & PRESENT) != 0);
		if (entry->present)
			assert_int_equal(entry->offset, offsets[i] * PAGE);
	}
	assert_int_equal(pagemap.count, i);
	arena_done(&arena);
}

/** The index of @images images, whose last one is changed. */
static void defer(const struct scratch *scratch, unsigned int images)
{
	struct page_index index;
	char path[16];
	int dir_fd;

	snprintf(path, sizeof(path), "%u", images - 1);
	dir_fd = openat(scratch->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(dir_fd, errno);
	assert_int_equal(page_index_read(scratch->fd, images, &index, NULL), 0);
	assert_int_equal(page_index_defer(&index, dir_fd, NULL), 0);
	page_index_done(&index);
	close(dir_fd);
}

static const struct entry first_of_three[3] = {
    {10, 20, PRESENT},
    {50, 9,  PRESENT}
};
static const struct entry second_of_three[4] = {
    {15, 3,  PRESENT},
    {18, 12, PARENT },
    {50, 9,  PARENT }
};

static void test_what_waits_is_not_the_parents_any_more(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry last[8] = {
	    {16, 14, PARENT },
            {30, 2,  OWN    },
            {40, 1,  PRESENT},
            {41, 3,  OWN    },
	    {50, 4,  PARENT },
            {54, 1,  PRESENT},
            {56, 3,  PARENT }
        };
	static const struct area areas[9] = {
	    {1,  17, ANONYMOUS,              MEMORY       },
            {17, 19, ANONYMOUS | MAP_LOCKED, MEMORY       },
	    {19, 20, ANONYMOUS,              MEMORY       },
            {20, 21, ANONYMOUS,              MEMORY | HEAP},
	    {22, 23, ANONYMOUS,              MEMORY       },
            {25, 48, ANONYMOUS,              MEMORY       },
	    {50, 55, ANONYMOUS,              MEMORY | VDSO},
            {56, 99, ANONYMOUS,              MEMORY       }
        };
	static const struct entry want[14] = {
	    {16, 1, LAZY   },
            {17, 2, PARENT },
            {19, 2, LAZY   },
            {21, 1, PARENT },
            {22, 1, LAZY   },
	    {23, 2, PARENT },
            {25, 5, LAZY   },
            {30, 2, OWN    },
            {40, 1, PRESENT},
            {41, 3, OWN    },
	    {50, 4, PARENT },
            {54, 1, PRESENT},
            {56, 3, LAZY   }
        };
	static const uint64_t offsets[] = {0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 0, 6, 0};

	put_pagemap(scratch, 0, 7, 1, first_of_three);
	put_pagemap(scratch, 1, 7, 2, second_of_three);
	put_pagemap(scratch, 2, 7, 300, last);
	put_mm(scratch, 2, 7, areas);
	defer(scratch, 3);
	assert_pagemap(scratch, 2, 7, 300, want, offsets);
}

/** Each at one end of an entry, or all of it, so that what is left is in one, none or two pieces. */
static void test_entries_are_cut_where_areas_end(void **state)
{
	const struct scratch *scratch = *state;
	static const struct {
		struct area areas[4];
		struct entry want[6];
	} cases[] = {
	    {{{16, 20, ANONYMOUS, MEMORY}},                              {{16, 4, LAZY}}                                  },
	    {{{10, 30, ANONYMOUS, MEMORY}},                              {{16, 4, LAZY}}                                  },
	    {{{16, 17, ANONYMOUS, MEMORY}},                              {{16, 1, LAZY}, {17, 3, PARENT}}                 },
	    {{{19, 20, ANONYMOUS, MEMORY}},                              {{16, 3, PARENT}, {19, 1, LAZY}}                 },
	    {{{17, 18, ANONYMOUS, MEMORY}},                              {{16, 1, PARENT}, {17, 1, LAZY}, {18, 2, PARENT}}},
	    {{{16, 18, ANONYMOUS, MEMORY}, {18, 20, ANONYMOUS, MEMORY}}, {{16, 4, LAZY}}                                  },
	    {{{16, 17, ANONYMOUS, MEMORY},
	      {17, 19, ANONYMOUS, FILE_PRIVATE},
	      {19, 20, ANONYMOUS, MEMORY}},
	     {{16, 1, LAZY}, {17, 2, PARENT}, {19, 1, LAZY}}							      },
	    {{{10, 16, ANONYMOUS, MEMORY}, {20, 30, ANONYMOUS, MEMORY}}, {{16, 4, PARENT}}                                },
	};
	static const struct entry last[2] = {
	    {16, 4, PARENT}
        };

	put_pagemap(scratch, 0, 7, 1, first_of_three);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_pagemap(scratch, 1, 7, 1, last);
		put_mm(scratch, 1, 7, cases[i].areas);
		defer(scratch, 2);
		assert_pagemap(scratch, 1, 7, 1, cases[i].want, NULL);
	}
}

static ino_t inode(const struct scratch *scratch, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(scratch->fd, path, &st, 0), 0);
	return st.st_ino;
}

/** Of several processes one has in a parent what waits; the others' files are as good as they were. */
static void test_files_that_need_no_change(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry own[2] = {
	    {50, 2, OWN}
        };
	static const struct entry fixed[3] = {
	    {50, 2, PARENT},
            {52, 2, OWN   }
        };
	static const struct entry parents[2] = {
	    {50, 4, PARENT}
        };
	static const struct entry want[2] = {
	    {50, 4, LAZY}
        };
	static const struct area areas[3] = {
	    {50, 52, ANONYMOUS | MAP_LOCKED, MEMORY},
            {52, 54, ANONYMOUS,              MEMORY}
        };
	static const uint64_t offsets[] = {0, 0};
	ino_t before[3];

	for (unsigned int task = 7; task <= 10; task++)
		put_pagemap(scratch, 0, task, 1, first_of_three);
	put_pagemap(scratch, 1, 7, 1, own);
	put_mm(scratch, 1, 7, anywhere);
	put_pagemap(scratch, 1, 8, 1, fixed);
	put_mm(scratch, 1, 8, areas);
	put_pagemap(scratch, 1, 9, 1, parents);
	put_mm(scratch, 1, 9, anywhere);
	put_pagemap(scratch, 1, 10, 1, own);
	put_mm(scratch, 1, 10, anywhere);
	before[0] = inode(scratch, "1/pagemap-7.img");
	before[1] = inode(scratch, "1/pagemap-8.img");
	before[2] = inode(scratch, "1/pagemap-10.img");
	defer(scratch, 2);
	assert_int_equal(inode(scratch, "1/pagemap-7.img"), before[0]);
	assert_int_equal(inode(scratch, "1/pagemap-8.img"), before[1]);
	assert_int_equal(inode(scratch, "1/pagemap-10.img"), before[2]);
	assert_pagemap(scratch, 1, 8, 1, fixed, offsets);
	assert_pagemap(scratch, 1, 9, 1, want, NULL);
	assert_pagemap(scratch, 0, 9, 1, first_of_three, (const uint64_t[]){0, 20});
}

static void test_old_files_are_changed(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry last[5] = {
	    {16, 4, PARENT },
            {20, 2, PRESENT},
            {50, 9, PARENT },
            {60, 1, PRESENT}
        };
	static const struct area areas[3] = {
	    {1,  18, ANONYMOUS,              MEMORY},
            {18, 99, ANONYMOUS | MAP_LOCKED, MEMORY}
        };
	static const struct entry want[6] = {
	    {16, 2, LAZY   },
            {18, 2, PARENT },
            {20, 2, PRESENT},
            {50, 9, PARENT },
            {60, 1, PRESENT}
        };

	put_old_pagemap(scratch, 0, 7, 1, first_of_three);
	put_old_pagemap(scratch, 1, 7, 1, last);
	put_mm(scratch, 1, 7, areas);
	defer(scratch, 2);
	assert_pagemap(scratch, 1, 7, 1, want, (const uint64_t[]){0, 0, 0, 0, 2});
}

/** A file that has gone meanwhile. */
static void test_files_that_cannot_be_changed(void **state)
{
	const struct scratch *scratch = *state;
	struct page_piece piece = {
	    .range = {7, 16 * PAGE, 17 * PAGE}
        };
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(page_index_defer(&(struct page_index){&piece, 1, 1}, scratch->fd, &err),
			 -ENOENT);
	assert_non_null(strstr(err.message, "pagemap-7.img"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_pages_of_the_last_image, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_pages_of_images_before, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_only_some_areas_can_wait, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_areas_that_cut_entries, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_several_processes, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_a_process_that_is_younger, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_pages_that_no_image_has, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_pages_that_do_not_wait_are_not_looked_for,
					    scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_of_old_versions, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_there, scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_that_are_cut, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_areas_that_cannot_be, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_entries_out_of_order, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_an_entry_of_no_pages, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_entries_that_cannot_be, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_of_pages_that_lack_some, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_too_many_pieces, scratch_setup, scratch_teardown),
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_size),
	    cmocka_unit_test_setup_teardown(test_what_waits_is_not_the_parents_any_more,
					    scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_entries_are_cut_where_areas_end, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_that_need_no_change, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_old_files_are_changed, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_that_cannot_be_changed, scratch_setup,
					    scratch_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
