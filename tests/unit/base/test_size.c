/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

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
	    {"0",			       0,       0                  },
	    {"1",			       0,       1                  },
	    {"52428800",                        0,       52428800           },
	    {"512k",			    0,       512 << 10          },
	    {"50M",			     0,       50 << 20           },
	    {"50m",			     0,       50 << 20           },
	    {"50mb",			    0,       50 << 20           },
	    {"50MiB",			   0,       50 << 20           },
	    {"50 MiB",			  0,       50 << 20           },
	    {"7b",			      0,       7                  },
	    {"1.5g",			    0,       1610612736         },
	    {"0.5k",			    0,       512                },
	    {"1.9",			     0,       1                  },
	    {"0.3333333333333333333333333333k", 0,       341                },
	    {"2t",			      0,       INT64_C(2) << 40   },
	    {"1P",			      0,       INT64_C(1) << 50   },
	    {"9223372036854775807",             0,       INT64_MAX          },
	    {"9223372036854775808",             -ERANGE, 0                  },
	    {"99999999999999999999999",         -ERANGE, 0                  },
	    {"8192p",			   -ERANGE, 0                  },
	    {"8191.999p",                       0,       9223370910954868965},
	    {"",				-EINVAL, 0                  },
	    {"-1",			      -EINVAL, 0                  },
	    {"+1",			      -EINVAL, 0                  },
	    {" 1",			      -EINVAL, 0                  },
	    {"1  k",			    -EINVAL, 0                  },
	    {"k",			       -EINVAL, 0                  },
	    {"1.k",			     -EINVAL, 0                  },
	    {"1.2.3k",			  -EINVAL, 0                  },
	    {"1e3",			     -EINVAL, 0                  },
	    {"0x10",			    -EINVAL, 0                  },
	    {"1kk",			     -EINVAL, 0                  },
	    {"1z",			      -EINVAL, 0                  },
	    {"1k ",			     -EINVAL, 0                  },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = -7;

		print_message("# %s\n", cases[i].text);
		assert_int_equal(size_parse(cases[i].text, &got), cases[i].rc);
		assert_true(got == (cases[i].rc ? -7 : cases[i].want));
	}
}

static void test_format(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} cases[] = {
	    {0,		 "0B"     },
	    {1023,              "1023B"  },
	    {1024,              "1.00KiB"},
	    {1536,              "1.50KiB"},
	    {10240,             "10.0KiB"},
	    {512 << 10,         "512KiB" },
	    {1048575,           "1.00MiB"},
	    {50 << 20,          "50.0MiB"},
	    {UINT64_C(5) << 30, "5.00GiB"},
	    {UINT64_MAX,        "16.0EiB"},
	};
	char buf[SIZE_TEXT];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(size_format(cases[i].bytes, buf), cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_format),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
