/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/pagemap.h"

#include "base/fd.h"
#include "base/protobuf.h"
#include "base/str.h"
#include "tests/unit/base/scratch.h"

/* of images that CRIU 4.2 wrote: crit decode says what is in them */
#define MAGIC "\x19\x43\x56\x54\x25\x40\x08\x56"

/** An entry as CRIU writes it: an address, the number of pages in the old field, flags, and in the new one. */
static size_t put(uint8_t *to, uint64_t address, uint64_t old_count, uint64_t flags, uint64_t count)
{
	struct pb_writer writer = {.data = to + 4, .size = 64};

	pb_write_varint(&writer, 1, address);
	pb_write_varint(&writer, 2, old_count);
	if (flags)
		pb_write_varint(&writer, 4, flags);
	if (count)
		pb_write_varint(&writer, 5, count);
	to[0] = (uint8_t)writer.used;
	to[1] = to[2] = to[3] = 0;
	return 4 + writer.used;
}

static int add(struct lazy_ranges *ranges, const void *data, size_t len)
{
	struct pagemap pagemap = {0};
	struct arena arena;
	int rc = arena_init(&arena, NULL);

	if (rc == 0)
		rc = pagemap_parse(data, len, &arena, &pagemap);
	if (rc == 0)
		rc = lazy_ranges_add(ranges, 1, &pagemap);
	arena_done(&arena);
	return rc;
}

static void test_only_what_was_left_counts(void **state)
{
	static const struct {
		uint64_t old_count;
		uint64_t flags; /* 1: in the parent, 2: lazy, 4: present */
		uint64_t count;
		uint64_t want;
	} cases[] = {
	    {7, 2 | 4, 7,           7          },
	    {7, 2,     0,           7          },
	    {9, 4,     9,           0          },
	    {3, 0,     0,           0          },
	    {1, 2 | 4, 0x100000001, 0x100000001},
	    {5, 1,     5,           0          },
	};
	uint8_t data[512];
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t total = 0;
	size_t len = sizeof(MAGIC) - 1;

	memcpy(data, MAGIC, len);
	/* the head, which names a file of pages: field 1 */
	memcpy(data + len, "\x02\x00\x00\x00\x08\x01", 6);
	len += 6;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct lazy_ranges ranges = {0};

		len += put(data + len, 0x7f0000000000, cases[i].old_count, cases[i].flags,
			   cases[i].count);
		total += cases[i].want * page;
		assert_int_equal(add(&ranges, data, len), 0);
		assert_true(lazy_ranges_size(&ranges) == total);
		lazy_ranges_done(&ranges);
	}
}

static void test_damage(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} cases[] = {
	    {"",						       0 },
	    {MAGIC,						    7 },
	    {"\x19\x43\x56\x54\x25\x40\x08\x57",                       8 },
	    {MAGIC "\x02\x00\x00",				     11},
	    {MAGIC "\x03\x00\x00\x00\x08\x01",                         14},
	    {MAGIC "\x02\x00\x00\x00\x08\x01\xff\xff\xff\xff",         18},
	    {MAGIC "\x02\x00\x00\x00\x08\x01\x02\x00\x00\x00\x10\xff", 20},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct lazy_ranges ranges = {0};

		assert_int_equal(add(&ranges, cases[i].data, cases[i].len), -EBADMSG);
		lazy_ranges_done(&ranges);
	}
}

/** Addresses that no page has, and more pages than there are addresses. */
static void test_impossible_entries(void **state)
{
	static const struct {
		uint64_t address;
		uint64_t count;
	} cases[] = {
	    {0x7f0000000001, 1         },
            {0x7f0000000000, UINT64_MAX}
        };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct lazy_ranges ranges = {0};
		uint8_t data[128];
		size_t len = sizeof(MAGIC) - 1;

		memcpy(data, MAGIC "\x02\x00\x00\x00\x08\x01", len + 6);
		len += 6;
		len += put(data + len, cases[i].address, 0, 2, cases[i].count);
		assert_int_equal(add(&ranges, data, len), -EBADMSG);
		lazy_ranges_done(&ranges);
	}
}

/** A file pagemap-TASK.img with entries of (address in pages, number of pages, flags). */
static void write_file(int dir_fd, const char *name, const uint64_t (*entries)[3], size_t count)
{
	uint8_t data[1024] = MAGIC "\x02\x00\x00\x00\x08\x01";
	size_t len = sizeof(MAGIC) - 1 + 6;
	auto_fd fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	for (size_t i = 0; i < count; i++)
		len += put(data + len, entries[i][0] * (uint64_t)sysconf(_SC_PAGESIZE),
			   entries[i][1], entries[i][2], entries[i][1]);
	assert_int_equal(fd_write_all(fd, data, len), 0);
}

static void test_ranges_of_an_image(void **state)
{
	const struct scratch *scratch = *state;
	static const uint64_t ten[][3] = {
	    {16, 4, 2},
            {20, 2, 2},
            {22, 1, 4},
            {23, 1, 2}
        };
	static const uint64_t nine[][3] = {
	    {16, 1, 2}
        };
	static const struct {
		uint64_t task, page, end;
	} cases[] = {
	    {10, 16, 22},
            {10, 21, 22},
            {10, 22, 22},
            {10, 23, 24},
            {10, 24, 24},
	    {10, 15, 15},
            {9,  16, 17},
            {9,  17, 17},
            {8,  16, 16},
            {11, 16, 16},
	};
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct lazy_ranges ranges;

	write_file(scratch->fd, "pagemap-10.img", ten, ARRAY_LEN(ten));
	write_file(scratch->fd, "pagemap-9.img", nine, ARRAY_LEN(nine));
	/* others are not looked at */
	write_file(scratch->fd, "pagemap-shmem-7.img", nine, ARRAY_LEN(nine));
	write_file(scratch->fd, "core-10.img", nine, ARRAY_LEN(nine));
	assert_int_equal(lazy_ranges_read(scratch->fd, &ranges, NULL), 0);
	assert_int_equal(ranges.count, 3);
	assert_true(lazy_ranges_size(&ranges) == 8 * page);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_true(lazy_ranges_end(&ranges, cases[i].task, cases[i].page * page) ==
			    cases[i].end * page);
	lazy_ranges_done(&ranges);
	assert_true(lazy_ranges_end(&ranges, 10, 16 * page) == 16 * page);
}

/** As it is read, in bytes. */
static void assert_same(const struct pagemap *a, const struct pagemap *b)
{
	assert_int_equal(a->pages, b->pages);
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->entries[i].start, b->entries[i].start);
		assert_int_equal(a->entries[i].end, b->entries[i].end);
		assert_int_equal(a->entries[i].in_parent, b->entries[i].in_parent);
		assert_int_equal(a->entries[i].lazy, b->entries[i].lazy);
		assert_int_equal(a->entries[i].present, b->entries[i].present);
		if (a->entries[i].present)
			assert_int_equal(a->entries[i].offset, b->entries[i].offset);
	}
}

static void replace(const struct scratch *scratch, struct pagemap *pagemap, struct arena *arena)
{
	struct pagemap read = {0};

	assert_int_equal(arena_init(arena, NULL), 0);
	assert_int_equal(pagemap_replace(scratch->fd, 10, pagemap, arena, NULL), 0);
	assert_int_equal(pagemap_read(scratch->fd, 10, arena, &read, NULL), 0);
	assert_same(&read, pagemap);
}

static void test_a_file_is_replaced(void **state)
{
	const struct scratch *scratch = *state;
	static const uint64_t before[][3] = {
	    {16, 4, 4}
        };
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	/* what has more than 2^32 pages does not fit into the old field */
	const uint64_t most = UINT32_MAX, more = most + 1, many = (1ULL << 40) + 7;
	const struct {
		uint64_t pages; /* from the end of the one before on */
		bool in_parent, lazy, present;
	} cases[] = {
	    {1,    false, false, true },
            {2,    true,  false, false},
            {3,    false, true,  false},
	    {4,    false, true,  true },
            {most, false, false, true },
            {more, true,  false, false},
	    {many, false, true,  true },
            {5,    false, false, false},
            {1,    false, true,  true },
	};
	struct pagemap_entry entries[ARRAY_LEN(cases)];
	struct pagemap pagemap = {UINT32_MAX, entries, ARRAY_LEN(cases)};
	uint64_t at = 0x7f0000000000, offset = 0;
	struct arena arena;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const uint64_t size = cases[i].pages * page;

		entries[i] = (struct pagemap_entry){.start = at,
						    .end = at + size,
						    .in_parent = cases[i].in_parent,
						    .lazy = cases[i].lazy,
						    .present = cases[i].present,
						    .offset = offset};
		at += size;
		offset += cases[i].present ? size : 0;
	}
	write_file(scratch->fd, "pagemap-10.img", before, ARRAY_LEN(before));
	replace(scratch, &pagemap, &arena);
	arena_done(&arena);
	assert_int_equal(fstatat(scratch->fd, "pagemap-10.img", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

/** It grows and shrinks with what is in it, and need not be there. */
static void test_a_file_of_any_length(void **state)
{
	const struct scratch *scratch = *state;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	static struct pagemap_entry entries[5000];
	static const size_t counts[] = {1, ARRAY_LEN(entries), 0, 2};
	struct arena arena;

	/* addresses as long as they can be */
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		const uint64_t start = UINT64_MAX - UINT64_MAX % page - (20000 - 2 * i) * page;

		entries[i] = (struct pagemap_entry){.start = start,
						    .end = start + page,
						    .lazy = true,
						    .present = true,
						    .offset = i * page};
	}
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct pagemap pagemap = {1, entries, counts[i]};

		replace(scratch, &pagemap, &arena);
		arena_done(&arena);
	}
}

/** What CRIU of any version reads: addresses, both numbers of pages, flags. */
static void test_the_bytes_of_a_file(void **state)
{
	const struct scratch *scratch = *state;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct pagemap_entry entry = {.start = 16 * page, .end = 17 * page, .lazy = true};
	struct pagemap pagemap = {3, &entry, 1};
	uint8_t want[64] = MAGIC "\x02\x00\x00\x00\x08\x03", got[64];
	size_t len = sizeof(MAGIC) - 1 + 6;
	auto_fd fd = -EBADF;
	struct arena arena;

	len += put(want + len, 16 * page, 1, 2, 1);
	replace(scratch, &pagemap, &arena);
	arena_done(&arena);
	fd = openat(scratch->fd, "pagemap-10.img", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, got, sizeof(got)), len);
	assert_memory_equal(got, want, len);
}

static void test_a_file_that_is_not_there(void **state)
{
	const struct scratch *scratch = *state;
	struct wh_error err = WH_ERROR_INIT;
	struct pagemap pagemap = {0};
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_int_equal(pagemap_read(scratch->fd, 10, &arena, &pagemap, &err), -ENOENT);
	assert_non_null(strstr(err.message, "pagemap-10.img"));
	arena_done(&arena);
}

static void test_whose_a_file_is(void **state)
{
	static const struct {
		const char *name;
		uint64_t task;
	} cases[] = {
	    {"pagemap-1.img",       1    },
            {"pagemap-32768.img",   32768},
	    {"pagemap-0.img",       0    },
            {"pagemap-01.img",      0    },
	    {"pagemap--1.img",      0    },
            {"pagemap-.img",        0    },
	    {"pagemap-1.img.tmp",   0    },
            {"pagemap-1",           0    },
	    {"pagemap-shmem-1.img", 0    },
            {"pages-1.img",         0    },
	    {"x-pagemap-1.img",     0    },
            {"",                    0    },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(pagemap_task(cases[i].name), cases[i].task);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_only_what_was_left_counts),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_impossible_entries),
	    cmocka_unit_test_setup_teardown(test_ranges_of_an_image, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_a_file_is_replaced, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_a_file_of_any_length, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_the_bytes_of_a_file, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_a_file_that_is_not_there, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test(test_whose_a_file_is),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
