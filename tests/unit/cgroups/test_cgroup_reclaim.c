/* SPDX-License-Identifier: Apache-2.0 */
/* In a plain directory, whose memory.current does not fall by itself: what is asked of the kernel. */
#include "cgroups/cgroup_reclaim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "fake_tree.h"

static int reclaim(const struct fake_tree *tree, uint64_t bytes, struct cgroup_reclaimed *reclaimed,
		   struct wh_error *err)
{
	const struct cgroup cgroup = {.dir_fd = tree->fd};

	*err = WH_ERROR_INIT;
	return cgroup_reclaim(&cgroup, tree->fd, bytes, reclaimed, err);
}

static void test_what_is_asked(void **state)
{
	const struct fake_tree *tree = *state;
	struct cgroup_reclaimed reclaimed;
	struct wh_error err;

	fake_tree_file(tree, "memory.current", "8192\n");
	fake_tree_file(tree, "memory.reclaim", "");
	assert_int_equal(reclaim(tree, UINT64_MAX, &reclaimed, &err), 0);
	assert_string_equal(fake_tree_read(tree, "memory.reclaim"), "18446744073709551615");
	assert_int_equal(reclaimed.came_back, 0);
	assert_int_equal(reclaimed.left, 8192);
}

static void test_missing(void **state)
{
	static const struct {
		const char *controllers;
		const char *want;
	} cases[] = {
	    {"hugetlb\n",        "the memory controller is not available on cgroup v2: "},
	    {"hugetlb memory\n", "the memory controller is not enabled for the container's cgroup: "
				 "no limit asked for it"},
	};
	const struct fake_tree *tree = *state;
	struct cgroup_reclaimed reclaimed;
	struct wh_error err;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		fake_tree_file(tree, "cgroup.controllers", cases[i].controllers);
		assert_true(reclaim(tree, 1, &reclaimed, &err) < 0);
		assert_non_null(str_after(err.message, cases[i].want));
		assert_int_equal(err.kind, WH_ERROR_UNSUPPORTED);
	}
	fake_tree_file(tree, "memory.current", "8192\n");
	assert_true(reclaim(tree, 1, &reclaimed, &err) < 0);
	assert_non_null(strstr(err.message, "no memory.reclaim"));
	assert_int_equal(err.kind, WH_ERROR_UNSUPPORTED);
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, fake_tree_setup, fake_tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FAKE(test_what_is_asked),
	    FAKE(test_missing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
