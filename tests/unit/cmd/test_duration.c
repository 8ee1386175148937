/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/duration.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t want;
	} cases[] = {
	    {"0",		     0,       0            },
	    {"5s",		    0,       5000         },
	    {"100ms",                 0,       100          },
	    {"1m30s",                 0,       90000        },
	    {"1.5h",                  0,       5400000      },
	    {".5s",                   0,       500          },
	    {"1.s",                   0,       1000         },
	    {"2h0m1s5ms",             0,       7201005      },
	    {"1500us",                0,       1            },
	    {"1500\xc2\xb5s",         0,       1            },
	    {"999ns",                 0,       0            },
	    {"0.1234567s",            0,       123          },
	    {"2562047h",              0,       9223369200000},
	    {"2562048h",              -ERANGE, 0            },
	    {"99999999999999999999s", -ERANGE, 0            },
	    {"",		      -EINVAL, 0            },
	    {"5",		     -EINVAL, 0            },
	    {"s",		     -EINVAL, 0            },
	    {".s",		    -EINVAL, 0            },
	    {"-5s",                   -EINVAL, 0            },
	    {"5 s",                   -EINVAL, 0            },
	    {"5d",		    -EINVAL, 0            },
	    {"5sm",                   -EINVAL, 0            },
	    {"1e3s",                  -EINVAL, 0            },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = -7;

		print_message("# %s\n", cases[i].text);
		assert_int_equal(duration_parse(cases[i].text, &got), cases[i].rc);
		assert_true(got == (cases[i].rc ? -7 : cases[i].want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
