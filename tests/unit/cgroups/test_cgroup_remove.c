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

#include "base/clock.h"
#include "base/fd.h"
#include "cgroups/cgroup_events.h"

static void test_missing_is_success(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	char path[128];

	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 0, NULL), 0);
	snprintf(path, sizeof(path), "%s/a/b", fixture->path);
	assert_int_equal(cgroup_remove(fixture->mount_fd, path, 0, NULL), 0);
	cgroup_remove_parents(fixture->mount_fd, path, 3);
}

static void test_processes_are_killed(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	pid_t pid = fixture_spawn(&cgroup, NULL, NULL);

	cgroup_close(&cgroup);
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 5000, NULL), 0);
	assert_false(fixture_exists(fixture, fixture->path));
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
}

static void test_frozen_processes_are_killed(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	pid_t pid = fixture_spawn(&cgroup, NULL, NULL);
	int64_t start;

	assert_int_equal(cgroup_set_frozen(&cgroup, true, 5000, NULL), 0);
	cgroup_close(&cgroup);
	start = clock_ms();
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 5000, NULL), 0);
	assert_true(clock_ms() - start < 4000);
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
}

static void test_descendants_go_first(void **state)
{
	static const char *const names[] = {"a", "a/b", "a/b/c", "a/d", "e", "e/f"};
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), below = CGROUP_NONE;
	char path[128];
	pid_t pid;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(mkdirat(cgroup.dir_fd, names[i], 0755), 0);
	snprintf(path, sizeof(path), "%s/a/b/c", fixture->path);
	assert_int_equal(cgroup_open(fixture->mount_fd, path, &below, NULL), 0);
	pid = fixture_spawn(&below, NULL, NULL);
	cgroup_close(&below);
	cgroup_close(&cgroup);
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 5000, NULL), 0);
	assert_false(fixture_exists(fixture, fixture->path));
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
}

/* Deeper than there are fds: a container that owns its cgroup can do that. */
static void test_depth_has_no_bound(void **state)
{
	enum { DEPTH = 1500 };
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	int here = dup(cgroup.dir_fd);

	cgroup_close(&cgroup);
	for (int i = 0; i < DEPTH; i++) {
		int next;

		assert_int_equal(mkdirat(here, "d", 0755), 0);
		next = openat(here, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fd_close(here);
		here = next;
	}
	fd_close(here);
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 30000, NULL), 0);
	assert_false(fixture_exists(fixture, fixture->path));
}

#define CROWD 100

/** Kill a crowd with no time to die: whether the removal said so, naming one of them. */
static bool removal_names_pids(struct cgroup_fixture *fixture)
{
	struct cgroup cgroup = fixture_create(fixture);
	struct wh_error err = WH_ERROR_INIT;
	pid_t pids[CROWD];
	bool named = false;
	int rc;

	for (size_t i = 0; i < CROWD; i++)
		pids[i] = fixture_spawn(&cgroup, NULL, NULL);
	cgroup_close(&cgroup);
	rc = cgroup_remove(fixture->mount_fd, fixture->path, 0, &err);
	for (size_t i = 0; i < CROWD; i++) {
		char text[16];

		snprintf(text, sizeof(text), " %d", (int)pids[i]);
		named = named || strstr(err.message, text);
		fixture_reap(pids[i]);
	}
	if (rc == 0)
		return false;
	assert_int_equal(rc, -EBUSY);
	assert_non_null(strstr(err.message, fixture->path));
	assert_non_null(strstr(err.message, "after 0 ms"));
	return named;
}

static void test_time_limit_names_pids(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	bool named = false;

	for (int i = 0; i < 50 && !named; i++)
		named = removal_names_pids(fixture);
	assert_true(named);
}

static void test_unused_only(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	char path[128];
	pid_t pid = fixture_spawn(&cgroup, NULL, NULL);

	assert_int_equal(cgroup_remove_unused(fixture->mount_fd, fixture->path), -EBUSY);
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
	assert_int_equal(cgroup_events_wait(cgroup.dir_fd, "populated", false, 1000), 0);
	cgroup_close(&cgroup);
	assert_int_equal(cgroup_remove_unused(fixture->mount_fd, fixture->path), 0);
	assert_false(fixture_exists(fixture, fixture->path));
	assert_int_equal(cgroup_remove_unused(fixture->mount_fd, fixture->path), 0);
	snprintf(path, sizeof(path), "%s/a/b", fixture->path);
	assert_int_equal(cgroup_remove_unused(fixture->mount_fd, path), 0);
}

static void test_remove_leaves_the_neighbours(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), neighbour = CGROUP_NONE;
	char mine[128], other[128];
	pid_t pid;

	snprintf(mine, sizeof(mine), "%s/mine", fixture->path);
	snprintf(other, sizeof(other), "%s/other", fixture->path);
	assert_int_equal(mkdirat(fixture->mount_fd, mine + 1, 0755), 0);
	assert_int_equal(mkdirat(fixture->mount_fd, other + 1, 0755), 0);
	assert_int_equal(cgroup_open(fixture->mount_fd, other, &neighbour, NULL), 0);
	pid = fixture_spawn(&neighbour, NULL, NULL);
	assert_int_equal(cgroup_remove(fixture->mount_fd, mine, 100, NULL), 0);
	cgroup_remove_parents(fixture->mount_fd, mine, 2);
	assert_true(fixture_exists(fixture, other));
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(cgroup_kill(&neighbour, NULL), 0);
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
	cgroup_close(&neighbour);
	cgroup_close(&cgroup);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_missing_is_success),
	    TEST(test_processes_are_killed),
	    TEST(test_frozen_processes_are_killed),
	    TEST(test_descendants_go_first),
	    TEST(test_depth_has_no_bound),
	    TEST(test_time_limit_names_pids),
	    TEST(test_unused_only),
	    TEST(test_remove_leaves_the_neighbours),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
