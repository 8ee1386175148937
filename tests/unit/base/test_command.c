/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/command.h"
#include "base/fd.h"
#include "base/str.h"
#include "tests/unit/process_ends.h"

/** Far below the 30 s that the programs sleep, and far above what a loaded machine takes for the rest. */
#define NOT_WAITED_FOR_MS 15000

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/**
 * Run a shell @script with @env; the caller looks at *@ret. Returns the time it took, in
 * milliseconds.
 */
static int64_t run_script(const char *script, const char *input, size_t input_len,
			  const char *const *env, int timeout_ms, struct command_result *ret)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct command command = {
	    .path = "/bin/sh",
	    .argv = argv,
	    .envp = env,
	    .cwd_fd = -EBADF,
	    .input = input,
	    .input_len = input_len,
	    .timeout_ms = timeout_ms,
	};
	struct wh_error err = WH_ERROR_INIT;
	int64_t start = now_ms();

	assert_int_equal(command_run(&command, ret, &err), 0);
	assert_false(wh_error_set(&err));
	return now_ms() - start;
}

static const char *const path_env[] = {"PATH=/usr/bin:/bin", NULL};

struct end_case {
	const char *script;
	const char *input;
	int status;
	const char *output;
};

static const struct end_case end_cases[] = {
    {"true",					     "",          0,   ""              },
    {"exit 3",					   "",          3,   ""              },
    {"kill -9 $$",				       "",          137, ""              },
    {"cat",					      "the input", 0,   "the input"     },
    {"echo out; echo err >&2; exit 1",                   "",          1,   "out err"       },
    {"printf '\\n\\n a\\001\\tb \\r\\n'",                "",          0,   "a b"           },
    {"echo \"$A-$PATH\"",				"",          0,   "-/usr/bin:/bin"},
    {"cut -d' ' -f5,6 /proc/$$/stat | sed \"s/$$/X/g\"", "",          0,   "X X"           },
    {"grep -E '^Sig(Ign|Blk)' /proc/self/status",        "",          0,
     "SigBlk: 0000000000000000 SigIgn: 0000000000000000"                                   },
    {"read x; test -z \"$x\" && echo end",               "",          0,   "end"           },
};

static void test_ends(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(end_cases); i++) {
		const struct end_case *c = &end_cases[i];
		static struct command_result result;

		print_message("# %s\n", c->script);
		run_script(c->script, c->input, strlen(c->input), path_env, 20000, &result);
		assert_int_equal(result.exec_errno, 0);
		assert_false(result.timed_out);
		assert_int_equal(result.status, c->status);
		assert_string_equal(result.output, c->output);
		assert_int_equal(result.output_len, strlen(c->output));
	}
}

struct exec_case {
	const char *path;
	int want;
};

static void test_not_executable(void **state)
{
	static const struct exec_case cases[] = {
	    {"/nonexistent/program", ENOENT },
	    {"/etc",                 EACCES },
	    {"/etc/passwd",          EACCES },
	    {"/etc/passwd/x",        ENOTDIR},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *argv[] = {"x", NULL};
		struct command command = {
		    .path = cases[i].path, .argv = argv, .cwd_fd = -EBADF, .timeout_ms = 20000};
		static struct command_result result;
		struct wh_error err = WH_ERROR_INIT;

		assert_int_equal(command_run(&command, &result, &err), 0);
		assert_int_equal(result.exec_errno, cases[i].want);
	}
}

static void test_empty_environment(void **state)
{
	const char *argv[] = {"env", NULL};
	struct command command = {
	    .path = "/usr/bin/env", .argv = argv, .cwd_fd = -EBADF, .timeout_ms = 20000};
	static struct command_result result;
	struct wh_error err = WH_ERROR_INIT;

	setenv("SECRET_ENV", "leaked", 1);
	assert_int_equal(command_run(&command, &result, &err), 0);
	assert_int_equal(result.status, 0);
	assert_string_equal(result.output, "");
}

static void test_working_directory(void **state)
{
	const char *argv[] = {"sh", "-c", "/bin/pwd", NULL};
	auto_fd dir = open("/usr/share", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct command command = {
	    .path = "/bin/sh", .argv = argv, .cwd_fd = dir, .timeout_ms = 20000};
	static struct command_result result;
	struct wh_error err = WH_ERROR_INIT;

	assert_true(dir >= 0);
	assert_int_equal(command_run(&command, &result, &err), 0);
	assert_string_equal(result.output, "/usr/share");
}

/** A working directory that is none is the child's error, told before execve. */
static void test_bad_working_directory(void **state)
{
	const char *argv[] = {"true", NULL};
	auto_fd file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	struct command command = {
	    .path = "/bin/true", .argv = argv, .cwd_fd = file, .timeout_ms = 20000};
	static struct command_result result;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(command_run(&command, &result, &err), 0);
	assert_int_equal(result.exec_errno, ENOTDIR);
}

static void test_no_inherited_fds(void **state)
{
	static struct command_result result;
	int leaked = open("/", O_RDONLY); /* no O_CLOEXEC, on purpose */
	int high = fcntl(leaked, F_DUPFD, 700);

	assert_true(leaked >= 0 && high >= 700);
	run_script("ls /proc/$$/fd; true", "", 0, path_env, 20000, &result);
	close(leaked);
	close(high);
	assert_string_equal(result.output, "0 1 2");
}

/** 200 KB for a program that does not read: neither a block nor SIGPIPE. */
static void test_input_not_read(void **state)
{
	static struct command_result result;
	static char input[200000];
	sigset_t pending;

	memset(input, 'x', sizeof(input));
	signal(SIGPIPE, SIG_DFL);
	run_script("exit 5", input, sizeof(input), path_env, 20000, &result);
	assert_int_equal(result.status, 5);
	run_script("exec <&-; sleep 0.1; exit 6", input, sizeof(input), path_env, 20000, &result);
	assert_int_equal(result.status, 6);
	run_script("head -c 100000 >/dev/null; exit 7", input, sizeof(input), path_env, 20000,
		   &result);
	assert_int_equal(result.status, 7);
	run_script("wc -c", input, sizeof(input), path_env, 20000, &result);
	assert_string_equal(result.output, "200000");
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGPIPE));
}

static void test_timeout_while_feeding(void **state)
{
	static struct command_result result;
	static char input[200000];
	int64_t took = run_script("sleep 30", input, sizeof(input), path_env, 300, &result);

	assert_true(result.timed_out);
	assert_int_equal(result.status, 137);
	assert_in_range(took, 300, NOT_WAITED_FOR_MS);
}

/** The time limit ends the grandchild too, and its hold on the output does not keep the caller. */
static void test_timeout_ends_the_group(void **state)
{
	static struct command_result result;
	int64_t took = run_script("sleep 30 & echo $!; sleep 30", "", 0, path_env, 300, &result);
	uint64_t pid = 0;

	assert_true(result.timed_out);
	assert_in_range(took, 300, NOT_WAITED_FOR_MS);
	assert_int_equal(str_parse_u64(result.output, INT32_MAX, &pid), 0);
	assert_true(pid > 1);
	assert_true(process_ends((pid_t)pid));
}

/** What left the group for a session of its own, and lost its parent, is ended where it is attended. */
static void test_timeout_ends_what_left_the_group(void **state)
{
	const char *argv[] = {"sh", "-c", "(setsid sleep 30 & echo $!); sleep 30", NULL};
	struct command command = {.path = "/bin/sh",
				  .argv = argv,
				  .envp = path_env,
				  .cwd_fd = -EBADF,
				  .timeout_ms = 300,
				  .attended = true};
	static struct command_result result;
	struct wh_error err = WH_ERROR_INIT;
	uint64_t pid = 0;

	assert_int_equal(command_run(&command, &result, &err), 0);
	assert_true(result.timed_out);
	assert_int_equal(str_parse_u64(result.output, INT32_MAX, &pid), 0);
	assert_true(pid > 1);
	assert_true(process_ends((pid_t)pid));
}

static void test_signal_ends_it(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		char script[64];
		const char *argv[] = {"sh", "-c", script, NULL};
		struct command command = {.path = "/bin/sh",
					  .argv = argv,
					  .envp = path_env,
					  .cwd_fd = -EBADF,
					  .timeout_ms = 20000,
					  .attended = true};
		static struct command_result result;
		struct wh_error err = WH_ERROR_INIT;
		sigset_t mask;

		signal(signals[i], SIG_DFL); /* nohup's child ignores one */
		snprintf(script, sizeof(script), "kill -%d %d; sleep 30", signals[i], getpid());
		assert_int_equal(command_run(&command, &result, &err), 0);
		assert_int_equal(result.cancelled, signals[i]);
		assert_false(result.timed_out);
		assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
		assert_false(sigismember(&mask, signals[i]));
	}
}

/** nohup's child ignores SIGHUP, and so does what it runs. */
static void test_ignored_signal(void **state)
{
	char script[64];
	const char *argv[] = {"sh", "-c", script, NULL};
	struct command command = {.path = "/bin/sh",
				  .argv = argv,
				  .envp = path_env,
				  .cwd_fd = -EBADF,
				  .timeout_ms = 20000,
				  .attended = true};
	static struct command_result result;
	struct wh_error err = WH_ERROR_INIT;

	snprintf(script, sizeof(script), "kill -HUP %d; exit 3", getpid());
	signal(SIGHUP, SIG_IGN);
	assert_int_equal(command_run(&command, &result, &err), 0);
	signal(SIGHUP, SIG_DFL);
	assert_int_equal(result.cancelled, 0);
	assert_int_equal(result.status, 3);
}

/** A daemon that a program leaves behind is not waited for, and lives. */
static void test_daemon_left_behind(void **state)
{
	static struct command_result result;
	int64_t took =
	    run_script("sleep 30 & echo $!", "", 0, path_env, COMMAND_NO_TIMEOUT, &result);
	uint64_t pid = 0;

	assert_in_range(took, 0, NOT_WAITED_FOR_MS);
	assert_int_equal(result.status, 0);
	assert_int_equal(str_parse_u64(result.output, INT32_MAX, &pid), 0);
	assert_true(pid > 1);
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
}

static void test_output_is_bounded(void **state)
{
	static struct command_result result;

	run_script("seq 1 100000", "", 0, path_env, 20000, &result);
	assert_int_equal(result.status, 0);
	assert_true(result.output_len <= COMMAND_OUTPUT_MAX);
	assert_true(result.output_len > COMMAND_OUTPUT_MAX / 2);
	assert_string_equal(result.output + result.output_len - 12, "99999 100000");
}

/** With the standard fds closed in the caller the pipes must not end up among them. */
static void test_closed_standard_fds(void **state)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		const char *argv[] = {"sh", "-c", "cat; echo b >&2", NULL};
		struct command command = {
		    .path = "/bin/sh",
		    .argv = argv,
		    .envp = path_env,
		    .cwd_fd = -EBADF,
		    .input = "a",
		    .input_len = 1,
		    .timeout_ms = 20000,
		};
		static struct command_result result;

		close(0);
		close(1);
		close(2);
		_exit(command_run(&command, &result, NULL) == 0 && streq(result.output, "ab") ? 0
											      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_can_run(void **state)
{
	assert_true(command_can_run("/bin/sh"));
	assert_false(command_can_run("/etc/passwd"));
	assert_false(command_can_run("/not/there"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_not_executable),
	    cmocka_unit_test(test_empty_environment),
	    cmocka_unit_test(test_working_directory),
	    cmocka_unit_test(test_bad_working_directory),
	    cmocka_unit_test(test_no_inherited_fds),
	    cmocka_unit_test(test_input_not_read),
	    cmocka_unit_test(test_timeout_while_feeding),
	    cmocka_unit_test(test_timeout_ends_the_group),
	    cmocka_unit_test(test_timeout_ends_what_left_the_group),
	    cmocka_unit_test(test_signal_ends_it),
	    cmocka_unit_test(test_ignored_signal),
	    cmocka_unit_test(test_daemon_left_behind),
	    cmocka_unit_test(test_output_is_bounded),
	    cmocka_unit_test(test_closed_standard_fds),
	    cmocka_unit_test(test_can_run),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
