/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "oci-spec/json_utf8.h"

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

		if (json_utf8_invalid(cases[i].text, len) != want)
			fail_msg("case %zu: got %zu, want %zu", i,
				 json_utf8_invalid(cases[i].text, len), want);
	}
}

static void test_lone_surrogate(void **state)
{
	static const struct {
		const char *raw;
		bool want;
	} cases[] = {
	    {"",			false},
	    {"plain",                   false},
	    {"\\n\\\\u d800",           false},
	    {"\\\\ud800",               false}, /* an escaped backslash and text */
	    {"\\u00e9",                 false},
	    {"\\ud83d\\udea3",          false},
	    {"\\uD83D\\uDEA3x",         false},
	    {"\\ud83d",                 true },
	    {"\\udea3",                 true },
	    {"\\udea3\\ud83d",          true },
	    {"\\ud83dx\\udea3",         true },
	    {"\\ud83d\\u0041",          true },
	    {"ok\\ud83d\\udea3\\ud83d", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (json_utf8_lone_surrogate(cases[i].raw, strlen(cases[i].raw)) != cases[i].want)
			fail_msg("case %zu '%s'", i, cases[i].raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_invalid),
	    cmocka_unit_test(test_lone_surrogate),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
