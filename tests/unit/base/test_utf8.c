/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/str.h"

static void test_invalid(void **state)
{
	static const struct {
		const char *text;
		size_t want; /* of the first bad byte; SIZE_MAX: none */
	} cases[] = {
	    {"",					   SIZE_MAX},
	    {"plain text that is longer than eight bytes", SIZE_MAX},
	    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xa3",       SIZE_MAX},
	    {"12345678\xc3\xa9",                           SIZE_MAX},
	    {"\xef\xbf\xbf\xf4\x8f\xbf\xbf",               SIZE_MAX},
	    {"abc\x80",				    3       },
	    {"0123456789\xff",                             10      },
	    {"\xc3",				       0       },
	    {"a\xe2\x82",				  1       },
	    {"\xc0\xaf",				   0       }, /* overlong '/' */
	    {"\xe0\x80\xaf",			       0       }, /* overlong */
	    {"\xf0\x80\x80\xaf",                           0       }, /* overlong */
	    {"\xed\xa0\x80",			       0       }, /* a surrogate */
	    {"\xf4\x90\x80\x80",                           0       }, /* past U+10FFFF */
	    {"\xf5\x80\x80\x80",                           0       },
	    {"\xe2\x28\xa1",			       0       },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = strlen(cases[i].text);
		size_t want = cases[i].want == SIZE_MAX ? len : cases[i].want;

		if (utf8_invalid(cases[i].text, len) != want)
			fail_msg("case %zu: got %zu, want %zu", i, utf8_invalid(cases[i].text, len),
				 want);
	}
}

/* What ends before the sequence does is none, and nothing behind the end is read. */
static void test_sequence_len(void **state)
{
	static const struct {
		const char *text;
		size_t left;
		size_t want;
	} cases[] = {
	    {"a",                1, 1},
            {"",                 1, 1}, /* a NUL is a character */
	    {"abc",              3, 1},
            {"\xc3\xa9z",        3, 2},
            {"\xe2\x82\xac",     3, 3},
            {"\xf0\x9f\x9a\xa3", 4, 4},
	    {"a",                0, 0},
            {"\xc3",             1, 0},
            {"\xe2\x82\xac",     2, 0},
            {"\xf0\x9f\x9a\xa3", 3, 0},
	    {"\x80",             1, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t got = utf8_sequence_len(cases[i].text, cases[i].left);

		if (got != cases[i].want)
			fail_msg("case %zu: got %zu, want %zu", i, got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_invalid),
	    cmocka_unit_test(test_sequence_len),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
