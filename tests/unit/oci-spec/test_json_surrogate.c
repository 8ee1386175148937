/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "oci-spec/json_surrogate.h"

static void test_lone(void **state)
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
		if (json_surrogate_lone(cases[i].raw, strlen(cases[i].raw)) != cases[i].want)
			fail_msg("case %zu '%s'", i, cases[i].raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
