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
		assert_int_equal(lazy_ranges_add(&ranges, 1, data, len), 0);
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

		assert_int_equal(
		    lazy_ranges_add(&ranges, 1, (const uint8_t *)cases[i].data, cases[i].len),
		    -EBADMSG);
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
		assert_int_equal(lazy_ranges_add(&ranges, 1, data, len), -EBADMSG);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_only_what_was_left_counts),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_impossible_entries),
	    cmocka_unit_test_setup_teardown(test_ranges_of_an_image, scratch_setup,
					    scratch_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
