/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "cgroup_fixture.h"
#include "cgroups/cgroup.h"

#define USER           1000
#define CANNOT_PREPARE 100

/** A plan, and what should become of it for someone else. */
struct fit_case {
	struct cgroup_plan plan;
	bool want_cgroup;
};

static int compare(const struct fit_case *c)
{
	struct cgroup_plan plan = c->plan;

	if (cgroup_caller_is_host_root())
		return 1;
	cgroup_plan_fit_caller(&plan);
	if (c->want_cgroup)
		return plan.manager == CGROUP_MANAGER_CGROUPFS && plan.path == c->plan.path ? 0 : 2;
	return plan.manager == CGROUP_MANAGER_DISABLED && !plan.path && !plan.device_program ? 0
											     : 3;
}

static int compare_as_user(void *arg)
{
	if (setresgid(USER, USER, USER) < 0 || setresuid(USER, USER, USER) < 0)
		return CANNOT_PREPARE;
	return compare(arg);
}

/** Root, but of a user namespace of the user's. */
static int compare_as_namespace_root(void *arg)
{
	if (setresgid(USER, USER, USER) < 0 || setresuid(USER, USER, USER) < 0 ||
	    unshare(CLONE_NEWUSER) < 0)
		return CANNOT_PREPARE;
	return compare(arg);
}

static void check(const struct cgroup *cgroup, struct fit_case *c)
{
	int status = fixture_reap(fixture_spawn(cgroup, compare_as_user, c));

	assert_int_equal(status, 0);
	status = fixture_reap(fixture_spawn(cgroup, compare_as_namespace_root, c));
	if (status == CANNOT_PREPARE)
		fprintf(stderr, "not covered: user namespaces are not allowed here\n");
	else
		assert_int_equal(status, 0);
}

static void test_host_root_is_left_alone(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);

	assert_true(cgroup_caller_is_host_root());
	fixture->plan.own_path = true;
	cgroup_plan_fit_caller(&fixture->plan);
	assert_int_equal(fixture->plan.manager, CGROUP_MANAGER_CGROUPFS);
	assert_string_equal(fixture->plan.path, fixture->path);
}

static void test_nothing_delegated(void **state)
{
	static const struct cgroup_write limit = {
	    .field = "pids.limit", .file = "pids.max", .value = "1"};
	static const struct cgroup_write unlimited = {
	    .field = "pids.limit", .file = "pids.max", .value = "max", .optional = true};
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	struct fit_case c = {.plan = fixture->plan};

	c.plan.own_path = true;
	check(&cgroup, &c);
	c.plan.writes = (struct cgroup_writes){&unlimited, 1};
	check(&cgroup, &c);
	/* A limit is never left out, and a path that was asked for is not replaced: create says why. */
	c.want_cgroup = true;
	c.plan.writes = (struct cgroup_writes){&limit, 1};
	check(&cgroup, &c);
	c.plan.writes = (struct cgroup_writes){.count = 0};
	c.plan.own_path = false;
	check(&cgroup, &c);
	cgroup_close(&cgroup);
}

static void test_delegated(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	struct fit_case c = {.plan = fixture->plan, .want_cgroup = true};
	char path[128];

	assert_int_equal(fchown(cgroup.dir_fd, USER, USER), 0);
	snprintf(path, sizeof(path), "%s/wherry-id", fixture->path);
	c.plan.path = path;
	c.plan.own_path = true;
	assert_int_equal(fixture_reap(fixture_spawn(&cgroup, compare_as_user, &c)), 0);
	cgroup_close(&cgroup);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_host_root_is_left_alone),
	    TEST(test_nothing_delegated),
	    TEST(test_delegated),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
