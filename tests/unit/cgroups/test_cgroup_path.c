/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_path.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static int setup(void **state)
{
	static struct arena arena;

	*state = &arena;
	return arena_init(&arena, NULL);
}

static int teardown(void **state)
{
	arena_done(*state);
	return 0;
}

static void test_paths(void **state)
{
	/* clang-format off */
	static const struct {
		const char *base, *path, *want, *want_error;
	} cases[] = {
		{ "", "/a", "/a", NULL },
		{ "", "a", "/a", NULL },
		{ "/", "a/b", "/a/b", NULL },
		{ "/x/y", "a", "/x/y/a", NULL },
		{ "", "//a///b//", "/a/b", NULL },
		{ "", "/a.b/..c/d..", "/a.b/..c/d..", NULL },
		{ "", "/system.slice:docker:x", "/system.slice:docker:x", NULL },
		{ "", "", NULL, "root of the hierarchy" },
		{ "", "/", NULL, "root of the hierarchy" },
		{ "", "//", NULL, "root of the hierarchy" },
		{ "/x", "", NULL, "root of the hierarchy" },
		{ "", ".", NULL, "'.' and '..'" },
		{ "", "/a/./b", NULL, "'.' and '..'" },
		{ "", "../x", NULL, "'.' and '..'" },
		{ "", "/../../../tmp/esc", NULL, "'.' and '..'" },
		{ "", "/a/../b", NULL, "'.' and '..'" },
		{ "", "/a/..", NULL, "'.' and '..'" },
		{ "", "/a\nb", NULL, "control characters" },
		{ "", "/a\x7f", NULL, "control characters" },
		{ "/b/..", "a", NULL, "'.' and '..'" },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		const char *path = NULL;
		int rc = cgroup_path_join(cases[i].base, cases[i].path, *state, &path, &err);

		if (cases[i].want) {
			assert_int_equal(rc, 0);
			assert_string_equal(path, cases[i].want);
			continue;
		}
		assert_int_equal(rc, -EINVAL);
		assert_null(path);
		if (!strstr(err.message, cases[i].want_error))
			fail_msg("case %zu: %s", i, err.message);
	}
}

static void test_lengths(void **state)
{
	struct wh_error err = WH_ERROR_INIT;
	char text[PATH_MAX + 16];
	const char *path;

	memset(text, 'a', sizeof(text));
	text[NAME_MAX] = '\0';
	assert_int_equal(cgroup_path_join("", text, *state, &path, &err), 0);
	text[NAME_MAX] = 'a';
	text[NAME_MAX + 1] = '\0';
	assert_int_equal(cgroup_path_join("", text, *state, &path, &err), -EINVAL);
	assert_non_null(strstr(err.message, "longer than 255"));
	for (size_t i = 0; i < sizeof(text); i += 2)
		text[i] = '/', text[i + 1] = 'b';
	text[PATH_MAX] = '\0';
	err = WH_ERROR_INIT;
	assert_int_equal(cgroup_path_join("", text, *state, &path, &err), -EINVAL);
	assert_non_null(strstr(err.message, "longer than 4095"));
	text[PATH_MAX - 2] = '\0';
	assert_int_equal(cgroup_path_join("", text, *state, &path, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
