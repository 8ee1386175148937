/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

static void test_parse_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int want;
		uint64_t value;
	} cases[] = {
	    {"0",			UINT64_MAX, 0,       0         },
	    {"007",		      UINT64_MAX, 0,       7         },
	    {"4294967295",               UINT32_MAX, 0,       UINT32_MAX},
	    {"4294967296",               UINT32_MAX, -ERANGE, 0         },
	    {"18446744073709551615",     UINT64_MAX, 0,       UINT64_MAX},
	    {"18446744073709551616",     UINT64_MAX, -ERANGE, 0         },
	    {"99999999999999999999999",  UINT64_MAX, -ERANGE, 0         },
	    {"36893488147419103232",     UINT64_MAX, -ERANGE, 0         }, /* 2^65 wraps to 0 */
	    {"1",			0,          -ERANGE, 0         },
	    {"",			 UINT64_MAX, -EINVAL, 0         },
	    {NULL,		       UINT64_MAX, -EINVAL, 0         },
	    {"-1",		       UINT64_MAX, -EINVAL, 0         },
	    {"+1",		       UINT64_MAX, -EINVAL, 0         },
	    {" 1",		       UINT64_MAX, -EINVAL, 0         },
	    {"1 ",		       UINT64_MAX, -EINVAL, 0         },
	    {"1\n",		      UINT64_MAX, -EINVAL, 0         },
	    {"0x10",		     UINT64_MAX, -EINVAL, 0         },
	    {"1e3",		      UINT64_MAX, -EINVAL, 0         },
	    {"99999999999999999999999x", UINT64_MAX, -EINVAL, 0         },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t value = 12345;

		assert_int_equal(str_parse_u64(cases[i].text, cases[i].max, &value), cases[i].want);
		assert_int_equal(value, cases[i].want ? 12345 : cases[i].value);
	}
}

static void test_parse_i64(void **state)
{
	static const struct {
		const char *text;
		int want;
		int64_t value;
	} cases[] = {
	    {"0",		    0,       0        },
	    {"-0",		   0,       0        },
	    {"-1",		   0,       -1       },
	    {"9223372036854775807",  0,       INT64_MAX},
	    {"-9223372036854775808", 0,       INT64_MIN},
	    {"9223372036854775808",  -ERANGE, 0        },
	    {"-9223372036854775809", -ERANGE, 0        },
	    {"-",		    -EINVAL, 0        },
	    {"--1",                  -EINVAL, 0        },
	    {"",		     -EINVAL, 0        },
	    {NULL,		   -EINVAL, 0        },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t value = 12345;

		assert_int_equal(str_parse_i64(cases[i].text, &value), cases[i].want);
		assert_true(value == (cases[i].want ? 12345 : cases[i].value));
	}
}

static void test_questions(void **state)
{
	assert_true(streq("a", "a"));
	assert_false(streq("a", "A"));
	assert_true(str_empty(NULL));
	assert_true(str_empty(""));
	assert_false(str_empty(" "));
	assert_string_equal(str_after("nosuid", "no"), "suid");
	assert_string_equal(str_after("no", "no"), "");
	assert_null(str_after("n", "no"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse_u64),
	    cmocka_unit_test(test_parse_i64),
	    cmocka_unit_test(test_questions),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
