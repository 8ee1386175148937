/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_v1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_unknown_controllers(void **state)
{
	static const char *const names[] = {"no-such-controller", "", "emory", "memory,cpu", "/"};
	char where[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		strcpy(where, "before");
		assert_false(cgroup_v1_has(names[i], where, sizeof(where)));
		assert_string_equal(where, "");
	}
}

static void test_memory(void **state)
{
	char where[256], tiny[8];

	if (access("/sys/fs/cgroup/memory/cgroup.procs", F_OK) < 0) {
		fprintf(stderr, "skipped: the memory controller is not on cgroup v1 here\n");
		skip();
	}
	assert_true(cgroup_v1_has("memory", where, sizeof(where)));
	assert_string_equal(where, "/sys/fs/cgroup/memory");
	assert_true(cgroup_v1_has("memory", tiny, sizeof(tiny)));
	assert_string_equal(tiny, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unknown_controllers),
	    cmocka_unit_test(test_memory),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
