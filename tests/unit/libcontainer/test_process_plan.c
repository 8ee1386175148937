/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/container_plan.h"

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
	struct oci_spec spec;
	struct container_plan_input input;
	struct process_plan plan;
};

static const char *default_args[] = {"/bin/true"};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || arena_init(&f->arena, NULL) < 0)
		return -1;
	problems_init(&f->problems, &f->arena);
	f->process.args = default_args;
	f->process.n_args = 1;
	f->process.cwd = "/";
	f->input.id = "c";
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

static void build(struct fixture *f)
{
	assert_int_equal(process_plan_build(&f->process, &f->spec, &f->input, &f->arena,
					    &f->problems, &f->plan, NULL),
			 0);
}

static void expect_env(const struct fixture *f, const char *const *want)
{
	size_t n = 0;

	for (; want[n]; n++)
		assert_string_equal(f->plan.env[n], want[n]);
	assert_int_equal(f->plan.n_env, n);
	assert_null(f->plan.env[n]);
}

static void test_environment(void **state)
{
	static const struct {
		const char *name;
		const char *env[6];
		const char *want[6];
		bool home_missing;
	} cases[] = {
	    {"empty",                    {NULL},                {NULL},         true },
	    {"the last of a name wins",  {"A=1", "B=2", "A=3"}, {"A=3", "B=2"}, true },
	    {"a longer name is another", {"A=1", "AB=2", "A"},  {"A", "AB=2"},  true },
	    {"home stays",               {"HOME=/h"},           {"HOME=/h"},    false},
	    {"an empty home is none",    {"HOME=", "A=1"},      {"A=1"},        true },
	    {"home by its last value",   {"HOME=/h", "HOME="},  {NULL},         true },
	    {"HOMER is no home",         {"HOMER=x"},           {"HOMER=x"},    true },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *env[6];

		memcpy(env, cases[i].env, sizeof(env));
		f->process.env = env;
		for (f->process.n_env = 0; env[f->process.n_env]; f->process.n_env++)
			;
		build(f);
		expect_env(f, cases[i].want);
		if (f->plan.home_missing != cases[i].home_missing)
			fail_msg("%s: home_missing is %d", cases[i].name, f->plan.home_missing);
	}
}

static void test_listen_fds(void **state)
{
	struct fixture *f = *state;

	f->input.listen_fds = "2";
	f->input.preserve_fds = 1;
	build(f);
	expect_env(f, (const char *const[]){"LISTEN_FDS=2", NULL});
	assert_int_equal(f->plan.preserve_fds, 3);
	assert_true(f->plan.listen_pid);

	f->input.listen_fds = "x";
	build(f);
	assert_int_equal(f->problems.n_errors, 1);
	assert_non_null(strstr(f->problems.first->text, "LISTEN_FDS='x'"));
}

static void test_notify_socket(void **state)
{
	struct fixture *f = *state;

	f->input.notify_socket = "/run/systemd/notify";
	build(f);
	expect_env(f, (const char *const[]){"NOTIFY_SOCKET=/run/notify/notify.sock", NULL});
}

static void test_defaults(void **state)
{
	struct fixture *f = *state;

	build(f);
	assert_int_equal(f->plan.umask, 0022);
	assert_int_equal(f->plan.caps_bounding, 0);
	assert_false(f->plan.no_new_privs);
	assert_false(f->plan.terminal);
	assert_string_equal(f->plan.keyring, "_ses.c");
	assert_null(f->plan.args[1]);
	f->input.no_new_keyring = true;
	build(f);
	assert_null(f->plan.keyring);
}

static void test_keep_groups(void **state)
{
	static const struct {
		const char *key, *value;
		bool set;
	} cases[] = {
	    {"run.oci.keep_original_groups", "1", false},
	    {"run.oci.keep_original_groups", "0", true },
	    {"run.oci.keep_original_groups", "",  true },
	    {"another",                      "1", true },
	};
	struct fixture *f = *state;

	build(f);
	assert_true(f->plan.set_groups);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct oci_string_map map = {cases[i].key, cases[i].value};

		f->spec.annotations = &map;
		f->spec.n_annotations = 1;
		build(f);
		assert_int_equal(f->plan.set_groups, cases[i].set);
	}
}

/* An explicit false is not the same as a value being there. */
static void test_no_new_privileges_false(void **state)
{
	struct fixture *f = *state;
	bool value = false;

	f->process.no_new_privileges = &value;
	build(f);
	assert_false(f->plan.no_new_privs);
	value = true;
	build(f);
	assert_true(f->plan.no_new_privs);
}

static void test_capabilities(void **state)
{
	struct fixture *f = *state;
	const struct oci_capability_set bounding = {.mask = 3};
	const struct oci_capability_set effective = {.mask = 1};
	const struct oci_capabilities caps = {.bounding = &bounding, .effective = &effective};

	f->process.capabilities = &caps;
	build(f);
	assert_int_equal(f->plan.caps_bounding, 3);
	assert_int_equal(f->plan.caps_effective, 1);
	assert_int_equal(f->plan.caps_permitted, 0);
	assert_int_equal(f->plan.caps_inheritable, 0);
	assert_int_equal(f->plan.caps_ambient, 0);
}

/* Ambient is what is permitted and inheritable too; asking for more is no error. */
static void test_ambient_capabilities(void **state)
{
	struct fixture *f = *state;
	const struct oci_capability_set three = {.mask = 7};
	const struct oci_capability_set two = {.mask = 3};
	const struct oci_capability_set last = {.mask = 6};
	struct oci_capabilities caps = {.permitted = &two, .ambient = &three};

	f->process.capabilities = &caps;
	build(f);
	assert_int_equal(f->plan.caps_ambient, 0);
	caps.inheritable = &last;
	build(f);
	assert_int_equal(f->plan.caps_ambient, 2);
	assert_int_equal(f->problems.n_errors, 0);
}

static void test_problems(void **state)
{
	struct fixture *f = *state;
	const struct oci_console_size size = {.height = 70000, .width = 80};

	f->process.n_args = 0;
	f->process.terminal = true;
	f->process.console_size = &size;
	build(f);
	assert_int_equal(f->problems.n_errors, 2);
	assert_non_null(strstr(f->problems.first->text, "process.consoleSize"));
	assert_non_null(strstr(f->problems.last->text, "process.args"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_listen_fds, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_notify_socket, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_keep_groups, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_new_privileges_false, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_capabilities, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ambient_capabilities, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_problems, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
