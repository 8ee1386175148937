/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "fake_tree.h"

static void test_place(void **state)
{
	const struct fake_tree *tree = *state;
	struct cgroup_place place = CGROUP_PLACE_NONE;

	assert_int_equal(cgroup_place_find(tree->fd, "/a", &place), 0);
	assert_int_equal(place.parent_fd, tree->fd);
	assert_int_equal(place.owned_fd, -EBADF);
	assert_string_equal(place.name, "a");
	cgroup_place_done(&place);
	assert_int_equal(cgroup_place_find(tree->fd, "/a/b", &place), -ENOENT);
	fake_tree_mkdir(tree, "a");
	assert_int_equal(cgroup_place_find(tree->fd, "/a/b", &place), 0);
	assert_int_equal(place.parent_fd, place.owned_fd);
	assert_string_equal(place.name, "b");
	cgroup_place_done(&place);
	assert_int_equal(place.owned_fd, -EBADF);
	assert_int_equal(cgroup_place_find(tree->fd, "/", &place), -EINVAL);
	assert_int_equal(cgroup_place_find(tree->fd, "/../x/y", &place), -EXDEV);
	/* A link is no way out either. */
	assert_int_equal(symlinkat("/tmp", tree->fd, "link"), 0);
	assert_int_equal(cgroup_place_find(tree->fd, "/link/y", &place), -ELOOP);
}

static void test_read_all(void **state)
{
	static char lines[70000];
	const struct fake_tree *tree = *state;
	struct arena full = fake_tree_arena;
	const char *text = NULL;

	memset(lines, 'x', sizeof(lines) - 2);
	lines[sizeof(lines) - 2] = '\n';
	fake_tree_file(tree, "f", lines);
	assert_int_equal(cgroup_fs_read_all(tree->fd, "f", &fake_tree_arena, &text),
			 sizeof(lines) - 2);
	assert_int_equal(strlen(text), sizeof(lines) - 2);
	fake_tree_file(tree, "f", "");
	assert_int_equal(cgroup_fs_read_all(tree->fd, "f", &fake_tree_arena, &text), 0);
	assert_string_equal(text, "");
	assert_int_equal(cgroup_fs_read_all(tree->fd, "missing", &fake_tree_arena, &text), -ENOENT);
	fake_tree_file(tree, "f", lines);
	full.size = full.used + 8192;
	assert_int_equal(cgroup_fs_read_all(tree->fd, "f", &full, &text), -ENOMEM);
}

static void test_read_and_write(void **state)
{
	const struct fake_tree *tree = *state;
	char text[8];

	fake_tree_file(tree, "f", "12345\n");
	assert_int_equal(cgroup_fs_read(tree->fd, "f", text, sizeof(text)), 5);
	assert_string_equal(text, "12345");
	fake_tree_file(tree, "f", "");
	assert_int_equal(cgroup_fs_read(tree->fd, "f", text, sizeof(text)), 0);
	fake_tree_file(tree, "f", "12345678");
	assert_int_equal(cgroup_fs_read(tree->fd, "f", text, sizeof(text)), -EFBIG);
	assert_int_equal(cgroup_fs_read(tree->fd, "missing", text, sizeof(text)), -ENOENT);
	assert_int_equal(cgroup_fs_write(tree->fd, "f", "abc"), 0);
	assert_string_equal(fake_tree_read(tree, "f"), "abc45678");
	assert_int_equal(cgroup_fs_write(tree->fd, "missing", "abc"), -ENOENT);
	assert_int_equal(cgroup_fs_write(tree->fd, "../f", "abc"), -EXDEV);
}

static void test_keyed_values(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text, *key;
		int want;
		uint64_t value;
	} cases[] = {
		{ "populated 1\nfrozen 0\n", "populated", 0, 1 },
		{ "populated 1\nfrozen 0\n", "frozen", 0, 0 },
		{ "frozen 0", "frozen", 0, 0 },
		{ "oom 1\noom_kill 18446744073709551615\n", "oom_kill", 0, UINT64_MAX },
		{ "oom_kill 7\noom 2\n", "oom", 0, 2 },
		{ "", "frozen", -ENODATA, 0 },
		{ "frozen", "frozen", -ENODATA, 0 },
		{ "frozen x\n", "frozen", -ENODATA, 0 },
		{ "frozen 99999999999999999999999999\n", "frozen", -ENODATA, 0 },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t value = 0;

		assert_int_equal(cgroup_fs_keyed_value(cases[i].text, cases[i].key, &value),
				 cases[i].want);
		assert_true(value == cases[i].value);
	}
}

static void test_list_shows_directories(void **state)
{
	const struct fake_tree *tree = *state;
	auto_dir *list = NULL;
	const char *name;
	int seen = 0;

	fake_tree_mkdir(tree, "a");
	fake_tree_mkdir(tree, "b");
	fake_tree_file(tree, "file", "");
	assert_int_equal(symlinkat("a", tree->fd, "link"), 0);
	list = fd_list(tree->fd);
	assert_non_null(list);
	while ((name = cgroup_fs_next_dir(list)) != NULL) {
		assert_true(streq(name, "a") || streq(name, "b"));
		seen++;
	}
	assert_int_equal(seen, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_tree_setup, fake_tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_place),
	    TEST(test_read_all),
	    TEST(test_read_and_write),
	    TEST(test_keyed_values),
	    TEST(test_list_shows_directories),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
