/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"

#define FDS_MAX 256

/** What a guard tells of itself once it is left alone. */
struct report {
	bool open[FDS_MAX]; /* which fds it has */
	pid_t pid;
	pid_t session;
	bool deaf; /* to each of the four signals */
	bool orphan;
	char said;
};

/** What it is given. */
struct task {
	int report; /* where that goes: kept */
	pid_t parent;
};

static int note_fd(void *ctx, int fd, const char *link)
{
	struct report *report = ctx;

	if (fd < FDS_MAX)
		report->open[fd] = true;
	return 0;
}

static bool is_ignored(int signal_number)
{
	struct sigaction action;

	return sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void tell(void *ctx, char said)
{
	const struct task *task = ctx;
	struct report report = {.pid = getpid(), .session = getsid(0), .said = said};
	int proc;

	report.orphan = getppid() != task->parent;
	report.deaf = is_ignored(SIGINT) && is_ignored(SIGTERM) && is_ignored(SIGHUP) &&
		      is_ignored(SIGQUIT) && !is_ignored(SIGUSR1);
	proc = procfs_open(true, NULL);
	procfs_each_fd(proc, getpid(), note_fd, &report, NULL);
	if (proc >= 0 && proc < FDS_MAX)
		report.open[proc] = false;
	(void)fd_write_all(task->report, &report, sizeof(report));
}

static int not_ready(struct wh_error *err)
{
	return -EPERM;
}

static int ready(struct wh_error *err)
{
	return 0;
}

enum ending { LETS_GO, EXITS, IS_KILLED };

/** What a parent does with its guard, and what of it counts. */
struct life {
	enum ending ending;
	const char *says;
	int (*prepare)(struct wh_error *err);
	int signal_number; /* sent to the guard, which is to be deaf to it; 0: none */
};

/** From a moment after its birth on a guard ignores @signal_number. */
static void await_deaf(pid_t pid, int signal_number)
{
	static const char key[] = "\nSigIgn:\t";
	auto_fd proc = procfs_open(true, NULL);
	const char *ignored = NULL;
	char path[32], text[4096];

	snprintf(path, sizeof(path), "%d/status", (int)pid);
	while (!ignored || !(strtoull(ignored, NULL, 16) & 1ULL << (signal_number - 1))) {
		if (procfs_read(proc, path, text, sizeof(text), NULL) < 0)
			_exit(3);
		ignored = strstr(text, key);
		ignored = ignored ? ignored + strlen(key) : NULL;
	}
}

/** In the parent of the guard: @high is the number of another fd that the guard has. */
static _Noreturn void live(const struct life *life, int report, int high)
{
	struct task task = {.report = report, .parent = getpid()};
	const int keep[] = {high, -EBADF, report};
	const struct guard_post post = {.recover = tell,
					.ctx = &task,
					.keep = keep,
					.n_keep = ARRAY_LEN(keep),
					.prepare = life->prepare};
	struct guard guard = GUARD_NONE;

	if (guard_start(&guard, &post, NULL) < 0)
		_exit(2);
	for (const char *word = life->says; word && *word; word++)
		guard_say(&guard, *word);
	if (life->signal_number) {
		await_deaf(guard.pid, life->signal_number);
		kill(guard.pid, life->signal_number);
	}
	if (life->ending == LETS_GO)
		guard_end(&guard);
	if (life->ending == IS_KILLED)
		kill(getpid(), SIGKILL);
	_exit(guard.pid != 0 || waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD);
}

/** Live that @life in a process of its own. Returns whether its guard had something to do. */
static bool is_recovered(const struct life *life, struct report *ret_report, int ret_kept[2])
{
	int ends[2];
	int high, status;
	ssize_t n;
	pid_t pid;

	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	high = fcntl(ends[1], F_DUPFD_CLOEXEC, 90);
	assert_return_code(high, errno);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		live(life, ends[1], high);
	ret_kept[0] = ends[1];
	ret_kept[1] = high;
	close(ends[1]);
	close(high);
	/* end of file when neither has it any more */
	n = read(ends[0], ret_report, sizeof(*ret_report));
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (life->ending == LETS_GO)
		assert_int_equal(status, 0);
	assert_true(n == 0 || n == (ssize_t)sizeof(*ret_report));
	return n != 0;
}

static void test_when_it_recovers(void **state)
{
	static const struct {
		const char *name;
		struct life life;
		bool recovers;
		char said;
	} cases[] = {
	    {"let go",               {LETS_GO},                        false, 0  },
	    {"let go after a word",  {LETS_GO, "s"},                   false, 0  },
	    {"exits",                {EXITS},                          true,  0  },
	    {"killed",               {IS_KILLED},                      true,  0  },
	    {"killed after a word",  {IS_KILLED, "s"},                 true,  's'},
	    {"killed after two",     {IS_KILLED, "st"},                true,  't'},
	    {"prepared",             {IS_KILLED, NULL, ready},         true,  0  },
	    {"cannot prepare",       {IS_KILLED, NULL, not_ready},     false, 0  },
	    {"is told to terminate", {IS_KILLED, "s", ready, SIGTERM}, true,  's'},
	    {"is interrupted",       {IS_KILLED, "s", ready, SIGINT},  true,  's'},
	    {"let go, interrupted",  {LETS_GO, "s", ready, SIGHUP},    false, 0  },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct report report = {.said = '?'};
		int kept[2];

		if (is_recovered(&cases[i].life, &report, kept) != cases[i].recovers)
			fail_msg("%s", cases[i].name);
		if (cases[i].recovers && report.said != cases[i].said)
			fail_msg("%s: said %d", cases[i].name, report.said);
	}
}

/** The standard streams, what it is to keep, and one end of one pipe. */
static void test_what_it_is(void **state)
{
	static const struct life life = {IS_KILLED};
	struct report report;
	size_t others = 0;
	int kept[2];

	assert_true(is_recovered(&life, &report, kept));
	assert_true(report.orphan);
	assert_int_equal(report.session, report.pid);
	assert_true(report.deaf);
	for (int fd = 0; fd < FDS_MAX; fd++) {
		if (fd <= STDERR_FILENO || fd == kept[0] || fd == kept[1])
			assert_true(report.open[fd]);
		else
			others += report.open[fd];
	}
	/* its end of the pipe, and the directory that was just being read */
	assert_int_equal(others, 2);
}

static void test_none(void **state)
{
	struct guard guard = GUARD_NONE;

	guard_say(&guard, 's');
	guard_end(&guard);
	assert_int_equal(guard.pid, 0);
	assert_int_equal(guard.pipe, -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_when_it_recovers),
	    cmocka_unit_test(test_what_it_is),
	    cmocka_unit_test(test_none),
	};

	if (fd_open_std(NULL) < 0)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
