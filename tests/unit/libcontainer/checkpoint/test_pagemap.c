/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/lazy_pages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/protobuf.h"
#include "base/str.h"

/* of images that CRIU 4.2 wrote: crit decode says what is in them */
#define MAGIC "\x19\x43\x56\x54\x25\x40\x08\x56"

/** An entry as CRIU writes it: an address, the number of pages in the old field, flags, and in the new one. */
static size_t put(uint8_t *to, uint64_t old_count, uint64_t flags, uint64_t count)
{
	struct pb_writer writer = {.data = to + 4, .size = 64};

	pb_write_varint(&writer, 1, 0x7f0000000000);
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
	uint64_t total = 0;
	uint64_t pages;
	size_t len = sizeof(MAGIC) - 1;

	memcpy(data, MAGIC, len);
	/* the head, which names a file of pages: field 1 */
	memcpy(data + len, "\x02\x00\x00\x00\x08\x01", 6);
	len += 6;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		len += put(data + len, cases[i].old_count, cases[i].flags, cases[i].count);
		total += cases[i].want;
		assert_int_equal(lazy_pages_count(data, len, &pages), 0);
		assert_true(pages == total);
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
	uint64_t pages;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    lazy_pages_count((const uint8_t *)cases[i].data, cases[i].len, &pages),
		    -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_only_what_was_left_counts),
	    cmocka_unit_test(test_damage),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
