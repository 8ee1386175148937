/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "fake_tree.h"

static void test_create_and_remove(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);

	assert_true(cgroup.created);
	assert_int_equal(cgroup.made, 1);
	assert_true(fixture_exists(fixture, fixture->path));
	assert_int_equal(cgroup_is_populated(&cgroup), 0);
	cgroup_close(&cgroup);
	assert_int_equal(cgroup.dir_fd, -EBADF);
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 0, NULL), 0);
	assert_false(fixture_exists(fixture, fixture->path));
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 0, NULL), 0);
}

static void test_parents_are_made_and_removed(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	char path[128];
	struct cgroup cgroup;

	snprintf(path, sizeof(path), "%s/a/b", fixture->path);
	fixture->plan.path = path;
	cgroup = fixture_create(fixture);
	assert_int_equal(cgroup.made, 3);
	cgroup_close(&cgroup);
	assert_int_equal(cgroup_remove(fixture->mount_fd, path, 0, NULL), 0);
	assert_true(fixture_exists(fixture, fixture->path));
	cgroup_remove_parents(fixture->mount_fd, path, cgroup.made);
	assert_false(fixture_exists(fixture, fixture->path));
}

static void test_parents_in_use_stay(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	char path[128], beside[128];
	struct cgroup cgroup;

	snprintf(path, sizeof(path), "%s/a/b", fixture->path);
	snprintf(beside, sizeof(beside), "%s/c", fixture->path);
	fixture->plan.path = path;
	cgroup = fixture_create(fixture);
	cgroup_close(&cgroup);
	assert_int_equal(mkdirat(fixture->mount_fd, beside + 1, 0755), 0);
	assert_int_equal(cgroup_remove(fixture->mount_fd, path, 0, NULL), 0);
	cgroup_remove_parents(fixture->mount_fd, path, cgroup.made);
	assert_true(fixture_exists(fixture, beside));
	assert_true(fixture_exists(fixture, fixture->path));
}

/* What one container made for itself goes with the last one that is in it. */
static void test_parents_go_with_the_last(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	char first[128], second[128];
	struct cgroup a, b;

	snprintf(first, sizeof(first), "%s/deep/first", fixture->path);
	snprintf(second, sizeof(second), "%s/deep/second", fixture->path);
	fixture->plan.path = first;
	a = fixture_create(fixture);
	fixture->plan.path = second;
	b = fixture_create(fixture);
	assert_int_equal(a.made, 3);
	assert_int_equal(b.made, 1);
	cgroup_close(&a);
	cgroup_close(&b);
	assert_int_equal(cgroup_remove(fixture->mount_fd, first, 0, NULL), 0);
	cgroup_remove_parents(fixture->mount_fd, first, a.made);
	assert_true(fixture_exists(fixture, second));
	assert_int_equal(cgroup_remove(fixture->mount_fd, second, 0, NULL), 0);
	cgroup_remove_parents(fixture->mount_fd, second, b.made);
	assert_false(fixture_exists(fixture, fixture->path));
}

static void test_parents_of_others_stay(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	char path[128];
	struct cgroup cgroup;

	assert_int_equal(mkdirat(fixture->mount_fd, fixture->path + 1, 0755), 0);
	snprintf(path, sizeof(path), "%s/deep/mine", fixture->path);
	fixture->plan.path = path;
	cgroup = fixture_create(fixture);
	assert_int_equal(cgroup.made, 2);
	cgroup_close(&cgroup);
	assert_int_equal(cgroup_remove(fixture->mount_fd, path, 0, NULL), 0);
	cgroup_remove_parents(fixture->mount_fd, path, cgroup.made);
	assert_true(fixture_exists(fixture, fixture->path));
	snprintf(path, sizeof(path), "%s/deep", fixture->path);
	assert_false(fixture_exists(fixture, path));
}

static void test_existing_empty_is_used(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	struct cgroup again = fixture_create(fixture);

	assert_false(again.created);
	assert_int_equal(again.made, 0);
	cgroup_close(&again);
	cgroup_close(&cgroup);
}

static void test_populated_is_refused(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), again = CGROUP_NONE;
	struct wh_error err = WH_ERROR_INIT;
	pid_t pid = fixture_spawn(&cgroup, NULL, NULL);
	char want[128];

	assert_int_equal(cgroup_create(&fixture->plan, fixture->mount_fd, &again, &err), -EINVAL);
	snprintf(want, sizeof(want), "container's cgroup '%s' is not empty: 1 process found",
		 fixture->path);
	assert_string_equal(err.message, want);
	assert_true(fixture_exists(fixture, fixture->path));
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
	cgroup_close(&cgroup);
}

static void test_frozen_is_refused(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), again = CGROUP_NONE;
	struct wh_error err = WH_ERROR_INIT;
	char below[128];

	assert_int_equal(cgroup_set_frozen(&cgroup, true, 1000, NULL), 0);
	assert_int_equal(cgroup_create(&fixture->plan, fixture->mount_fd, &again, &err), -EINVAL);
	assert_non_null(strstr(err.message, "is frozen"));
	/* A process in a new cgroup below would stand still as well. What was made goes again. */
	snprintf(below, sizeof(below), "%s/x/y", fixture->path);
	fixture->plan.path = below;
	err = WH_ERROR_INIT;
	assert_int_equal(cgroup_create(&fixture->plan, fixture->mount_fd, &again, &err), -EINVAL);
	assert_non_null(strstr(err.message, "is frozen"));
	snprintf(below, sizeof(below), "%s/x", fixture->path);
	assert_false(fixture_exists(fixture, below));
	cgroup_close(&cgroup);
}

/**
 * cgroup.events alone says nothing about an empty cgroup: it may stay "frozen 1" after its last process. A
 * plain directory shows what no kernel does on demand.
 */
static void test_a_stale_event_is_no_freeze(void **state)
{
	static const struct {
		const char *populated, *above, *own;
		const char *error; /* NULL: it is used */
	} cases[] = {
	    {"0", "0", "0", NULL          },
	    {"0", "0", "1", "is frozen"   },
	    {"0", "1", "0", "is frozen"   },
	    {"1", "0", "0", "is not empty"},
	};
	const struct fake_tree *tree = *state;
	const struct cgroup_plan plan = {.path = "/above/own"};

	fake_tree_mkdir(tree, "above");
	fake_tree_mkdir(tree, "above/own");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		struct cgroup cgroup = CGROUP_NONE;
		char events[64];
		int rc;

		snprintf(events, sizeof(events), "populated %s\nfrozen 1\n", cases[i].populated);
		fake_tree_file(tree, "above/own/cgroup.events", events);
		fake_tree_file(tree, "above/own/cgroup.procs", "");
		fake_tree_file(tree, "above/own/cgroup.freeze", cases[i].own);
		fake_tree_file(tree, "above/cgroup.freeze", cases[i].above);
		rc = cgroup_create(&plan, tree->fd, &cgroup, &err);
		if (cases[i].error)
			assert_non_null(strstr(err.message, cases[i].error));
		assert_int_equal(rc < 0, cases[i].error != NULL);
		assert_string_equal(fake_tree_read(tree, "above/own/cgroup.freeze"), cases[i].own);
		cgroup_close(&cgroup);
	}
}

static void test_failure_leaves_nothing(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), below = CGROUP_NONE;
	struct wh_error err = WH_ERROR_INIT;
	char path[128];

	/* The first directory can be made, the second cannot. */
	assert_int_equal(file_write_existing(cgroup.dir_fd, "cgroup.max.depth", "1"), 0);
	snprintf(path, sizeof(path), "%s/a/b", fixture->path);
	fixture->plan.path = path;
	assert_int_equal(cgroup_create(&fixture->plan, fixture->mount_fd, &below, &err), -EAGAIN);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(below.dir_fd, -EBADF);
	snprintf(path, sizeof(path), "%s/a", fixture->path);
	assert_false(fixture_exists(fixture, path));
	cgroup_close(&cgroup);
}

static void test_owner_is_set(void **state)
{
	static const char *const given[] = {".", "cgroup.procs", "cgroup.subtree_control",
					    "cgroup.threads"};
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup;
	struct stat st;

	fixture->plan.delegate = true;
	fixture->plan.delegate_uid = 12345;
	cgroup = fixture_create(fixture);
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		assert_int_equal(fstatat(cgroup.dir_fd, given[i], &st, 0), 0);
		assert_int_equal(st.st_uid, 12345);
		assert_int_equal(st.st_gid, 0);
	}
	assert_int_equal(fstatat(cgroup.dir_fd, "cgroup.freeze", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	cgroup_close(&cgroup);
}

static void test_open(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = CGROUP_NONE;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(cgroup_open(fixture->mount_fd, fixture->path, &cgroup, &err), -ENOENT);
	assert_non_null(strstr(err.message, fixture->path));
	cgroup = fixture_create(fixture);
	cgroup_close(&cgroup);
	assert_int_equal(cgroup_open(fixture->mount_fd, fixture->path, &cgroup, NULL), 0);
	assert_false(cgroup.created);
	cgroup_close(&cgroup);
	assert_int_equal(cgroup_open(fixture->mount_fd, "/", &cgroup, NULL), 0);
	cgroup_close(&cgroup);
	assert_int_not_equal(cgroup_open(fixture->mount_fd, "/../..", &cgroup, NULL), 0);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_create_and_remove),
	    TEST(test_parents_are_made_and_removed),
	    TEST(test_parents_in_use_stay),
	    TEST(test_parents_go_with_the_last),
	    TEST(test_parents_of_others_stay),
	    TEST(test_existing_empty_is_used),
	    TEST(test_populated_is_refused),
	    TEST(test_frozen_is_refused),
	    cmocka_unit_test_setup_teardown(test_a_stale_event_is_no_freeze, fake_tree_setup,
					    fake_tree_teardown),
	    TEST(test_failure_leaves_nothing),
	    TEST(test_owner_is_set),
	    TEST(test_open),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
