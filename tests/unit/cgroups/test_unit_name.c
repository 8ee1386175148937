/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/unit_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void test_names(void **state)
{
	/* clang-format off */
	static const struct {
		const char *path, *name, *slice, *cgroup;
		bool is_slice;
	} cases[] = {
		{ "system.slice:docker:abc", "docker-abc.scope", "system.slice", "/system.slice/docker-abc.scope", false },
		{ ":runc:abc", "runc-abc.scope", "default.slice", "/default.slice/runc-abc.scope", false },
		{ "::", "the-id.scope", "default.slice", "/default.slice/the-id.scope", false },
		{ ":libpod:", "libpod-the-id.scope", "default.slice", "/default.slice/libpod-the-id.scope", false },
		{ "-:runc:abc", "runc-abc.scope", "-.slice", "/runc-abc.scope", false },
		{ "a-b-c.slice::x", "x.scope", "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice/x.scope", false },
		{ "kube\\x2dpods.slice:cri:1", "cri-1.scope", "kube\\x2dpods.slice", "/kube\\x2dpods.slice/cri-1.scope", false },
		{ "::a-b.slice", "a-b.slice", "a.slice", "/a.slice/a-b.slice", true },
		{ "x.slice:y:pod.slice", "pod.slice", "-.slice", "/pod.slice", true },
		{ ":p:a+b@c", "p-a\\x2bb\\x40c.scope", "default.slice", "/default.slice/p-a\\x2bb\\x40c.scope", false },
		{ ":p:\xc3\xa4", "p-\\xc3\\xa4.scope", "default.slice", "/default.slice/p-\\xc3\\xa4.scope", false },
		{ "::_x", "_x.scope", "default.slice", "/default.slice/__x.scope", false },
		{ "::cgroup.x", "cgroup.x.scope", "default.slice", "/default.slice/_cgroup.x.scope", false },
		{ "::memory.x", "memory.x.scope", "default.slice", "/default.slice/_memory.x.scope", false },
		{ ":a:b:c", "a-b:c.scope", "default.slice", "/default.slice/a-b:c.scope", false },
		{ "::.slice", ".slice.scope", "default.slice", "/default.slice/_.slice.scope", false },
	};
	/* clang-format on */
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		struct unit_name unit;

		if (unit_name_parse(cases[i].path, "default.slice", "the-id", &arena, &unit, &err) <
		    0)
			fail_msg("'%s': %s", cases[i].path, err.message);
		assert_string_equal(unit.name, cases[i].name);
		assert_string_equal(unit.slice, cases[i].slice);
		assert_string_equal(unit.path, cases[i].cgroup);
		assert_int_equal(unit.is_slice, cases[i].is_slice);
	}
	arena_done(&arena);
}

static void test_what_is_no_name(void **state)
{
	/* clang-format off */
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "/docker/abc", "wants the form slice:prefix:name" },
		{ "abc", "wants the form" },
		{ "a:b", "wants the form" },
		{ "a.slice:b/c:d", "wants the form" },
		{ "system:runc:x", "'system' is no slice" },
		{ ".slice:runc:x", "'.slice' is no slice" },
		{ "a--b.slice:runc:x", "has an empty part" },
		{ "-a.slice:runc:x", "has an empty part" },
		{ "a-.slice:runc:x", "has an empty part" },
		{ "a b.slice:runc:x", "bytes that no unit's may have" },
		{ "::-.slice", "names the root slice" },
		{ "::a--b.slice", "has an empty part" },
	};
	/* clang-format on */
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		struct unit_name unit = {.name = NULL};

		assert_true(
		    unit_name_parse(cases[i].path, "default.slice", "id", &arena, &unit, &err) < 0);
		if (!strstr(err.message, cases[i].want))
			fail_msg("'%s': %s", cases[i].path, err.message);
		assert_null(unit.name);
	}
	arena_done(&arena);
}

static void test_length(void **state)
{
	char path[300];
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	memset(path, 'x', sizeof(path));
	memcpy(path, "::", 2);
	for (size_t len = UNIT_NAME_MAX_LENGTH - strlen(".scope"); len < 252; len++) {
		struct wh_error err = WH_ERROR_INIT;
		struct unit_name unit;
		int rc;

		path[2 + len] = '\0';
		rc = unit_name_parse(path, "a.slice", "id", &arena, &unit, &err);
		assert_int_equal(rc == 0, len + strlen(".scope") <= UNIT_NAME_MAX_LENGTH);
		path[2 + len] = 'x';
	}
	arena_done(&arena);
}

static void test_slices(void **state)
{
	(void)state;
	assert_true(unit_name_is_slice("a-b.slice"));
	assert_false(unit_name_is_slice("a.slice.scope"));
	assert_false(unit_name_is_slice("slice"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_what_is_no_name),
	    cmocka_unit_test(test_length),
	    cmocka_unit_test(test_slices),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
