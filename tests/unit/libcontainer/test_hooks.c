/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/unit/process_ends.h"

/** hook_run() with its setting as arguments. */
static int run_hook(const struct oci_hook *hook, const char *kind, size_t index, const char *state,
		    size_t len, const char *const *default_env, struct wh_error *err)
{
	return hook_run(
	    hook, kind, index,
	    &(struct hook_setting){.state = state, .len = len, .default_env = default_env}, err);
}

#define STATE "{\"id\":\"c\",\"status\":\"creating\"}"

/** Far below the 30 s that the hooks sleep, and far above what a loaded machine takes for the rest. */
#define NOT_WAITED_FOR_MS 15000

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/**
 * A hook that runs a shell @script, which prints where the test looks: into its error, by failing.
 */
static struct oci_hook shell_hook(const char **args, const char *script)
{
	args[0] = "sh";
	args[1] = "-c";
	args[2] = script;
	return (struct oci_hook){.path = "/bin/sh", .args = args, .n_args = 3};
}

struct failure_case {
	const char *script;
	const char *want;
};

static void test_failures(void **state)
{
	/* clang-format off */
	static const struct failure_case cases[] = {
		{ "exit 1", "hooks.prestart[2] '/bin/sh': exit status 1" },
		{ "echo out; echo err >&2; exit 7",
		  "hooks.prestart[2] '/bin/sh': exit status 7: out err" },
		{ "exit 255", "hooks.prestart[2] '/bin/sh': exit status 255" },
		{ "kill -TERM $$", "hooks.prestart[2] '/bin/sh': killed by signal 15" },
		{ "cat; exit 1", "hooks.prestart[2] '/bin/sh': exit status 1: " STATE },
		{ "echo \"[$HOME$PWD_$SECRET_ENV]\"; exit 1",
		  "hooks.prestart[2] '/bin/sh': exit status 1: []" },
	};
	/* clang-format on */

	setenv("SECRET_ENV", "leaked", 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *args[3];
		struct oci_hook hook = shell_hook(args, cases[i].script);
		struct wh_error err = WH_ERROR_INIT;

		print_message("# %s\n", cases[i].script);
		assert_true(run_hook(&hook, "prestart", 2, STATE, strlen(STATE), NULL, &err) < 0);
		assert_string_equal(err.message, cases[i].want);
		assert_int_equal(err.code, 0);
	}
}

static void test_success(void **state)
{
	const char *args[3];
	struct oci_hook hook = shell_hook(args, "test \"$(cat)\" = '" STATE "'");
	struct wh_error err = WH_ERROR_INIT;
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};

	assert_int_equal(run_hook(&hook, "poststop", 0, STATE, strlen(STATE), env, &err), 0);
	assert_false(wh_error_set(&err));
}

static void test_not_executable(void **state)
{
	struct oci_hook missing = {.path = "/nonexistent/hook"};
	struct oci_hook relative = {.path = "bin/sh"};
	struct oci_hook directory = {.path = "/etc"};
	struct wh_error err = WH_ERROR_INIT;
	char text[4096];

	assert_int_equal(run_hook(&missing, "poststart", 0, "", 0, NULL, &err), -ENOENT);
	assert_string_equal(err.message, "hooks.poststart[0] '/nonexistent/hook': execute it");
	/* engines would take the usual words for a missing command of the container's */
	wh_error_format(&err, text, sizeof(text));
	assert_null(strstr(text, "No such file or directory"));
	assert_true(run_hook(&relative, "poststart", 1, "", 0, NULL, &err) < 0);
	assert_string_equal(err.message, "hooks.poststart[1] 'bin/sh': the path must be absolute");
	assert_int_equal(run_hook(&directory, "poststart", 1, "", 0, NULL, &err), -EACCES);
}

/** argv[0] is the first of args, or the path. */
static void test_arguments(void **state)
{
	const char *args[] = {"name", "-c", "echo $0; exit 1", "zero", "one"};
	struct oci_hook hook = {.path = "/bin/sh", .args = args, .n_args = 5};
	struct oci_hook bare = {.path = "/bin/false"};
	struct wh_error err = WH_ERROR_INIT;

	assert_true(run_hook(&hook, "prestart", 0, "", 0, NULL, &err) < 0);
	assert_non_null(strstr(err.message, "exit status 1: zero"));
	err = WH_ERROR_INIT;
	assert_true(run_hook(&bare, "prestart", 0, "", 0, NULL, &err) < 0);
	assert_string_equal(err.message, "hooks.prestart[0] '/bin/false': exit status 1");
}

struct env_case {
	bool present;
	size_t n_env;
	const char *want;
};

/** The document's environment, even when it is empty; the default only where there is none. */
static void test_environment(void **state)
{
	static const struct env_case cases[] = {
	    {true,  1, "own"    },
	    {true,  0, "none"   },
	    {false, 0, "default"},
	};
	const char *env[] = {"WHO=own"};
	static const char *const default_env[] = {"WHO=default", NULL};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *args[3];
		struct oci_hook hook = shell_hook(args, "echo ${WHO-none}; exit 1");
		struct wh_error err = WH_ERROR_INIT;

		hook.env = cases[i].present ? env : NULL;
		hook.n_env = cases[i].n_env;
		assert_true(run_hook(&hook, "startContainer", 0, "", 0, default_env, &err) < 0);
		assert_non_null(strstr(err.message, ": exit status 1: "));
		assert_string_equal(strrchr(err.message, ' ') + 1, cases[i].want);
	}
}

/** A grandchild that holds the hook's output neither delays the timeout nor outlives it. */
static void test_timeout(void **state)
{
	static const int64_t timeout = 1;
	const char *args[3];
	struct oci_hook hook = shell_hook(args, "/bin/sleep 30 & echo $!; wait");
	struct wh_error err = WH_ERROR_INIT;
	int64_t start = now_ms();
	uint64_t pid = 0;
	int64_t took;

	hook.timeout = &timeout;
	assert_true(run_hook(&hook, "createRuntime", 0, STATE, strlen(STATE), NULL, &err) < 0);
	took = now_ms() - start;
	assert_in_range(took, 1000, NOT_WAITED_FOR_MS);
	assert_non_null(strstr(
	    err.message, "hooks.createRuntime[0] '/bin/sh': no end within its timeout of 1 s: "));
	assert_int_equal(str_parse_u64(strrchr(err.message, ' ') + 1, INT32_MAX, &pid), 0);
	assert_true(pid > 1 && process_ends((pid_t)pid));
}

/** A daemon in a session of its own, whose parent is gone, does not outlive the timeout either. */
static void test_timeout_of_a_daemon(void **state)
{
	static const int64_t timeout = 1;
	const char *args[3];
	struct oci_hook hook = shell_hook(args, "(setsid /bin/sleep 30 & echo $!); /bin/sleep 30");
	const struct hook_setting setting = {.state = "", .attended = true};
	struct wh_error err = WH_ERROR_INIT;
	uint64_t pid = 0;

	hook.timeout = &timeout;
	hook.env = (const char *[]){"PATH=/usr/bin:/bin"};
	hook.n_env = 1;
	assert_true(hook_run(&hook, "prestart", 0, &setting, &err) < 0);
	assert_non_null(strstr(err.message, "no end within its timeout of 1 s: "));
	assert_int_equal(str_parse_u64(strrchr(err.message, ' ') + 1, INT32_MAX, &pid), 0);
	assert_true(pid > 1 && process_ends((pid_t)pid));
}

/** 200 KB of state for a hook that does not read them: the timeout holds, and no SIGPIPE comes. */
static void test_state_not_read(void **state)
{
	static const int64_t timeout = 1;
	static char big[200000];
	const char *args[3];
	struct oci_hook hook = shell_hook(args, "/bin/sleep 30");
	struct wh_error err = WH_ERROR_INIT;
	int64_t start = now_ms();

	memset(big, ' ', sizeof(big));
	signal(SIGPIPE, SIG_DFL);
	hook.timeout = &timeout;
	assert_true(run_hook(&hook, "poststart", 0, big, sizeof(big), NULL, &err) < 0);
	assert_in_range(now_ms() - start, 1000, NOT_WAITED_FOR_MS);
	hook = shell_hook(args, "exit 0");
	assert_int_equal(run_hook(&hook, "poststart", 0, big, sizeof(big), NULL, &err), 0);
}

static void test_huge_timeout(void **state)
{
	static const int64_t timeout = INT64_MAX;
	const char *args[3];
	struct oci_hook hook = shell_hook(args, "exit 0");
	struct wh_error err = WH_ERROR_INIT;

	hook.timeout = &timeout;
	assert_int_equal(run_hook(&hook, "prestart", 0, "", 0, NULL, &err), 0);
}

/** Of much output the error has the end. */
static void test_long_output(void **state)
{
	const char *args[3];
	struct oci_hook hook = shell_hook(args, "/usr/bin/seq 1 10000; exit 1");
	struct wh_error err = WH_ERROR_INIT;

	assert_true(run_hook(&hook, "prestart", 0, "", 0, NULL, &err) < 0);
	assert_non_null(strstr(err.message, "exit status 1: ..."));
	assert_string_equal(err.message + strlen(err.message) - 11, " 9999 10000");
}

/** In order, up to the first failure. */
static void test_list(void **state)
{
	char path[] = "/tmp/wherry-hooks-XXXXXX";
	int fd = mkstemp(path);
	char scripts[3][128];
	const char *args[3][3];
	struct oci_hook hooks[3];
	struct wh_error err = WH_ERROR_INIT;
	const struct hook_setting nothing = {.state = ""};
	char text[16] = "";

	assert_true(fd >= 0);
	for (int i = 0; i < 3; i++) {
		snprintf(scripts[i], sizeof(scripts[i]), "echo %d >>%s; exit %d", i, path, i);
		hooks[i] = shell_hook(args[i], scripts[i]);
	}
	assert_true(hooks_run(hooks, 3, "createContainer", &nothing, &err) < 0);
	assert_string_equal(err.message, "hooks.createContainer[1] '/bin/sh': exit status 1");
	assert_int_equal(read(fd, text, sizeof(text) - 1), 4);
	assert_string_equal(text, "0\n1\n");
	assert_int_equal(hooks_run(hooks, 1, "createContainer", &nothing, &err), 0);
	assert_int_equal(hooks_run(NULL, 0, "createContainer", &nothing, &err), 0);
	close(fd);
	unlink(path);
}

/** The bundle, or when that is gone the caller's directory. */
static void test_working_directory(void **state)
{
	const char *args[3];
	struct oci_hook hook = shell_hook(args, "pwd; exit 1");
	struct hook_setting setting = {.state = "", .cwd = "/usr/share"};
	struct wh_error err = WH_ERROR_INIT;

	assert_true(hook_run(&hook, "prestart", 0, &setting, &err) < 0);
	assert_non_null(strstr(err.message, "exit status 1: /usr/share"));
	setting.cwd = "/nonexistent/bundle";
	err = WH_ERROR_INIT;
	assert_true(hook_run(&hook, "prestart", 0, &setting, &err) < 0);
	assert_non_null(strstr(err.message, "exit status 1: /"));
	assert_null(strstr(err.message, "nonexistent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_working_directory), cmocka_unit_test(test_failures),
	    cmocka_unit_test(test_success),           cmocka_unit_test(test_not_executable),
	    cmocka_unit_test(test_arguments),         cmocka_unit_test(test_environment),
	    cmocka_unit_test(test_timeout),           cmocka_unit_test(test_timeout_of_a_daemon),
	    cmocka_unit_test(test_state_not_read),    cmocka_unit_test(test_huge_timeout),
	    cmocka_unit_test(test_long_output),       cmocka_unit_test(test_list),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
