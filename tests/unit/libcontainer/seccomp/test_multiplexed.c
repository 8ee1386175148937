/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/multiplexed.h"

#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/unit/group_arena.h"

static const struct oci_seccomp_arg args[] = {
    {.index = 0, .value = 16, .op = OCI_SECCOMP_EQ},
    {.index = 2, .value = 9,  .op = OCI_SECCOMP_GE},
};

/** A rule with the first @n_args of these conditions. */
static struct seccomp_rule about(const char *name, uint32_t action, size_t n_args)
{
	return (struct seccomp_rule){.number = seccomp_syscall_resolve_name(name),
				     .name = name,
				     .action = action,
				     .args = args,
				     .n_args = n_args};
}

static struct seccomp_rules add(struct seccomp_rule *rows, size_t n)
{
	struct seccomp_rules rules = {rows, n};

	assert_int_equal(seccomp_multiplexed_add(&rules, &arena, NULL), 0);
	return rules;
}

static void assert_added(const struct seccomp_rule *row, const char *name, uint32_t action,
			 uint64_t call, const struct oci_seccomp_arg *more)
{
	assert_string_equal(row->name, name);
	assert_int_equal(row->number, seccomp_syscall_resolve_name(name));
	assert_int_equal(row->action, action);
	assert_int_equal(row->n_args, more ? 2 : 1);
	assert_int_equal(row->args[0].index, 0);
	assert_int_equal(row->args[0].op, OCI_SECCOMP_EQ);
	assert_int_equal(row->args[0].value, call);
	if (more)
		assert_memory_equal(&row->args[1], more, sizeof(*more));
}

static void test_sockets(void **state)
{
	struct seccomp_rule rows[] = {
	    about("bind", SCMP_ACT_ALLOW, 0),      about("bind", SCMP_ACT_TRAP, 2),
	    about("read", SCMP_ACT_LOG, 2),        about("shmat", SCMP_ACT_ALLOW, 0),
	    about("socket", SCMP_ACT_ERRNO(1), 2), about("socket", SCMP_ACT_LOG, 1),
	};
	struct seccomp_rules rules;

	rules = add(rows, ARRAY_LEN(rows));
	assert_int_equal(rules.n, ARRAY_LEN(rows) + 3);
	assert_memory_equal(rules.rows, rows, sizeof(rows));
	/* bind's other rule does not count, nor do the calls of others */
	assert_added(&rules.rows[6], "socketcall", SCMP_ACT_ALLOW, 2, NULL);
	assert_added(&rules.rows[7], "socketcall", SCMP_ACT_ERRNO(1), 1, &args[1]);
	assert_added(&rules.rows[8], "socketcall", SCMP_ACT_LOG, 1, NULL);
}

static void test_both(void **state)
{
	struct seccomp_rule rows[] = {
	    about("shmat", SCMP_ACT_LOG, 2),
	    about("socket", SCMP_ACT_ALLOW, 0),
	    about("socketcall", SCMP_ACT_TRAP, 1),
	};
	struct seccomp_rules rules;

	rules = add(rows, ARRAY_LEN(rows));
	assert_int_equal(rules.n, ARRAY_LEN(rows) + 2);
	assert_added(&rules.rows[3], "socketcall", SCMP_ACT_ALLOW, 1, NULL);
	assert_added(&rules.rows[4], "ipc", SCMP_ACT_LOG, 21, &args[1]);
}

/** Where libseccomp does all there is to do. */
static void test_nothing(void **state)
{
	struct seccomp_rule plain[] = {
	    about("read", SCMP_ACT_LOG, 2),
	    about("socket", SCMP_ACT_ALLOW, 0),
	    about("socket", SCMP_ACT_TRAP, 1),
	};
	struct seccomp_rule decided[] = {
	    about("socket", SCMP_ACT_TRAP, 1),
	    about("socketcall", SCMP_ACT_ALLOW, 0),
	    about("socketcall", SCMP_ACT_TRAP, 1),
	};

	assert_int_equal(add(plain, ARRAY_LEN(plain)).n, ARRAY_LEN(plain));
	assert_int_equal(add(decided, ARRAY_LEN(decided)).n, ARRAY_LEN(decided));
	assert_int_equal(add(decided, 0).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sockets),
	    cmocka_unit_test(test_both),
	    cmocka_unit_test(test_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
