/* SPDX-License-Identifier: Apache-2.0 */
#include "base/procfs_status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"

static void test_read(void **state)
{
	auto_fd proc = procfs_open(true, NULL);
	char text[PROCFS_STATUS_SIZE];
	uint32_t numbers[PROCFS_STATUS_LEVELS];
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(procfs_status_read(proc, pid, text) < 0);
	assert_string_equal(text, "");
	assert_int_equal(procfs_status_read(proc, getpid(), text), 0);
	assert_true(procfs_status_memory(text) > 0);
	assert_true(procfs_status_numbers(text, numbers) >= 1);
	assert_int_equal(numbers[0], getpid());
}

static void test_memory(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} cases[] = {
	    {"",								      0           },
	    {"Name:\tx\nVmRSS:\t9 kB\n",					      0           },
	    {"Name:\tx\nRssAnon:\t     100 kB\nRssFile:\t  7 kB\nRssShmem:\t 4 kB\n", 104 * 1024  },
	    {"Name:\tx\nRssAnon:\t5000000 kB\n",                                      5120000000UL},
	    {"Name:\tRssAnon: 7 kB\n",						0           },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_true(procfs_status_memory(cases[i].text) == cases[i].want);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		int want;
		uint32_t last;
	} cases[] = {
	    {"",					    0, 0   },
	    {"Name:\tNSpid:\nNSpgid:\t1234\t9\n",           0, 0   },
	    {"Name:\tx\nNSpid:\t1234\nNSpgid:\t1234\t9\n",  1, 1234},
	    {"Name:\tx\nNSpid:\t1234\t77\t5\nNSpgid:\t9\n", 3, 5   },
	    {"Name:\tx\nNSpid:\t\nNSpgid:\t9\n",            0, 0   },
	};
	char many[400] = "\nNSpid:";
	uint32_t numbers[PROCFS_STATUS_LEVELS];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int count = procfs_status_numbers(cases[i].text, numbers);

		assert_int_equal(count, cases[i].want);
		if (count > 0)
			assert_int_equal(numbers[count - 1], cases[i].last);
	}
	for (int i = 0; i < 2 * PROCFS_STATUS_LEVELS; i++)
		strcat(many, "\t1");
	assert_int_equal(procfs_status_numbers(many, numbers), PROCFS_STATUS_LEVELS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_read),
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_numbers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
