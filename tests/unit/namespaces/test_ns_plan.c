/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/sys.h"
#include "namespaces/ns_plan.h"

#define PATH "/proc/1/ns/x"

static struct arena arena;

static int set_up(void **state)
{
	struct wh_error err = WH_ERROR_INIT;

	return arena_init(&arena, &err);
}

static int tear_down(void **state)
{
	arena_done(&arena);
	return 0;
}

/** Build @linux_'s plan in the global arena; every case shares it. */
static struct ns_plan build(const struct oci_spec *spec, bool privileged, struct problems *problems)
{
	struct wh_error err = WH_ERROR_INIT;
	struct ns_plan plan = {0};

	problems_init(problems, &arena);
	assert_int_equal(ns_plan_build(spec, privileged, &arena, problems, &plan, &err), 0);
	return plan;
}

struct place_case {
	const char *name;
	struct oci_namespace namespaces[4];
	size_t n_time_offsets;
	uint64_t clone_flags;
	uint64_t unshare_flags;
	int joins[3];  /* in order; 0 ends */
	int by_parent; /* types joined by the parent */
	bool new_cgroup;
	bool fork_after;
};

/* clang-format off */
static const struct place_case place_cases[] = {
	{ .name = "nothing asked for" },
	{ .name = "new ones come with clone3", .namespaces = { { CLONE_NEWPID }, { CLONE_NEWNS }, { CLONE_NEWUTS } },
	  .clone_flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS },
	{ .name = "an empty path is a new one", .namespaces = { { CLONE_NEWIPC, "" } }, .clone_flags = CLONE_NEWIPC },
	{ .name = "cgroup is init's", .namespaces = { { CLONE_NEWCGROUP }, { CLONE_NEWUSER } }, .clone_flags = CLONE_NEWUSER,
	  .new_cgroup = true },
	{ .name = "user namespace and the rest together", .namespaces = { { CLONE_NEWPID }, { CLONE_NEWUSER }, { CLONE_NEWNET } },
	  .clone_flags = CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWNET },
	{ .name = "time without offsets", .namespaces = { { CLONE_NEWTIME } }, .clone_flags = CLONE_NEWTIME },
	{ .name = "time with offsets", .namespaces = { { CLONE_NEWTIME }, { CLONE_NEWUTS } }, .n_time_offsets = 1,
	  .clone_flags = CLONE_NEWUTS, .unshare_flags = CLONE_NEWTIME },
	{ .name = "joined network", .namespaces = { { CLONE_NEWNET, PATH }, { CLONE_NEWPID } }, .clone_flags = CLONE_NEWPID,
	  .joins = { CLONE_NEWNET } },
	{ .name = "joined pid is last and forks", .namespaces = { { CLONE_NEWPID, PATH }, { CLONE_NEWNS, PATH }, { CLONE_NEWUTS, PATH } },
	  .joins = { CLONE_NEWUTS, CLONE_NEWNS, CLONE_NEWPID }, .fork_after = true },
	{ .name = "joined user is first, new ones after it", .namespaces = { { CLONE_NEWNET, PATH }, { CLONE_NEWUSER, PATH }, { CLONE_NEWNS }, { CLONE_NEWCGROUP } },
	  .unshare_flags = CLONE_NEWNS, .joins = { CLONE_NEWUSER, CLONE_NEWNET }, .new_cgroup = true },
	{ .name = "joined user with new pid forks", .namespaces = { { CLONE_NEWUSER, PATH }, { CLONE_NEWPID } },
	  .unshare_flags = CLONE_NEWPID, .joins = { CLONE_NEWUSER }, .fork_after = true },
	{ .name = "joined user with joined pid forks", .namespaces = { { CLONE_NEWUSER, PATH }, { CLONE_NEWPID, PATH } },
	  .joins = { CLONE_NEWUSER, CLONE_NEWPID }, .fork_after = true },
	{ .name = "joined user with new time", .namespaces = { { CLONE_NEWUSER, PATH }, { CLONE_NEWTIME } },
	  .unshare_flags = CLONE_NEWTIME, .joins = { CLONE_NEWUSER } },
	{ .name = "beside a new user namespace the parent joins", .namespaces = { { CLONE_NEWUSER }, { CLONE_NEWNET, PATH }, { CLONE_NEWPID, PATH } },
	  .clone_flags = CLONE_NEWUSER, .joins = { CLONE_NEWNET, CLONE_NEWPID }, .by_parent = CLONE_NEWNET | CLONE_NEWPID },
	{ .name = "but not a mount namespace", .namespaces = { { CLONE_NEWUSER }, { CLONE_NEWNS, PATH } },
	  .clone_flags = CLONE_NEWUSER, .joins = { CLONE_NEWNS } },
};
/* clang-format on */

static void test_places(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(place_cases); i++) {
		const struct place_case *c = &place_cases[i];
		struct oci_time_offset offsets[] = {
		    {CLOCK_BOOTTIME, 5, 0}
                };
		struct oci_linux linux_ = {.namespaces = (struct oci_namespace *)c->namespaces};
		struct oci_spec spec = {.linux_ = &linux_};
		struct problems problems;
		struct ns_plan plan;

		print_message("# %s\n", c->name);
		while (linux_.n_namespaces < ARRAY_LEN(c->namespaces) &&
		       c->namespaces[linux_.n_namespaces].type)
			linux_.n_namespaces++;
		linux_.time_offsets = c->n_time_offsets ? offsets : NULL;
		linux_.n_time_offsets = c->n_time_offsets;
		plan = build(&spec, true, &problems);
		assert_int_equal(plan.clone_flags, c->clone_flags);
		assert_int_equal(plan.unshare_flags, c->unshare_flags);
		assert_int_equal(plan.new_cgroup, c->new_cgroup);
		assert_int_equal(plan.fork_after, c->fork_after);
		assert_int_equal(plan.n_time_offsets, c->n_time_offsets);
		for (size_t j = 0; j < plan.n_joins; j++) {
			assert_int_equal(plan.joins[j].type, c->joins[j]);
			assert_string_equal(plan.joins[j].path, PATH);
			assert_int_equal(plan.joins[j].by_parent,
					 (c->by_parent & c->joins[j]) != 0);
		}
		assert_true(plan.n_joins == ARRAY_LEN(c->joins) || c->joins[plan.n_joins] == 0);
	}
}

static void test_questions(void **state)
{
	struct oci_namespace namespaces[] = {
	    {CLONE_NEWUSER,   PATH},
            {CLONE_NEWNET,    NULL},
            {CLONE_NEWCGROUP, NULL}
        };
	struct oci_linux linux_ = {.namespaces = namespaces, .n_namespaces = 3};
	struct oci_spec spec = {.linux_ = &linux_};
	struct problems problems;
	struct ns_plan plan = build(&spec, true, &problems);

	assert_true(ns_plan_has(&plan, CLONE_NEWUSER));
	assert_false(ns_plan_is_new(&plan, CLONE_NEWUSER));
	assert_true(ns_plan_has(&plan, CLONE_NEWNET));
	assert_true(ns_plan_is_new(&plan, CLONE_NEWNET));
	assert_true(ns_plan_is_new(&plan, CLONE_NEWCGROUP));
	assert_true(ns_plan_has(&plan, CLONE_NEWCGROUP));
	assert_false(ns_plan_has(&plan, CLONE_NEWPID));
	assert_true(plan.loopback);
	assert_int_equal(problems.n_errors, 0);
}

static void test_loopback_only_when_new(void **state)
{
	struct oci_namespace namespaces[] = {
	    {CLONE_NEWNET, PATH}
        };
	struct oci_linux linux_ = {.namespaces = namespaces, .n_namespaces = 1};
	struct oci_spec spec = {.linux_ = &linux_};
	struct problems problems;

	assert_false(build(&spec, true, &problems).loopback);
}

struct problem_case {
	const char *name;
	struct oci_namespace namespace;
	struct oci_id_mapping map;
	size_t n_time_offsets;
	const char *want; /* part of the only problem; NULL: none */
};

/* clang-format off */
static const struct problem_case problem_cases[] = {
	{ .name = "joined user needs no maps", .namespace = { CLONE_NEWUSER, PATH } },
	{ .name = "joined user may have them", .namespace = { CLONE_NEWUSER, PATH }, .map = { 0, 1000, 1 } },
	{ .name = "beyond the largest id", .namespace = { CLONE_NEWUSER, PATH }, .map = { 2, 0, 4294967295 },
	  .want = "linux.uidMappings[0]: goes beyond" },
	{ .name = "beyond the largest id outside", .namespace = { CLONE_NEWUSER, PATH }, .map = { 0, 4294967294, 2 },
	  .want = "linux.uidMappings[0]: goes beyond" },
	{ .name = "all ids", .namespace = { CLONE_NEWUSER, PATH }, .map = { 0, 0, 4294967295 } },
	{ .name = "offsets of a new time", .namespace = { CLONE_NEWTIME }, .n_time_offsets = 1 },
	{ .name = "offsets of a joined time", .namespace = { CLONE_NEWTIME, PATH }, .n_time_offsets = 1,
	  .want = "linux.timeOffsets: the offsets of a joined" },
};
/* clang-format on */

static void test_problems(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(problem_cases); i++) {
		const struct problem_case *c = &problem_cases[i];
		struct oci_time_offset offsets[] = {
		    {CLOCK_BOOTTIME, 5, 0}
                };
		struct oci_linux linux_ = {
		    .namespaces = (struct oci_namespace *)&c->namespace,
		    .n_namespaces = 1,
		    .uid_mappings = (struct oci_id_mapping *)&c->map,
		    .n_uid_mappings = c->map.size ? 1 : 0,
		    .time_offsets = offsets,
		    .n_time_offsets = c->n_time_offsets,
		};
		struct oci_spec spec = {.linux_ = &linux_};
		struct problems problems;

		print_message("# %s\n", c->name);
		build(&spec, true, &problems);
		assert_int_equal(problems.n_errors, c->want ? 1 : 0);
		if (c->want)
			assert_non_null(strstr(problems.first->text, c->want));
	}
}

static const struct {
	struct oci_net_device devices[2];
	const char *want; /* part of the only problem; NULL: none */
} device_cases[] = {
    {{{"a", NULL}, {"b", ""}},         NULL				   },
    {{{"a", "eth%d"}, {"b", "eth%d"}}, NULL                                   },
    {{{"a", "x"}, {"b", "x"}},         "'b': the name 'x' is that of 'a', too"},
    {{{"a", NULL}, {"b", "a"}},        "'b': the name 'a' is that of 'a', too"},
    {{{"a", "eth%d%d"}, {"b", NULL}},  "'a': the name 'eth%d%d' may have one" },
    {{{"a", "eth%s"}, {"b", NULL}},    "'a': the name 'eth%s' may have one"   },
};

static void test_net_devices(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(device_cases); i++) {
		struct oci_namespace namespace = {CLONE_NEWNET, NULL};
		struct oci_linux linux_ = {
		    .namespaces = &namespace,
		    .n_namespaces = 1,
		    .net_devices = (struct oci_net_device *)device_cases[i].devices,
		    .n_net_devices = 2,
		};
		struct oci_spec spec = {.linux_ = &linux_};
		struct problems problems;
		struct ns_plan plan = build(&spec, true, &problems);

		assert_int_equal(plan.n_net_devices, 2);
		assert_int_equal(problems.n_errors, device_cases[i].want ? 1 : 0);
		if (device_cases[i].want)
			assert_non_null(strstr(problems.first->text, device_cases[i].want));
	}
}

static void test_names_and_sysctls(void **state)
{
	struct oci_namespace namespaces[] = {
	    {CLONE_NEWUTS, NULL},
            {CLONE_NEWNET, PATH}
        };
	struct oci_string_map sysctls[] = {
	    {"net.a",             "1"},
            {"kernel.sem",        "2"},
            {"kernel.domainname", "3"}
        };
	struct oci_linux linux_ = {
	    .namespaces = namespaces, .n_namespaces = 2, .sysctl = sysctls, .n_sysctl = 3};
	struct oci_spec spec = {.linux_ = &linux_, .hostname = "h", .domainname = ""};
	struct problems problems;
	struct ns_plan plan = build(&spec, true, &problems);

	assert_string_equal(plan.hostname, "h");
	assert_null(plan.domainname);
	assert_int_equal(plan.n_sysctl, 2);
	assert_string_equal(plan.sysctl[0].key, "net/a");
	assert_string_equal(plan.sysctl[1].key, "kernel/domainname");
	assert_int_equal(problems.n_errors, 1);
	assert_non_null(strstr(problems.first->text, "'kernel.sem' needs"));
}

/** setgroups is denied only where the kernel wants it: one group, mapped by its own user. */
static void test_deny_setgroups(void **state)
{
	struct oci_namespace user = {CLONE_NEWUSER, NULL};
	struct oci_id_mapping one[] = {
	    {0, 1000, 1}
        };
	struct oci_id_mapping many[] = {
	    {0, 100000, 65536}
        };
	struct oci_linux linux_ = {
	    .namespaces = &user,
	    .n_namespaces = 1,
	    .uid_mappings = one,
	    .n_uid_mappings = 1,
	    .n_gid_mappings = 1,
	};
	struct oci_spec spec = {.linux_ = &linux_};
	struct problems problems;

	linux_.gid_mappings = one;
	assert_true(build(&spec, false, &problems).deny_setgroups);
	assert_false(build(&spec, true, &problems).deny_setgroups);
	linux_.gid_mappings = many;
	assert_false(build(&spec, false, &problems).deny_setgroups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_questions),
	    cmocka_unit_test(test_loopback_only_when_new),
	    cmocka_unit_test(test_problems),
	    cmocka_unit_test(test_net_devices),
	    cmocka_unit_test(test_names_and_sysctls),
	    cmocka_unit_test(test_deny_setgroups),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
