/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/checkpoint/image_entries.h"
#include "tests/unit/group_arena.h"

static const uint8_t header[] = {0x19, 0x43, 0x56, 0x54, 0x38, 0x31, 0x30, 0x56};

/** An open regular file, or another kind when it has no name. */
static void write_file(struct pb_writer *writer, const char *name, uint64_t flags, bool external)
{
	size_t entry = image_entry_begin(writer);
	size_t regular;

	pb_write_varint(writer, 1, name ? 1 : 5);
	pb_write_varint(writer, 2, 42);
	if (name) {
		regular = pb_begin(writer, 3);
		pb_write_varint(writer, 2, flags);
		pb_write_varint(writer, 3, 94);
		pb_write_string(writer, 6, name);
		pb_write_varint(writer, 8, 94);
		if (external)
			pb_write_varint(writer, 9, 1);
		pb_write_varint(writer, 10, 0100666);
		pb_end(writer, regular);
	} else {
		pb_write_string(writer, 5, "a pipe");
	}
	image_entry_end(writer, entry);
}

struct seen {
	bool has_size, has_mode;
	uint64_t position;
	char name[32];
};

static void read_regular(const struct pb_field *outer, struct seen *seen)
{
	struct pb_reader reader = PB_READER(outer->data, outer->len);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0) {
		seen->has_size |= field.number == 8;
		seen->has_mode |= field.number == 10;
		if (field.number == 3)
			seen->position = field.value;
		else if (field.number == 6)
			memcpy(seen->name, field.data, field.len);
	}
}

static struct seen read_entry(const struct image_entry *entry)
{
	struct pb_reader reader = PB_READER(entry->data, entry->len);
	struct pb_field field;
	struct seen seen = {.has_size = false};

	while (pb_next(&reader, &field) > 0) {
		if (field.number == 3)
			read_regular(&field, &seen);
	}
	return seen;
}

static void test_adapt(void **state)
{
	static const struct {
		const char *name;
		uint64_t flags;
		bool external;
		bool checked; /* size and mode stay */
		uint64_t position;
	} cases[] = {
	    {"/bin/sh",    O_RDONLY, false, true,  94        },
	    {"file[1:2]",  O_WRONLY, true,  false, UINT64_MAX},
	    {"file[1:3]",  O_RDWR,   true,  false, UINT64_MAX},
	    {"file[1:4]",  O_RDONLY, true,  false, 94        },
	    {"/var/log/x", O_WRONLY, false, true,  94        },
	};
	uint8_t data[1024];
	struct pb_writer writer = {.data = data, .size = sizeof(data)};
	struct image_entry *entries;
	uint8_t *adapted;
	size_t len;

	pb_write_raw(&writer, header, sizeof(header));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		write_file(&writer, cases[i].name, cases[i].flags, cases[i].external);
	write_file(&writer, NULL, 0, false);
	assert_int_equal(image_streams_adapt(data, writer.used, &arena, &adapted, &len), 0);
	assert_int_equal(image_entries_read(adapted, len, 0x56303138, &arena, &entries),
			 ARRAY_LEN(cases) + 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct seen seen = read_entry(&entries[i]);

		assert_string_equal(seen.name, cases[i].name);
		assert_int_equal(seen.has_size, cases[i].checked);
		assert_int_equal(seen.has_mode, cases[i].checked);
		assert_true(seen.position == cases[i].position);
	}
}

static void test_malformed(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} cases[] = {
	    {"",						       0 },
	    {"\x19\x43\x56\x54\x28\x39\x56\x55",                       8 }, /* mounts */
	    {"\x19\x43\x56\x54\x38\x31\x30\x56\x09",                   9 },
	    {"\x19\x43\x56\x54\x38\x31\x30\x56\x02\0\0\0\x08",         13},
	    {"\x19\x43\x56\x54\x38\x31\x30\x56\x03\0\0\0\x1a\x01\x08", 15},
	};
	uint8_t *adapted;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(image_streams_adapt((const uint8_t *)cases[i].data, cases[i].len,
						     &arena, &adapted, &len),
				 -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_adapt),
	    cmocka_unit_test(test_malformed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
