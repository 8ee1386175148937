/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/exec_process.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

struct fixture {
	struct arena arena;
	struct problems problems;
	struct oci_process process;
	struct oci_linux linux_;
	struct oci_spec spec;
	struct exec_options opts;
};

static int setup(void **state)
{
	static const char *env[] = {"PATH=/bin"};
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || arena_init(&f->arena, NULL) < 0)
		return -1;
	problems_init(&f->problems, &f->arena);
	f->process = (struct oci_process){
	    .cwd = "/", .env = env, .n_env = 1, .user = {.uid = 5, .gid = 6}
        };
	f->spec.process = &f->process;
	f->spec.linux_ = &f->linux_;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_done(&f->arena);
	free(f);
	return 0;
}

/* CVE-2026-30892, CVE-2016-3697: what is no plain number runs nothing. */
static void test_user(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint32_t uid;
		uint32_t gid;
	} cases[] = {
	    {"1",		    true,  1,           6},
	    {"1000",                 true,  1000,        6},
	    {"1:2",                  true,  1,           2},
	    {"0:0",                  true,  0,           0},
	    {"2147483648",           true,  2147483648U, 6},
	    {"4294967294",           true,  4294967294U, 6},
	    {":5",		   false, 0,           0},
	    {"1:",		   false, 0,           0},
	    {"1:2:3",                false, 0,           0},
	    {"0x1",                  false, 0,           0},
	    {"1e3",                  false, 0,           0},
	    {" 1",		   false, 0,           0},
	    {"+1",		   false, 0,           0},
	    {"",		     false, 0,           0},
	    {"-1",		   false, 0,           0},
	    {"4294967295",           false, 0,           0},
	    {"4294967296",           false, 0,           0},
	    {"99999999999999999999", false, 0,           0},
	    {"root",                 false, 0,           0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		uint32_t uid = 77;
		uint32_t gid = 6;
		int rc = exec_parse_user(cases[i].text, &uid, &gid, &err);

		if ((rc == 0) != cases[i].ok)
			fail_msg("'%s' gave %d", cases[i].text, rc);
		if (!cases[i].ok) {
			assert_int_equal(err.kind, WH_ERROR_USAGE);
			assert_int_equal(uid, 77);
			continue;
		}
		assert_int_equal(uid, cases[i].uid);
		assert_int_equal(gid, cases[i].gid);
	}
}

static const struct oci_process *build(struct fixture *f)
{
	const struct oci_process *process = NULL;

	assert_int_equal(
	    exec_process_build(&f->opts, &f->spec, &f->arena, &f->problems, &process, NULL), 0);
	return process;
}

static void test_options_change_the_process(void **state)
{
	static const char *const args[] = {"id", "-u"};
	static const char *const env[] = {"A=1"};
	static const uint32_t gids[] = {7};
	struct fixture *f = *state;
	const struct oci_process *process;

	f->opts = (struct exec_options){.args = args,
					.n_args = 2,
					.env = env,
					.n_env = 1,
					.additional_gids = gids,
					.n_additional_gids = 1,
					.cwd = "/tmp",
					.user = "9",
					.no_new_privs = true,
					.tty = true};
	process = build(f);
	assert_int_equal(process->n_args, 2);
	assert_string_equal(process->args[1], "-u");
	assert_int_equal(process->n_env, 2);
	assert_string_equal(process->env[0], "PATH=/bin");
	assert_string_equal(process->env[1], "A=1");
	assert_string_equal(process->cwd, "/tmp");
	assert_int_equal(process->user.uid, 9);
	assert_int_equal(process->user.gid, 6);
	assert_int_equal(process->user.n_additional_gids, 1);
	assert_true(*process->no_new_privileges);
	assert_true(process->terminal);
	/* the container's own process is as it was */
	assert_int_equal(f->process.user.uid, 5);
	assert_int_equal(f->process.n_env, 1);
}

/* CVE-2022-29162: never inheritable, never ambient. */
static void test_capabilities(void **state)
{
	static const char *const args[] = {"true"};
	static const char *const caps[] = {"CAP_NET_RAW", "sys_time"};
	struct fixture *f = *state;
	const struct oci_process *process;

	f->opts = (struct exec_options){.args = args, .n_args = 1, .caps = caps, .n_caps = 2};
	process = build(f);
	assert_true(process->capabilities->bounding->mask ==
		    (1ULL << CAP_NET_RAW | 1ULL << CAP_SYS_TIME));
	assert_true(process->capabilities->effective->mask ==
		    process->capabilities->bounding->mask);
	assert_true(process->capabilities->permitted->mask ==
		    process->capabilities->bounding->mask);
	assert_null(process->capabilities->inheritable);
	assert_null(process->capabilities->ambient);
}

static void test_bad_options(void **state)
{
	static const char *const args[] = {"true"};
	static const char *const caps[] = {"CAP_NO_SUCH"};
	struct fixture *f = *state;
	const struct oci_process *process;
	struct wh_error err = WH_ERROR_INIT;

	assert_true(
	    exec_process_build(&f->opts, &f->spec, &f->arena, &f->problems, &process, &err) < 0);
	assert_non_null(strstr(err.message, "the command is missing"));
	f->opts = (struct exec_options){.args = args, .n_args = 1, .caps = caps, .n_caps = 1};
	assert_true(
	    exec_process_build(&f->opts, &f->spec, &f->arena, &f->problems, &process, &err) < 0);
	assert_non_null(strstr(err.message, "CAP_NO_SUCH"));
	f->opts = (struct exec_options){.process_file = "/does/not/exist"};
	err = WH_ERROR_INIT;
	assert_true(
	    exec_process_build(&f->opts, &f->spec, &f->arena, &f->problems, &process, &err) < 0);
	assert_non_null(strstr(err.message, "/does/not/exist"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_user),
	    cmocka_unit_test_setup_teardown(test_options_change_the_process, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_capabilities, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bad_options, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
