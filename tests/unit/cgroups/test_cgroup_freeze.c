/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_fixture.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "cgroups/cgroup_events.h"

static void sleep_ms(long ms)
{
	const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

static int count_up(void *arg)
{
	volatile unsigned long *counter = arg;

	while (*counter != ULONG_MAX)
		++*counter;
	return 0;
}

static void test_freeze_stops_and_thaw_goes_on(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	volatile unsigned long *counter =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long seen;
	pid_t pid;

	assert_ptr_not_equal(counter, MAP_FAILED);
	pid = fixture_spawn(&cgroup, count_up, (void *)counter);
	assert_int_equal(cgroup_is_frozen(&cgroup), 0);
	assert_int_equal(cgroup_set_frozen(&cgroup, true, 5000, NULL), 0);
	assert_int_equal(cgroup_is_frozen(&cgroup), 1);
	seen = *counter;
	sleep_ms(20);
	assert_int_equal(*counter, seen);
	assert_int_equal(cgroup_set_frozen(&cgroup, false, 5000, NULL), 0);
	assert_int_equal(cgroup_is_frozen(&cgroup), 0);
	for (int i = 0; i < 500 && *counter == seen; i++)
		sleep_ms(10);
	assert_int_not_equal(*counter, seen);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
	munmap((void *)counter, 4096);
	cgroup_close(&cgroup);
}

/*
 * A time limit of 0 ms has passed before a busy process can stop: the cgroup must not stay half
 * frozen.
 */
static void test_time_limit_undoes(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	unsigned long counter = 0;
	pid_t pids[8];
	int timed_out = 0;

	for (size_t i = 0; i < 8; i++)
		pids[i] = fixture_spawn(&cgroup, count_up, &counter);
	for (int i = 0; i < 50 && !timed_out; i++) {
		struct wh_error err = WH_ERROR_INIT;
		int rc = cgroup_set_frozen(&cgroup, true, 0, &err);

		if (rc == 0) {
			assert_int_equal(cgroup_set_frozen(&cgroup, false, 5000, NULL), 0);
			continue;
		}
		timed_out = 1;
		assert_int_equal(rc, -ETIMEDOUT);
		assert_non_null(strstr(err.message, "could be frozen within 0 ms"));
	}
	assert_true(timed_out);
	assert_int_equal(cgroup_events_wait(cgroup.dir_fd, "frozen", false, 5000), 0);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	for (size_t i = 0; i < 8; i++)
		fixture_reap(pids[i]);
	cgroup_close(&cgroup);
}

static void test_kill_reaches_the_frozen(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	pid_t pid = fixture_spawn(&cgroup, NULL, NULL);

	assert_int_equal(cgroup_set_frozen(&cgroup, true, 5000, NULL), 0);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	assert_int_equal(fixture_reap(pid), 128 + SIGKILL);
	cgroup_close(&cgroup);
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 1000, NULL), 0);
}

static void test_thaw_below_a_frozen_parent(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), below = CGROUP_NONE;
	struct wh_error err = WH_ERROR_INIT;
	char path[128];

	strcpy(path, fixture->path);
	strcat(path, "/below");
	fixture->plan.path = path;
	below = fixture_create(fixture);
	assert_int_equal(cgroup_set_frozen(&cgroup, true, 1000, NULL), 0);
	assert_int_equal(cgroup_is_frozen(&below), 1);
	assert_int_equal(cgroup_set_frozen(&below, false, 10, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "parent cgroup"));
	cgroup_close(&below);
	cgroup_close(&cgroup);
}

static void test_removed_cgroup_is_an_error(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 0, NULL), 0);
	assert_true(cgroup_set_frozen(&cgroup, true, 10, &err) < 0);
	assert_non_null(strstr(err.message, "cgroup.freeze"));
	assert_true(cgroup_is_frozen(&cgroup) < 0);
	assert_true(cgroup_is_populated(&cgroup) < 0);
	cgroup_close(&cgroup);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_freeze_stops_and_thaw_goes_on), TEST(test_time_limit_undoes),
	    TEST(test_kill_reaches_the_frozen),       TEST(test_thaw_below_a_frozen_parent),
	    TEST(test_removed_cgroup_is_an_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
