/* SPDX-License-Identifier: Apache-2.0 */
#include "base/protobuf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void test_varints(void **state)
{
	static const struct {
		uint32_t field;
		uint64_t value;
		const char *bytes;
		size_t len;
	} cases[] = {
	    {1,  0,          "\x08\x00",				     2 },
	    {1,  150,        "\x08\x96\x01",                                 3 },
	    {16, 1,          "\x80\x01\x01",                                 3 },
	    {1,  UINT64_MAX, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t data[32];
		struct pb_writer writer = {.data = data, .size = sizeof(data)};
		struct pb_reader reader;
		struct pb_field field;

		pb_write_varint(&writer, cases[i].field, cases[i].value);
		assert_false(writer.full);
		assert_int_equal(writer.used, cases[i].len);
		assert_memory_equal(data, cases[i].bytes, cases[i].len);
		reader = PB_READER(data, writer.used);
		assert_int_equal(pb_next(&reader, &field), 1);
		assert_int_equal(field.number, cases[i].field);
		assert_true(field.value == cases[i].value);
		assert_int_equal(pb_next(&reader, &field), 0);
	}
}

static void test_nested(void **state)
{
	uint8_t data[64];
	struct pb_writer writer = {.data = data, .size = sizeof(data)};
	struct pb_reader reader, inner;
	struct pb_field field;
	size_t begun = pb_begin(&writer, 2);

	pb_write_string(&writer, 1, "key");
	pb_write_string(&writer, 3, NULL);
	pb_write_varint(&writer, 2, 7);
	pb_end(&writer, begun);
	pb_write_varint(&writer, 3, 9);

	reader = PB_READER(data, writer.used);
	assert_int_equal(pb_next(&reader, &field), 1);
	assert_int_equal(field.number, 2);
	inner = PB_READER(field.data, field.len);
	assert_int_equal(pb_next(&inner, &field), 1);
	assert_int_equal(field.len, 3);
	assert_memory_equal(field.data, "key", 3);
	assert_int_equal(pb_next(&inner, &field), 1);
	assert_int_equal(field.number, 2);
	assert_int_equal(field.value, 7);
	assert_int_equal(pb_next(&inner, &field), 0);
	assert_int_equal(pb_next(&reader, &field), 1);
	assert_int_equal(field.value, 9);
	assert_int_equal(pb_next(&reader, &field), 0);
}

static void test_what_does_not_fit(void **state)
{
	uint8_t data[4];
	struct pb_writer writer = {.data = data, .size = sizeof(data)};

	pb_write_string(&writer, 1, "too long");
	assert_true(writer.full);
	assert_true(writer.used <= sizeof(data));
	pb_end(&writer, pb_begin(&writer, 1));
	assert_true(writer.full);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    {"\x08",					 1 }, /* no value */
	    {"\x08\x80",				     2 }, /* a varint without end */
	    {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11}, /* too long a one */
	    {"\x00\x01",				     2 }, /* field 0 */
	    {"\x0a\x05xy",				   4 }, /* fewer bytes than said */
	    {"\x0b",					 1 }, /* a group */
	    {"\x0d\x01\x02",				 3 }, /* a cut fixed32 */
	    {"\x09\x01\x02\x03\x04",                         5 }, /* a cut fixed64 */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pb_reader reader = PB_READER(cases[i].bytes, cases[i].len);
		struct pb_field field;

		assert_int_equal(pb_next(&reader, &field), -EBADMSG);
	}
}

static void test_fixed(void **state)
{
	struct pb_reader reader = PB_READER("\x0d\x01\x02\x03\x04\x11\x08\0\0\0\0\0\0\0", 14);
	struct pb_field field;

	assert_int_equal(pb_next(&reader, &field), 1);
	assert_int_equal(field.value, 0x04030201);
	assert_int_equal(pb_next(&reader, &field), 1);
	assert_int_equal(field.number, 2);
	assert_int_equal(field.value, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_varints),
	    cmocka_unit_test(test_nested),
	    cmocka_unit_test(test_what_does_not_fit),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_fixed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
