/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/sys.h"
#include "namespaces/sysctl.h"

#define ALL (CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUSER)

struct sysctl_case {
	const char *key;
	int own;
	const char *path;    /* below /proc/sys; NULL: refused */
	const char *problem; /* part of its text */
};

/* clang-format off */
static const struct sysctl_case cases[] = {
	{ "kernel.domainname", CLONE_NEWUTS, "kernel/domainname", NULL },
	{ "kernel.domainname", ALL & ~CLONE_NEWUTS, NULL, "needs the container to have its own uts namespace" },
	{ "kernel.hostname", ALL, NULL, "the property hostname" },
	{ "kernel/hostname", ALL, NULL, "the property hostname" },
	{ "kernel.sem", CLONE_NEWIPC, "kernel/sem", NULL },
	{ "kernel.msgmax", CLONE_NEWIPC, "kernel/msgmax", NULL },
	{ "kernel.shm_rmid_forced", CLONE_NEWIPC, "kernel/shm_rmid_forced", NULL },
	{ "kernel.shmmax", ALL & ~CLONE_NEWIPC, NULL, "'kernel.shmmax' needs the container to have its own ipc namespace" },
	{ "kernel.semx", ALL, NULL, "belongs to no namespace" },
	{ "fs.mqueue.queues_max", CLONE_NEWIPC, "fs/mqueue/queues_max", NULL },
	{ "fs.mqueue.queues_max", 0, NULL, "needs the container to have its own ipc namespace" },
	{ "fs.mqueuex", ALL, NULL, "belongs to no namespace" },
	{ "fs.file-max", ALL, NULL, "'fs.file-max' belongs to no namespace" },
	{ "kernel.core_pattern", ALL, NULL, "'kernel.core_pattern' belongs to no namespace" },
	{ "net.ipv4.ip_forward", CLONE_NEWNET, "net/ipv4/ip_forward", NULL },
	{ "net/ipv4/ip_forward", CLONE_NEWNET, "net/ipv4/ip_forward", NULL },
	{ "net.ipv4.conf.eth0/1.forwarding", CLONE_NEWNET, "net/ipv4/conf/eth0.1/forwarding", NULL },
	{ "net/ipv4/conf/eth0.1/forwarding", CLONE_NEWNET, "net/ipv4/conf/eth0.1/forwarding", NULL },
	{ "net.ipv4.ip_forward", ALL & ~CLONE_NEWNET, NULL, "needs the container to have its own network namespace" },
	{ "user.max_user_namespaces", CLONE_NEWUSER, "user/max_user_namespaces", NULL },
	{ "user.max_user_namespaces", ALL & ~CLONE_NEWUSER, NULL, "needs the container to have its own user namespace" },
	{ "net/../kernel/core_pattern", ALL, NULL, "is not the name" },
	{ "net..ipv4", ALL, NULL, "is not the name" },
	{ "net/./ipv4", ALL, NULL, "is not the name" },
	{ "/net/ipv4", ALL, NULL, "is not the name" },
	{ "net/ipv4/", ALL, NULL, "is not the name" },
	{ "net", ALL, NULL, "belongs to no namespace" },
	{ "net.a\nb", ALL, NULL, "is not the name" },
	{ "", ALL, NULL, "is not the name" },
};
/* clang-format on */

static void test_each_key(void **state)
{
	struct arena *arena = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct oci_string_map key = {cases[i].key, "1"};
		struct oci_string_map *planned = NULL;
		struct wh_error err = WH_ERROR_INIT;
		struct problems problems;
		size_t count = 99;

		print_message("# '%s'\n", cases[i].path ? cases[i].path : cases[i].problem);
		problems_init(&problems, arena);
		assert_int_equal(sysctl_plan_build(&key, 1, cases[i].own, arena, &problems,
						   &planned, &count, &err),
				 0);
		assert_int_equal(count, cases[i].path ? 1 : 0);
		assert_int_equal(problems.n_errors, cases[i].path ? 0 : 1);
		if (cases[i].path) {
			assert_string_equal(planned[0].key, cases[i].path);
			assert_string_equal(planned[0].value, "1");
		} else {
			assert_non_null(strstr(problems.first->text, cases[i].problem));
		}
	}
}

/** What is refused is left out, the rest keeps its order. */
static void test_list(void **state)
{
	struct oci_string_map keys[] = {
	    {"net.b",         "1"},
            {"vm.swappiness", "2"},
            {"net.a",         "3"}
        };
	struct oci_string_map *planned = NULL;
	struct wh_error err = WH_ERROR_INIT;
	struct problems problems;
	size_t count = 0;

	problems_init(&problems, *state);
	assert_int_equal(sysctl_plan_build(keys, 3, ALL, *state, &problems, &planned, &count, &err),
			 0);
	assert_int_equal(count, 2);
	assert_string_equal(planned[0].key, "net/b");
	assert_string_equal(planned[1].key, "net/a");
	assert_string_equal(planned[1].value, "3");
	assert_int_equal(problems.n_errors, 1);
}

static int set_up(void **state)
{
	static struct arena arena;
	struct wh_error err = WH_ERROR_INIT;

	*state = &arena;
	return arena_init(&arena, &err);
}

static int tear_down(void **state)
{
	arena_done(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_key),
	    cmocka_unit_test(test_list),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
