/* SPDX-License-Identifier: Apache-2.0 */
/* Each in a forked child, since who adopts cannot be tested on the test program itself. */
#include "base/adoption.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/process_ends.h"

/** What the children write for us to see. */
struct shared {
	volatile pid_t pids[3];
};

static struct shared *shared;

static bool is_subreaper(void)
{
	int set = 0;

	return prctl(PR_GET_CHILD_SUBREAPER, &set) == 0 && set;
}

static pid_t wait_for(volatile pid_t *pid)
{
	const struct timespec pause = {.tv_nsec = 1000 * 1000};

	for (int i = 0; i < 5000 && *pid == 0; i++)
		nanosleep(&pause, NULL);
	return *pid;
}

/** A child that makes three more, each in a session of its own, each parent gone but the last one's. */
static void start_daemons(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid > 0 && i == 0) {
			waitpid(pid, NULL, 0);
			return;
		}
		if (pid > 0)
			_exit(0);
		setsid();
	}
	for (int i = 0; i < 3; i++) {
		shared->pids[i] = getpid();
		if (i == 2 || fork() > 0)
			pause();
	}
	_exit(0);
}

static int body_kills_what_left(void)
{
	struct adoption adoption;

	adoption_begin(&adoption);
	if (!adoption.active || !is_subreaper())
		return 1;
	start_daemons();
	for (int i = 0; i < 3; i++) {
		if (wait_for(&shared->pids[i]) == 0)
			return 2;
	}
	adoption_kill(&adoption, 5000);
	for (int i = 0; i < 3; i++) {
		if (!process_ends(shared->pids[i]))
			return 3;
	}
	if (waitpid(-1, NULL, WNOHANG) != -1)
		return 4; /* not all were reaped */
	adoption_end(&adoption);
	return is_subreaper() ? 5 : 0;
}

static int body_spares_who_was_there(void)
{
	struct adoption adoption;
	pid_t before = fork();

	if (before == 0) {
		pause();
		_exit(0);
	}
	adoption_begin(&adoption);
	start_daemons();
	if (wait_for(&shared->pids[2]) == 0)
		return 1;
	adoption_kill(&adoption, 5000);
	if (!process_ends(shared->pids[2]))
		return 2;
	if (waitpid(before, NULL, WNOHANG) != 0)
		return 3;
	return kill(before, SIGKILL) == 0 && waitpid(before, NULL, 0) == before ? 0 : 4;
}

static int body_stays_a_subreaper(void)
{
	struct adoption adoption;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	adoption_begin(&adoption);
	adoption_end(&adoption);
	return is_subreaper() ? 0 : 1;
}

static void in_child(int (*body)(void))
{
	int status;
	pid_t pid;

	shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	pid = fork();
	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(munmap(shared, sizeof(*shared)), 0);
	assert_int_equal(status, 0);
}

static void test_kills_what_left(void **state)
{
	in_child(body_kills_what_left);
}

static void test_spares_who_was_there(void **state)
{
	in_child(body_spares_who_was_there);
}

static void test_stays_a_subreaper(void **state)
{
	in_child(body_stays_a_subreaper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kills_what_left),
	    cmocka_unit_test(test_spares_who_was_there),
	    cmocka_unit_test(test_stays_a_subreaper),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
