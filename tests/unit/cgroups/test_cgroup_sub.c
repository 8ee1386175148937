/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "cgroup_fixture.h"
#include "cgroups/cgroup.h"
#include "fake_tree.h"

static bool is_same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

static void test_sub(void **state)
{
	const struct fake_tree *tree = *state;
	auto_fd container = -EBADF, inner = -EBADF;
	struct cgroup cgroup, sub = CGROUP_NONE;

	fake_tree_mkdir(tree, "container");
	fake_tree_mkdir(tree, "container/a");
	fake_tree_mkdir(tree, "beside");
	container = openat(tree->fd, "container", O_PATH | O_DIRECTORY | O_CLOEXEC);
	inner = openat(tree->fd, "container/a", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cgroup = (struct cgroup){.dir_fd = container};
	assert_int_equal(cgroup_open_sub(&cgroup, "/", &sub, NULL), 0);
	assert_true(is_same(sub.dir_fd, container));
	cgroup_close(&sub);
	assert_int_equal(cgroup_open_sub(&cgroup, "/a", &sub, NULL), 0);
	assert_true(is_same(sub.dir_fd, inner));
	cgroup_close(&sub);
	assert_int_equal(cgroup_open_sub(&cgroup, "a", &sub, NULL), 0);
	cgroup_close(&sub);
}

static void test_sub_stays_below(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
	    {"../beside",      "it leaves the container's cgroup"     },
	    {"/../beside",     "it leaves the container's cgroup"     },
	    {"../..",          "it leaves the container's cgroup"     },
	    {"a/../../beside", "it leaves the container's cgroup"     },
	    {"missing",        "no such cgroup below the container's" },
	    {"link",           "open the cgroup below the container's"},
	    {"file",           "open the cgroup below the container's"},
	};
	const struct fake_tree *tree = *state;
	auto_fd container = -EBADF;
	struct cgroup cgroup, sub;

	fake_tree_mkdir(tree, "container");
	fake_tree_mkdir(tree, "container/a");
	fake_tree_mkdir(tree, "beside");
	fake_tree_file(tree, "container/file", "");
	assert_int_equal(symlinkat("../beside", tree->fd, "container/link"), 0);
	container = openat(tree->fd, "container", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cgroup = (struct cgroup){.dir_fd = container};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;

		assert_true(cgroup_open_sub(&cgroup, cases[i].path, &sub, &err) < 0);
		assert_int_equal(sub.dir_fd, -EBADF);
		if (!strstr(err.message, cases[i].want))
			fail_msg("case %zu: %s", i, err.message);
	}
}

static void test_count_missing(void **state)
{
	static const struct {
		const char *path;
		int want;
	} cases[] = {
	    {"/a",     0},
            {"/a/b",   0},
            {"/a/b/c", 1},
            {"/a/x/y", 2},
            {"/x",     1},
            {"/x/y/z", 3},
	};
	const struct fake_tree *tree = *state;

	fake_tree_mkdir(tree, "a");
	fake_tree_mkdir(tree, "a/b");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(cgroup_count_missing(tree->fd, cases[i].path), cases[i].want);
}

static void test_open_of_a_process(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), found = CGROUP_NONE;
	pid_t pid = fixture_spawn(&cgroup, NULL, NULL);

	assert_int_equal(cgroup_open_of(fixture->mount_fd, pid, &found, NULL), 0);
	assert_true(is_same(found.dir_fd, cgroup.dir_fd));
	cgroup_close(&found);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
	assert_true(cgroup_open_of(fixture->mount_fd, pid, &found, NULL) < 0);
	cgroup_close(&cgroup);
}

/* A process that has ended but was not reaped is still named, with a cgroup that may be gone. */
static void test_open_of_a_removed_cgroup(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), found = CGROUP_NONE;
	struct wh_error err = WH_ERROR_INIT;
	pid_t pid = fixture_spawn(&cgroup, NULL, NULL);

	cgroup_close(&cgroup);
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 5000, NULL), 0);
	assert_true(cgroup_open_of(fixture->mount_fd, pid, &found, &err) < 0);
	assert_true(wh_error_set(&err));
	assert_int_equal(found.dir_fd, -EBADF);
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, fake_tree_setup, fake_tree_teardown)
#define REAL(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FAKE(test_sub),
	    FAKE(test_sub_stays_below),
	    FAKE(test_count_missing),
	    REAL(test_open_of_a_process),
	    REAL(test_open_of_a_removed_cgroup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
