/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hard limits above the caller's, which root of a container, where tests may run, cannot have. The
 * linker puts this file's getrlimit() and setrlimit() in the place of the C library's, by both names
 * that they have there.
 */
#include "libcontainer/rlimits.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

/** From this kind on limits are not the process's real ones. */
#define FIRST RLIMIT_LOCKS
/** One whose hard limit has a limit, too, as fs.nr_open is for files. */
#define BOUNDED RLIMIT_LOCKS
#define BOUND   5000
#define ONE     RLIMIT_SIGPENDING
#define ANOTHER RLIMIT_MSGQUEUE

/** A sanitizer asks for limits before its shadow memory is there. */
#define EARLY __attribute__((no_sanitize("address")))

int __real_getrlimit64(int kind, struct rlimit *ret);
int __real_setrlimit64(int kind, const struct rlimit *limit);
int __wrap_getrlimit(int kind, struct rlimit *ret);
int __wrap_setrlimit(int kind, const struct rlimit *limit);
int __wrap_getrlimit64(int kind, struct rlimit *ret);
int __wrap_setrlimit64(int kind, const struct rlimit *limit);

static struct rlimit limits[RLIM_NLIMITS];
static bool privileged; /* by CAP_SYS_RESOURCE */

EARLY int __wrap_getrlimit64(int kind, struct rlimit *ret)
{
	if (kind < FIRST)
		return __real_getrlimit64(kind, ret);
	*ret = limits[kind];
	return 0;
}

EARLY int __wrap_setrlimit64(int kind, const struct rlimit *limit)
{
	if (kind < FIRST)
		return __real_setrlimit64(kind, limit);
	errno = EPERM;
	if (limit->rlim_max > limits[kind].rlim_max && !privileged)
		return -1;
	if (kind == BOUNDED && limit->rlim_max > BOUND)
		return -1;
	limits[kind] = *limit;
	return 0;
}

EARLY int __wrap_getrlimit(int kind, struct rlimit *ret)
{
	return __wrap_getrlimit64(kind, ret);
}

EARLY int __wrap_setrlimit(int kind, const struct rlimit *limit)
{
	return __wrap_setrlimit64(kind, limit);
}

static int set_limits(void **state)
{
	for (int kind = FIRST; kind < (int)RLIM_NLIMITS; kind++)
		limits[kind] = (struct rlimit){.rlim_cur = 100, .rlim_max = 1000};
	privileged = true;
	return 0;
}

/** The soft limit is the caller's own affair: it stays. */
static void assert_limit(int kind, rlim_t hard)
{
	assert_int_equal(limits[kind].rlim_cur, 100);
	assert_int_equal(limits[kind].rlim_max, hard);
}

static void assert_lowered(const struct rlimits_raised *raised)
{
	rlimits_lower(raised);
	for (int kind = FIRST; kind < (int)RLIM_NLIMITS; kind++)
		assert_limit(kind, 1000);
}

/** Where the process will be in another user namespace; elsewhere init can do it by itself. */
static void test_whose_namespaces(void **state)
{
	static const struct {
		uint64_t clone_flags;
		uint64_t exec_namespaces;
		int join;
		bool raised;
	} cases[] = {
	    {0,			    0,			   0,             false},
	    {CLONE_NEWNS | CLONE_NEWPID,   0,                           0,             false},
	    {CLONE_NEWUSER | CLONE_NEWPID, 0,                           0,             true },
	    {0,			    CLONE_NEWNS | CLONE_NEWPID,  0,             false},
	    {0,			    CLONE_NEWNS | CLONE_NEWUSER, 0,             true },
	    {CLONE_NEWNS,                  0,                           CLONE_NEWPID,  false},
	    {CLONE_NEWNS,                  0,                           CLONE_NEWUSER, true },
	};
	struct oci_rlimit wanted = {.type = ONE, .soft = 2000, .hard = 2000};
	const struct oci_process process = {.rlimits = &wanted, .n_rlimits = 1};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ns_join joins[] = {{.type = CLONE_NEWNET}, {.type = cases[i].join}};
		const struct container_plan plan = {
		    .process.spec = &process,
		    .ns.clone_flags = cases[i].clone_flags,
		    .ns.joins = joins,
		    .ns.n_joins = cases[i].join ? 2 : 1,
		    .exec_namespaces = cases[i].exec_namespaces,
		};
		struct rlimits_raised raised;

		rlimits_raise(&plan, &raised);
		assert_limit(ONE, cases[i].raised ? 2000 : 1000);
		assert_lowered(&raised);
	}
}

static void test_which(void **state)
{
	static const struct {
		const char *name;
		bool privileged;
		struct oci_rlimit wanted[3];
		size_t n_wanted;
		rlim_t want[3]; /* hard: of BOUNDED, ONE, ANOTHER */
	} cases[] = {
	    {"none",				      true, {{0}},								     0, {1000, 1000, 1000}         },
	    {"what is as high already",
	     true,					      {{.type = ONE, .soft = 1, .hard = 1000}, {.type = ANOTHER, .hard = 999}},
	     2,															       {1000, 1000, 1000}         },
	    {"one of two",
	     true,					      {{.type = ANOTHER, .soft = 1001, .hard = 1001}, {.type = ONE, .hard = 0}},
	     2,															       {1000, 1000, 1001}         },
	    {"no limit",
	     true,					      {{.type = ONE, .hard = RLIM_INFINITY}},
	     1,															       {1000, RLIM_INFINITY, 1000}},
	    {"one that cannot be, between others",
	     true,					      {{.type = ONE, .hard = 6000},
	      {.type = BOUNDED, .hard = 6000},
	      {.type = ANOTHER, .hard = 6000}},
	     3,															       {1000, 6000, 6000}         },
	    {"of a caller who may not: init will say so",
	     false,					     {{.type = ONE, .hard = 2000}, {.type = ANOTHER, .hard = 500}},
	     2,															       {1000, 1000, 1000}         },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct oci_process process = {
		    .rlimits = (struct oci_rlimit *)cases[i].wanted,
		    .n_rlimits = cases[i].n_wanted,
		};
		const struct container_plan plan = {.process.spec = &process,
						    .ns.clone_flags = CLONE_NEWUSER};
		struct rlimits_raised raised;

		print_message("# %s\n", cases[i].name);
		privileged = cases[i].privileged;
		rlimits_raise(&plan, &raised);
		assert_limit(BOUNDED, cases[i].want[0]);
		assert_limit(ONE, cases[i].want[1]);
		assert_limit(ANOTHER, cases[i].want[2]);
		/* which needs no privilege */
		privileged = false;
		assert_lowered(&raised);
	}
}

/** Who only makes mounts has no process. */
static void test_no_process(void **state)
{
	const struct container_plan plan = {.ns.clone_flags = CLONE_NEWUSER};
	struct rlimits_raised raised = {.kinds = UINT32_MAX};

	rlimits_raise(&plan, &raised);
	assert_lowered(&raised);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_whose_namespaces, set_limits),
	    cmocka_unit_test_setup(test_which, set_limits),
	    cmocka_unit_test_setup(test_no_process, set_limits),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
