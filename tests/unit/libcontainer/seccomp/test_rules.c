/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/rules.h"

#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/unit/group_arena.h"

static const char *read_name[] = {"read"};
static struct oci_seccomp_arg one = {.index = 1, .value = 1, .op = OCI_SECCOMP_EQ};
static struct oci_seccomp_arg two[] = {
    {.index = 1, .value = 1, .op = OCI_SECCOMP_EQ},
    {.index = 1, .value = 2, .op = OCI_SECCOMP_GT},
};

static struct oci_seccomp_syscall plain(int64_t action)
{
	return (struct oci_seccomp_syscall){.names = read_name, .n_names = 1, .action = action};
}

static struct oci_seccomp_syscall asking(int64_t action)
{
	struct oci_seccomp_syscall rule = plain(action);

	rule.args = &one;
	rule.n_args = 1;
	return rule;
}

static int add(int64_t default_action, struct oci_seccomp_syscall *rules, size_t n,
	       struct seccomp_calls *ret, struct wh_error *err)
{
	const struct oci_seccomp profile = {
	    .default_action = default_action, .syscalls = rules, .n_syscalls = n};
	scmp_filter_ctx ctx = seccomp_init(seccomp_action_value(default_action, NULL));
	int rc = seccomp_rules_add(ctx, &profile, &arena, ret, err);

	seccomp_release(ctx);
	return rc;
}

/** The strictest first, and of the same kind those that the profile has first. */
static void test_order(void **state)
{
	static const uint32_t other_errno = 77;
	static const int64_t actions[] = {
	    OCI_SECCOMP_ALLOW, OCI_SECCOMP_ERRNO,  OCI_SECCOMP_KILL,
	    OCI_SECCOMP_ERRNO, OCI_SECCOMP_TRACE,  OCI_SECCOMP_TRAP,
	    OCI_SECCOMP_LOG,   OCI_SECCOMP_NOTIFY, OCI_SECCOMP_KILL_PROCESS,
	};
	static const uint32_t want[] = {
	    SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
	    SECCOMP_RET_ERRNO | 77,   SECCOMP_RET_ERRNO | 1,   SECCOMP_RET_USER_NOTIF,
	    SECCOMP_RET_TRACE | 1,    SECCOMP_RET_ALLOW,
	};
	struct oci_seccomp_syscall rules[ARRAY_LEN(actions)];
	struct seccomp_calls calls;

	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		rules[i] = asking(actions[i]);
	rules[1].errno_ret = &other_errno;
	assert_int_equal(add(OCI_SECCOMP_LOG, rules, ARRAY_LEN(rules), &calls, NULL), 0);
	assert_int_equal(calls.n, 1);
	assert_int_equal(calls.calls[0].n_rules, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(calls.calls[0].rules[i].action, want[i]);
}

/** With a rule without conditions there is nothing to ask, unless it says what the default says. */
static void test_plain_rule(void **state)
{
	struct oci_seccomp_syscall rules[] = {asking(OCI_SECCOMP_KILL), plain(OCI_SECCOMP_ALLOW),
					      asking(OCI_SECCOMP_TRAP)};
	struct seccomp_calls calls;

	assert_int_equal(add(OCI_SECCOMP_ERRNO, rules, 3, &calls, NULL), 0);
	assert_int_equal(calls.n, 0);
	assert_int_equal(add(OCI_SECCOMP_ALLOW, rules, 3, &calls, NULL), 0);
	assert_int_equal(calls.n, 1);
	assert_int_equal(calls.calls[0].n_rules, 2);
}

/** Several conditions on one argument are as many rules. */
static void test_alternatives(void **state)
{
	struct oci_seccomp_syscall rule = asking(OCI_SECCOMP_ALLOW);
	struct seccomp_calls calls;

	rule.args = two;
	rule.n_args = 2;
	assert_int_equal(add(OCI_SECCOMP_ERRNO, &rule, 1, &calls, NULL), 0);
	assert_int_equal(calls.n, 1);
	assert_int_equal(calls.calls[0].n_rules, 2);
	assert_int_equal(calls.calls[0].rules[1].n_args, 1);
	assert_int_equal(calls.calls[0].rules[1].args[0].value, 2);
}

/** A marker is an action that the profile does not have. */
static void test_markers(void **state)
{
	static const char *names[] = {"read", "write", "close"};
	static const uint32_t values[] = {0xffff, 0xfffd};
	struct oci_seccomp_syscall rules[] = {asking(OCI_SECCOMP_TRACE), plain(OCI_SECCOMP_TRACE)};
	struct seccomp_calls calls;

	rules[0].names = names;
	rules[0].n_names = 2;
	rules[0].errno_ret = &values[0];
	rules[1].names = &names[2];
	rules[1].errno_ret = &values[1];
	assert_int_equal(add(OCI_SECCOMP_ERRNO, rules, 2, &calls, NULL), 0);
	assert_int_equal(calls.n, 2);
	assert_int_equal(calls.calls[0].marker, SECCOMP_RET_TRACE | 0xfffe);
	assert_int_equal(calls.calls[1].marker, SECCOMP_RET_TRACE | 0xfffc);
}

static void test_no_marker(void **state)
{
	enum { N = 0x10000 };
	struct oci_seccomp_syscall *rules = calloc(N, sizeof(*rules));
	uint32_t *values = calloc(N, sizeof(*values));
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_calls calls;

	for (uint32_t i = 0; i < N; i++) {
		values[i] = i;
		rules[i] = asking(OCI_SECCOMP_TRACE);
		rules[i].errno_ret = &values[i];
	}
	assert_true(add(OCI_SECCOMP_ERRNO, rules, N, &calls, &err) < 0);
	assert_string_equal(err.message,
			    "linux.seccomp: the rules have every value of SCMP_ACT_TRACE");
	assert_int_equal(add(OCI_SECCOMP_ERRNO, rules + 1, N - 1, &calls, NULL), 0);
	assert_int_equal(calls.calls[0].marker, SECCOMP_RET_TRACE);
	free(rules);
	free(values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),        cmocka_unit_test(test_plain_rule),
	    cmocka_unit_test(test_alternatives), cmocka_unit_test(test_markers),
	    cmocka_unit_test(test_no_marker),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
