/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cgroups/cgroup_events.h"
#include "cgroups/cgroup_fs.h"

static struct cgroup create_below(struct cgroup_fixture *fixture, const char *name)
{
	char path[128];
	struct cgroup cgroup;

	strcpy(path, fixture->path);
	strcat(path, name);
	fixture->plan.path = path;
	cgroup = fixture_create(fixture);
	fixture->plan.path = fixture->path;
	return cgroup;
}

static void test_kill_reaches_descendants(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), below = create_below(fixture, "/a/b");
	pid_t first = fixture_spawn(&cgroup, NULL, NULL),
	      second = fixture_spawn(&below, NULL, NULL);

	assert_int_equal(cgroup_is_populated(&cgroup), 1);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	assert_int_equal(fixture_reap(first), 128 + SIGKILL);
	assert_int_equal(fixture_reap(second), 128 + SIGKILL);
	assert_int_equal(cgroup_events_wait(cgroup.dir_fd, "populated", false, 1000), 0);
	assert_int_equal(cgroup_is_populated(&cgroup), 0);
	cgroup_close(&below);
	cgroup_close(&cgroup);
}

/** systemd removes a unit's as soon as it is empty, whoever has it open. */
static void test_kill_in_one_that_is_gone(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);

	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 1000, NULL), 0);
	assert_int_equal(cgroup_kill(&cgroup, NULL), 0);
	cgroup_close(&cgroup);
}

static void test_signal_all(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture), below = create_below(fixture, "/a");
	pid_t first = fixture_spawn(&cgroup, NULL, NULL),
	      second = fixture_spawn(&below, NULL, NULL);
	char freeze[8];

	assert_int_equal(cgroup_signal_all(&cgroup, SIGUSR1, NULL), 0);
	assert_int_equal(fixture_reap(first), 128 + SIGUSR1);
	assert_int_equal(fixture_reap(second), 128 + SIGUSR1);
	/* not cgroup.events: Linux 6.18 may show one as frozen for ever when its last process ends in the thaw */
	assert_true(cgroup_fs_read(cgroup.dir_fd, "cgroup.freeze", freeze, sizeof(freeze)) > 0);
	assert_string_equal(freeze, "0");
	first = fixture_spawn(&cgroup, NULL, NULL);
	assert_int_equal(cgroup_signal_all(&cgroup, SIGKILL, NULL), 0);
	assert_int_equal(fixture_reap(first), 128 + SIGKILL);
	assert_int_equal(cgroup_signal_all(&cgroup, SIGTERM, NULL), 0);
	cgroup_close(&below);
	cgroup_close(&cgroup);
}

#define GOT_SIGTERM 7

static int wait_for_sigterm(void *arg)
{
	int sig;

	return sigwait(arg, &sig) == 0 && sig == SIGTERM ? GOT_SIGTERM : 1;
}

/* What was paused stays paused; a signal that does not end a process at once waits for the thaw. */
static void test_signal_to_frozen(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	sigset_t set;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = fixture_spawn(&cgroup, wait_for_sigterm, &set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	assert_int_equal(cgroup_set_frozen(&cgroup, true, 5000, NULL), 0);
	assert_int_equal(cgroup_signal_all(&cgroup, SIGTERM, NULL), 0);
	assert_int_equal(cgroup_is_frozen(&cgroup), 1);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(cgroup_set_frozen(&cgroup, false, 5000, NULL), 0);
	assert_int_equal(fixture_reap(pid), GOT_SIGTERM);
	cgroup_close(&cgroup);
}

/** Fork without end: each child lives as long as its parent's signal needs to arrive. */
static int fork_on(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		pid_t pid = fork();

		if (pid < 0)
			usleep(1000);
		if (pid > 0)
			_exit(0);
		alarm(20);
	}
	pause();
	return 0;
}

static void test_fork_chain_does_not_escape(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);

	for (int i = 0; i < 4; i++)
		fixture_spawn(&cgroup, fork_on, NULL);
	usleep(20000);
	assert_int_equal(cgroup_is_populated(&cgroup), 1);
	assert_int_equal(cgroup_signal_all(&cgroup, SIGTERM, NULL), 0);
	assert_int_equal(cgroup_events_wait(cgroup.dir_fd, "populated", false, 2000), 0);
	cgroup_close(&cgroup);
}

static void test_memory_without_controller(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);

	assert_false(cgroup_ran_out_of_memory(&cgroup));
	cgroup_close(&cgroup);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_kill_reaches_descendants),  TEST(test_signal_all),
	    TEST(test_kill_in_one_that_is_gone),  TEST(test_signal_all),
	    TEST(test_signal_to_frozen),          TEST(test_fork_chain_does_not_escape),
	    TEST(test_memory_without_controller),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
