/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signal_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static void test_signal_parse(void **state)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
	    {"1",           1       },
	    {"9",           SIGKILL },
	    {"15",          SIGTERM },
	    {"64",          64      },
	    {"KILL",        SIGKILL },
	    {"SIGKILL",     SIGKILL },
	    {"kill",        SIGKILL },
	    {"sigKill",     SIGKILL },
	    {"TERM",        SIGTERM },
	    {"USR1",        SIGUSR1 },
	    {"SIGWINCH",    SIGWINCH},
	    {"CLD",         SIGCHLD },
	    {"POLL",        SIGIO   },
	    {"IOT",         SIGABRT },
	    {"SYS",         SIGSYS  },
	    {"RTMIN",       34      },
	    {"SIGRTMIN",    34      },
	    {"rtmin+3",     37      },
	    {"SIGRTMIN+30", 64      },
	    {"RTMAX",       64      },
	    {"RTMAX-0",     64      },
	    {"rtmax-30",    34      },
	    {"0",           -EINVAL },
	    {"65",          -EINVAL },
	    {"-1",          -EINVAL },
	    {"+9",          -EINVAL },
	    {" 9",          -EINVAL },
	    {"9x",          -EINVAL },
	    {"4294967305",  -EINVAL },
	    {"",            -EINVAL },
	    {"SIG",         -EINVAL },
	    {"SIGSIGKILL",  -EINVAL },
	    {"FOO",         -EINVAL },
	    {"KILLER",      -EINVAL },
	    {"RTMIN-1",     -EINVAL },
	    {"RTMAX+1",     -EINVAL },
	    {"RTMIN+31",    -EINVAL },
	    {"RTMIN+",      -EINVAL },
	    {"RTMIN+x",     -EINVAL },
	    {"RTMIN3",      -EINVAL },
	    {"SIG9",        -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(signal_parse(cases[i].text), cases[i].want);
}

/** Every standard signal has a row, under the C library's own name for it, but SIGIO is not called
 * POLL (signal(7)). */
static void test_every_signal_has_its_name(void **state)
{
	for (int sig = 1; sig < 32; sig++) {
		const char *name = name_table_name(&signal_names, sig);

		assert_non_null(name);
		assert_string_equal(name, sig == SIGIO ? "IO" : sigabbrev_np(sig));
		assert_int_equal(signal_parse(name), sig);
	}
}

static void test_real_time_names_agree_with_the_c_library(void **state)
{
	assert_int_equal(signal_parse("RTMIN"), SIGRTMIN);
	assert_int_equal(signal_parse("RTMAX"), SIGRTMAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_signal_parse),
	    cmocka_unit_test(test_every_signal_has_its_name),
	    cmocka_unit_test(test_real_time_names_agree_with_the_c_library),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("signal_name", tests, NULL, NULL);
}
