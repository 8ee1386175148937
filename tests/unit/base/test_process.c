/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include "tests/unit/base/scratch.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "base/str.h"
#include "base/sys.h"

/* A child that waits to be killed; it calls itself @name first. */
static pid_t start_child(const char *name)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_return_code(pipe2(ready, O_CLOEXEC), errno);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		close(ready[1]);
		for (;;)
			pause();
	}
	assert_return_code(pid, errno);
	close(ready[1]);
	/* The end of the file: the child is past its preparations. */
	assert_int_equal(read(ready[0], &byte, 1), 0);
	close(ready[0]);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void wait_for_zombie(pid_t pid)
{
	siginfo_t info;

	assert_return_code(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), errno);
}

/* The name is the process's own choice, and stands in the middle of the line. */
static void test_stat_survives_names(void **state)
{
	static const char *const names[] = {"plain", "a b c", "x) Z 1 2 3", ") R (", "((",
					    "a\nb",  ""};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		pid_t pid = start_child(names[i]);
		uint64_t mine, its;
		char letter = '?';

		assert_int_equal(process_stat(pid, &its, &letter), 0);
		assert_true(letter == 'S' || letter == 'R');
		assert_int_equal(process_stat(getpid(), &mine, NULL), 0);
		/* Clock ticks since boot: not before its parent's, and within the minute. */
		assert_true(its >= mine && its - mine < 60 * (uint64_t)sysconf(_SC_CLK_TCK));
		assert_int_equal(process_stat(pid, NULL, NULL), 0);
		end_child(pid);
		assert_int_equal(process_stat(pid, &its, &letter), -ESRCH);
	}
	assert_int_equal(process_stat(0, NULL, NULL), -ESRCH);
	assert_int_equal(process_stat(-1, NULL, NULL), -ESRCH);
}

static void test_open_wants_the_very_process(void **state)
{
	struct process_id id = {.pid = start_child("child")};
	struct process_id wrong, none = {0};
	char letter;
	int pidfd;

	assert_int_equal(process_stat(id.pid, &id.start_time, NULL), 0);
	assert_int_equal(process_find(&id, NULL), 0);
	assert_int_equal(process_find(&id, &letter), 0);
	assert_true(letter == 'S' || letter == 'R');
	pidfd = process_open(&id);
	assert_return_code(pidfd, -pidfd);
	assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(sys_pidfd_send_signal(pidfd, 0, NULL, 0), 0);
	close(pidfd);

	wrong = id;
	wrong.start_time++;
	assert_int_equal(process_open(&wrong), -ESRCH);
	assert_int_equal(process_find(&wrong, &letter), -ESRCH);
	assert_int_equal(process_open(&none), -ESRCH);
	assert_int_equal(process_find(&none, &letter), -ESRCH);

	kill(id.pid, SIGKILL);
	wait_for_zombie(id.pid);
	assert_int_equal(process_stat(id.pid, NULL, &letter), 0);
	assert_int_equal(letter, 'Z');
	assert_int_equal(process_find(&id, &letter), 0);
	assert_int_equal(letter, 'Z');
	assert_int_equal(process_open(&id), -ESRCH);
	end_child(id.pid);
	assert_int_equal(process_open(&id), -ESRCH);
}

static void on_alarm(int signal_number)
{
}

static void test_wait_end(void **state)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval interrupt = {.it_value = {.tv_usec = 20000},
				      .it_interval = {.tv_usec = 20000}};
	struct itimerval none = {0};
	pid_t pid = start_child("child");
	int pidfd = sys_pidfd_open(pid, 0);
	struct timespec before, after;

	assert_int_equal(process_wait_end(pidfd, 0), -ETIMEDOUT);
	/* Signals neither end the wait nor make it longer. */
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interrupt, NULL);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(process_wait_end(pidfd, 150), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &after);
	setitimer(ITIMER_REAL, &none, NULL);
	assert_in_range((after.tv_sec - before.tv_sec) * 1000 +
			    (after.tv_nsec - before.tv_nsec) / 1000000,
			145, 5000);

	kill(pid, SIGKILL);
	assert_int_equal(process_wait_end(pidfd, -1), 0);
	/* Not reaped yet; afterwards it has still ended. */
	end_child(pid);
	assert_int_equal(process_wait_end(pidfd, 0), 0);
	close(pidfd);
	assert_int_equal(process_wait_end(pidfd, 0), -EBADF);
}

static void test_reap(void **state)
{
	static const struct {
		int exit, signal_number, want;
	} cases[] = {
	    {0,   0,       0  },
            {7,   0,       7  },
            {255, 0,       255},
	    {0,   SIGKILL, 137},
            {0,   SIGTERM, 143},
            {0,   SIGSEGV, 139},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int pidfd, status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			if (cases[i].signal_number) {
				signal(cases[i].signal_number, SIG_DFL);
				prctl(PR_SET_DUMPABLE, 0);
				kill(getpid(), cases[i].signal_number);
			}
			_exit(cases[i].exit);
		}
		pidfd = sys_pidfd_open(pid, 0);
		assert_int_equal(process_reap(pidfd, &status), 0);
		assert_int_equal(status, cases[i].want);
		assert_int_equal(process_reap(pidfd, &status), -ECHILD);
		close(pidfd);
	}
}

static void test_status_signal(void **state)
{
	(void)state;
	assert_int_equal(process_status_signal(0), 0);
	assert_int_equal(process_status_signal(128), 0);
	assert_int_equal(process_status_signal(128 + SIGKILL), SIGKILL);
	assert_int_equal(process_status_signal(128 + SIGRTMAX), SIGRTMAX);
	assert_int_equal(process_status_signal(255), 0);
}

static void test_boot_id(void **state)
{
	char first[BOOT_ID_SIZE], second[BOOT_ID_SIZE];
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(process_boot_id(first, &err), 0);
	assert_int_equal(strlen(first), 36);
	assert_int_equal(strspn(first, "0123456789abcdef-"), 36);
	assert_int_equal(process_boot_id(second, &err), 0);
	assert_string_equal(first, second);
}

/** A zombie's name and status stay until it is reaped. */
static void test_look(void **state)
{
	static const char name[] = "a) (b/c";
	const struct timespec pause = {.tv_nsec = 1000 * 1000};
	struct process_look look;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_NAME, name);
		_exit(7);
	}
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(process_look(pid, &look), 0);
		if (look.state == 'Z')
			break;
		nanosleep(&pause, NULL);
	}
	assert_string_equal(look.name, name);
	assert_int_equal(look.state, 'Z');
	assert_true(look.ending);
	assert_int_equal(WEXITSTATUS(look.wait_status), 7);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(process_look(pid, &look), -ESRCH);
}

/** Init of a pid namespace is not a zombie before all others in there are gone. */
static void test_look_sees_it_end(void **state)
{
	const struct timespec pause = {.tv_nsec = 1000 * 1000};
	struct process_look look;
	int status;
	int home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	pid_t init, member;

	if (home < 0 || unshare(CLONE_NEWPID) < 0) {
		print_message("# no pid namespace can be made\n");
		skip();
	}
	init = start_child("a) (b");
	member = start_child("member");
	assert_return_code(setns(home, CLONE_NEWPID), errno);
	close(home);
	assert_int_equal(process_look(init, &look), 0);
	assert_false(look.ending);
	kill(init, SIGKILL);
	for (int i = 0; i < 10000 && !look.ending; i++) {
		assert_int_equal(process_look(init, &look), 0);
		nanosleep(&pause, NULL);
	}
	assert_true(look.ending);
	wait_for_zombie(member);
	assert_int_equal(process_look(init, &look), 0);
	assert_true(look.ending && look.state != 'Z');
	assert_int_equal(waitpid(member, &status, 0), member);
	end_child(init);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stat_survives_names),
	    cmocka_unit_test(test_open_wants_the_very_process),
	    cmocka_unit_test(test_wait_end),
	    cmocka_unit_test(test_reap),
	    cmocka_unit_test(test_look),
	    cmocka_unit_test(test_status_signal),
	    cmocka_unit_test(test_boot_id),
	    cmocka_unit_test(test_look_sees_it_end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
