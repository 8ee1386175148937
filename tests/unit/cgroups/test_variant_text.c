/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/variant_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void test_values(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text, *signature, *want;
	} cases[] = {
		{ "true", "b", "true" },
		{ " false ", "b", "false" },
		{ "'inactive'", "s", "'inactive'" },
		{ "\"a'b\"", "s", "'a'b'" },
		{ "'a\\'b\\n'", "s", "'a'b\n'" },
		{ "5", "i", "5" },
		{ "-5", "i", "-5" },
		{ "0x10", "i", "16" },
		{ "uint64 18446744073709551614", "t", "18446744073709551614" },
		{ "uint64 5", "t", "5" },
		{ "int64 -9223372036854775808", "x", "-9223372036854775808" },
		{ "byte 255", "y", "255" },
		{ "uint16 7", "q", "7" },
		{ "int16 -7", "n", "-7" },
		{ "uint32 7", "u", "7" },
		{ "double 2", "d", "2" },
		{ "1.5", "d", "1.5" },
		{ "2e3", "d", "2000" },
		{ "objectpath '/a'", "o", "'/a'" },
		{ "signature 'as'", "g", "'as'" },
		{ "boolean true", "b", "true" },
		{ "[1, 2]", "ai", "[1, 2]" },
		{ "['a.service','b.service']", "as", "['a.service', 'b.service']" },
		{ "@as []", "as", "[]" },
		{ "@at [1, 2]", "at", "[1, 2]" },
		{ "[uint64 1, 2]", "at", "[1, 2]" },
		{ "('a', true)", "(sb)", "('a', true)" },
		{ "[('a', uint64 1), ('b', 2)]", "a(st)", "[('a', 1), ('b', 2)]" },
		{ "@a(ss) [('a', 'b')]", "a(ss)", "[('a', 'b')]" },
		{ "@a(iayu) [(2, [byte 127, 0, 0, 1], 32)]", "a(iayu)", "[(2, [127, 0, 0, 1], 32)]" },
		{ "[[1], [2]]", "aai", "[[1], [2]]" },
		{ "(1,)", "(i)", "(1)" },
	};
	/* clang-format on */
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		struct bus_value value;

		if (variant_text_parse(cases[i].text, &arena, &value, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_string_equal(bus_value_signature(&value, &arena), cases[i].signature);
		assert_string_equal(bus_value_format(&value, &arena), cases[i].want);
	}
	arena_done(&arena);
}

static void test_what_is_no_value(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "expected a value" },
		{ "nonsense", "expected a value" },
		{ "'open", "a string has no end" },
		{ "5 5", "expected the end" },
		{ "12abc", "is no number" },
		{ "1.x", "is no number" },
		{ "inf", "expected a value" },
		{ "0x", "is no number" },
		{ "99999999999", "out of the range" },
		{ "byte 256", "out of the range" },
		{ "byte -1", "out of the range" },
		{ "uint64 -1", "out of the range" },
		{ "uint64 18446744073709551616", "is no number" },
		{ "uint64 'a'", "a string where type 't'" },
		{ "string 5", "the number 5 where type 's'" },
		{ "boolean 1", "the number 1 where type 'b'" },
		{ "[]", "needs its type in front" },
		{ "[1, 'a']", "a string where type 'i'" },
		{ "[1 2]", "expected ','" },
		{ "[1", "expected ','" },
		{ "()", "no empty tuple" },
		{ "@(st) ('a')", "fewer items" },
		{ "@(s) ('a', 'b')", "more items" },
		{ "@z 1", "not a type" },
		{ "@a 1", "not a type" },
		{ "@as 5", "the number 5 where type 'as'" },
		{ "{'a': 1}", "not supported" },
		{ "<5>", "not supported" },
		{ "'\\u0041'", "write the character itself" },
		{ "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "nested deeper" },
	};
	/* clang-format on */
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		struct bus_value value;

		assert_true(variant_text_parse(cases[i].text, &arena, &value, &err) < 0);
		if (!strstr(err.message, cases[i].want))
			fail_msg("%s: %s", cases[i].text, err.message);
	}
	arena_done(&arena);
}

/** Recursion has a bound whatever the text. */
static void test_endless_nesting(void **state)
{
	static const char *const heads[] = {"[", "(", "@a", "@(", "uint64 ", "@t "};
	size_t size = 1 << 20;
	char *text = malloc(size + 16);
	struct arena arena;

	assert_non_null(text);
	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		size_t step = strlen(heads[i]), len = 0;
		struct wh_error err = WH_ERROR_INIT;
		struct bus_value value;

		for (; len + step < size; len += step)
			memcpy(text + len, heads[i], step);
		text[len] = '\0';
		assert_true(variant_text_parse(text, &arena, &value, &err) < 0);
	}
	memset(text, 'a', size);
	text[0] = '@';
	text[size] = '\0';
	assert_true(variant_text_parse(text, &arena, &(struct bus_value){.type = 0},
				       &(struct wh_error){.code = 0}) < 0);
	arena_done(&arena);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_what_is_no_value),
	    cmocka_unit_test(test_endless_nesting),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
