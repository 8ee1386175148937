/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cgroups/cgroup_events.h"

static int sleep_briefly(void *arg)
{
	usleep(30000);
	return 0;
}

static void test_wait_sees_the_end(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	int64_t start = clock_ms(), took;
	pid_t pid = fixture_spawn(&cgroup, sleep_briefly, NULL);

	assert_int_equal(cgroup_events_get(cgroup.dir_fd, "populated"), 1);
	assert_int_equal(cgroup_events_wait(cgroup.dir_fd, "populated", true, 0), 0);
	assert_int_equal(cgroup_events_wait(cgroup.dir_fd, "populated", false, 10000), 0);
	took = clock_ms() - start;
	assert_true(took >= 29 && took < 5000);
	assert_int_equal(cgroup_events_get(cgroup.dir_fd, "populated"), 0);
	assert_int_equal(fixture_reap(pid), 0);
	cgroup_close(&cgroup);
}

static void test_time_limit(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	int64_t start = clock_ms();

	assert_int_equal(cgroup_events_wait(cgroup.dir_fd, "populated", true, 50), -ETIMEDOUT);
	assert_true(clock_ms() - start >= 50);
	assert_int_equal(cgroup_events_get(cgroup.dir_fd, "no such key"), -ENODATA);
	cgroup_close(&cgroup);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_wait_sees_the_end),
	    TEST(test_time_limit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
