/* SPDX-License-Identifier: Apache-2.0 */
#include "base/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static void test_releases(void **state)
{
	static const struct {
		const char *release;
		int want;
	} cases[] = {
	    {"5.14",                  0      },
	    {"5.14.0",                0      },
	    {"5.14.0-427.el9.x86_64", 0      },
	    {"5.100.1",               0      },
	    {"6.0.0-rc1",             0      },
	    {"6.18.44-fc",            0      },
	    {"10.1.2",                0      },
	    {"5.13.19",               -ENOSYS},
	    {"5.4.0-42-generic",      -ENOSYS},
	    {"4.19.0",                -ENOSYS},
	    {"3.10.0-1160.el7",       -ENOSYS},
	    {"",		      -ENOSYS},
	    {"linux",                 -ENOSYS},
	    {"6",		     -ENOSYS},
	    {"6.",		    -ENOSYS},
	    {"6.x",                   -ENOSYS},
	    {"99999999999.1",         -ENOSYS},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;

		assert_int_equal(probe_kernel(cases[i].release, &err), cases[i].want);
		assert_int_equal(wh_error_set(&err), cases[i].want != 0);
		if (!cases[i].want)
			continue;
		assert_int_equal(err.kind, WH_ERROR_UNSUPPORTED);
		assert_non_null(strstr(err.message, cases[i].release));
		assert_non_null(strstr(err.message, "5.14"));
	}
}

static void test_running_kernel_and_variable(void **state)
{
	struct wh_error err = WH_ERROR_INIT;

	unsetenv("WHERRY_TEST_KERNEL_RELEASE");
	assert_int_equal(probe_kernel(NULL, &err), 0);
	setenv("WHERRY_TEST_KERNEL_RELEASE", "5.13.1", 1);
	assert_int_equal(probe_kernel(NULL, &err), -ENOSYS);
	unsetenv("WHERRY_TEST_KERNEL_RELEASE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_releases),
	    cmocka_unit_test(test_running_kernel_and_variable),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
