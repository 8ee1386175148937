/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

static void test_empty(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	size_t count = 1;
	pid_t *pids;

	assert_int_equal(cgroup_pids(&cgroup, &fixture->arena, &pids, &count, NULL), 0);
	assert_int_equal(count, 0);
	cgroup_close(&cgroup);
}

/* More than one read of cgroup.procs holds, some of them in descendants. */
static void test_many_are_sorted(void **state)
{
	enum { N = 300 };
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), below = CGROUP_NONE;
	pid_t started[N], *pids;
	size_t count, found = 0;
	char path[128];

	snprintf(path, sizeof(path), "%s/a/b", fixture->path);
	fixture->plan.path = path;
	below = fixture_create(fixture);
	for (size_t i = 0; i < N; i++)
		started[i] = fixture_spawn(i % 3 ? &cgroup : &below, NULL, NULL);
	assert_int_equal(cgroup_pids(&cgroup, &fixture->arena, &pids, &count, NULL), 0);
	assert_int_equal(count, N);
	for (size_t i = 0; i < N; i++) {
		assert_true(i == 0 || pids[i - 1] < pids[i]);
		for (size_t j = 0; j < N; j++)
			found += started[j] == pids[i];
	}
	assert_int_equal(found, N);
	assert_int_equal(cgroup_pids(&below, &fixture->arena, &pids, &count, NULL), 0);
	assert_int_equal(count, N / 3);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	for (size_t i = 0; i < N; i++)
		fixture_reap(started[i]);
	cgroup_close(&below);
	cgroup_close(&cgroup);
}

struct listing {
	const struct cgroup *cgroup;
	struct arena *arena;
};

/**
 * In a pid namespace of its own the processes of the parent's have no number: the list must be
 * empty, and never hold a 0.
 */
static int list_from_inside(const struct listing *listing)
{
	pid_t *pids, child;
	size_t count;
	int status;

	if (unshare(CLONE_NEWPID) < 0)
		return 100;
	child = fork();
	if (child == 0)
		_exit(cgroup_pids(listing->cgroup, listing->arena, &pids, &count, NULL) < 0 ? 1
		      : count == 0                                                          ? 0
											    : 2);
	return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

static void test_other_pid_namespaces_are_left_out(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	struct listing listing = {&cgroup, &fixture->arena};
	pid_t inside = fixture_spawn(&cgroup, NULL, NULL), lister = fork();

	assert_true(lister >= 0);
	if (lister == 0) {
		alarm(20);
		_exit(list_from_inside(&listing));
	}
	assert_int_equal(fixture_reap(lister), 0);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	assert_int_equal(fixture_reap(inside), 128 + SIGKILL);
	cgroup_close(&cgroup);
}

static void test_too_deep(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	struct wh_error err = WH_ERROR_INIT;
	int here = dup(cgroup.dir_fd);
	size_t count;
	pid_t *pids;

	for (int i = 0; i <= CGROUP_MAX_DEPTH; i++) {
		int next;

		assert_int_equal(mkdirat(here, "d", 0755), 0);
		next = openat(here, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fd_close(here);
		here = next;
	}
	fd_close(here);
	assert_int_equal(cgroup_pids(&cgroup, &fixture->arena, &pids, &count, &err), -ELOOP);
	assert_non_null(strstr(err.message, "nested deeper than 128"));
	cgroup_close(&cgroup);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_empty),
	    TEST(test_many_are_sorted),
	    TEST(test_other_pid_namespaces_are_left_out),
	    TEST(test_too_deep),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
