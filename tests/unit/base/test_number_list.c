/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number_list.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void test_lists(void **state)
{
	static const struct {
		const char *list;
		int want;
		unsigned long mask;
	} cases[] = {
	    {"",		     0,       0        },
            {"0",                    1,       1        },
            {"0-3,7",                8,       0x8f     },
	    {"7,0-3",                8,       0x8f     },
            {"2-2",                  3,       4        },
            {"63",                   64,      1UL << 63},
	    {"64",		   -ERANGE, 0        },
            {"0-64",                 -ERANGE, 0        },
            {"99999999999999999999", -ERANGE, 0        },
	    {"3-1",                  -EINVAL, 0        },
            {"a",                    -EINVAL, 0        },
            {"1,",                   -EINVAL, 0        },
	    {",1",		   -EINVAL, 0        },
            {"1-",                   -EINVAL, 0        },
            {"-1",                   -EINVAL, 0        },
	    {"1 ",		   -EINVAL, 0        },
            {"1;2",                  -EINVAL, 0        },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned long mask = 0;
		int got = number_list_parse(cases[i].list, &mask, 64);

		if (got != cases[i].want)
			fail_msg("'%s' gave %d", cases[i].list, got);
		if (got >= 0)
			assert_true(mask == cases[i].mask);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lists),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
