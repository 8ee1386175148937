/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/sys.h"

struct plan_case {
	struct arena arena;
	struct problems problems;
	struct oci_linux linux_;
	struct oci_process process;
	struct oci_spec spec;
	struct cgroup_plan plan;
};

static int setup(void **state)
{
	struct plan_case *c = calloc(1, sizeof(*c));

	*state = c;
	if (!c || arena_init(&c->arena, NULL) < 0)
		return -1;
	problems_init(&c->problems, &c->arena);
	c->spec.linux_ = &c->linux_;
	c->spec.process = &c->process;
	return 0;
}

static int teardown(void **state)
{
	struct plan_case *c = *state;

	arena_done(&c->arena);
	free(c);
	return 0;
}

static void build(struct plan_case *c, enum cgroup_manager manager, const char *root,
		  bool default_root, const char *own)
{
	const struct cgroup_plan_input input = {.spec = &c->spec,
						.manager = manager,
						.id = "id",
						.root = root,
						.default_root = default_root,
						.own_cgroup = own};

	problems_init(&c->problems, &c->arena);
	assert_int_equal(cgroup_plan_build(&input, &c->arena, &c->problems, &c->plan, NULL), 0);
}

static void build_default(struct plan_case *c)
{
	build(c, CGROUP_MANAGER_CGROUPFS, "/run/wherry", true, "/");
}

static void assert_problem(const struct plan_case *c, const char *want)
{
	assert_non_null(c->problems.first);
	if (!strstr(c->problems.first->text, want))
		fail_msg("want '%s', got '%s'", want, c->problems.first->text);
}

static void test_default_path(void **state)
{
	struct plan_case *c = *state;
	const char *first;

	build_default(c);
	assert_int_equal(c->problems.n_errors, 0);
	assert_string_equal(c->plan.path, "/wherry-id");
	assert_true(c->plan.own_path);
	assert_false(c->plan.delegate);
	assert_non_null(c->plan.device_program);
	build(c, CGROUP_MANAGER_CGROUPFS, "/tmp/one", false, "/");
	first = c->plan.path;
	assert_non_null(str_after(first, "/wherry."));
	assert_null(strchr(first + 1, '/'));
	build(c, CGROUP_MANAGER_CGROUPFS, "/tmp/two", false, "/");
	assert_string_not_equal(first, c->plan.path);
	build(c, CGROUP_MANAGER_CGROUPFS, "/run/wherry", true, "/user.slice/app.scope");
	assert_string_equal(c->plan.path, "/user.slice/wherry-id");
	assert_true(c->plan.own_path);
	c->linux_.cgroups_path = "";
	build_default(c);
	assert_string_equal(c->plan.path, "/wherry-id");
	assert_true(c->plan.own_path);
}

static void test_spec_paths(void **state)
{
	/* clang-format off */
	static const struct {
		const char *path, *own, *want, *want_problem;
	} cases[] = {
		{ "/default/c1", "/", "/default/c1", NULL },
		{ "/default//c1/", "/x", "/default/c1", NULL },
		{ "c1", "/", "/c1", NULL },
		{ "c1", "/user.slice/session-1.scope", "/user.slice/c1", NULL },
		{ "c1", "", "/c1", NULL },
		{ "/a:b:c", "/", "/a:b:c", NULL },
		{ "/../x", "/", NULL, "linux.cgroupsPath: '/../x': '.' and '..' are not allowed" },
		{ "../x", "/a/b", NULL, "'.' and '..'" },
		{ "/", "/", NULL, "root of the hierarchy" },
		{ "a\nb", "/", NULL, "control characters" },
		{ "system.slice:docker:1", "/", "/system.slice:docker:1", "systemd's form" },
		{ ":runc:1", "/a.slice/b.service", "/a.slice/:runc:1", "systemd's form" },
	};
	/* clang-format on */
	struct plan_case *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		c->linux_.cgroups_path = cases[i].path;
		build(c, CGROUP_MANAGER_CGROUPFS, "/run/wherry", true, cases[i].own);
		assert_false(c->plan.own_path);
		if (cases[i].want_problem)
			assert_problem(c, cases[i].want_problem);
		assert_int_equal(c->problems.n_errors, cases[i].want ? 0 : 1);
		if (cases[i].want)
			assert_string_equal(c->plan.path, cases[i].want);
	}
}

static void test_managers(void **state)
{
	static const int64_t limit = 1 << 20;
	static const struct oci_memory memory = {.limit = &limit};
	struct oci_device_rule rule = {.type = 'a'};
	struct oci_resources resources = {.devices = &rule, .n_devices = 1};
	struct plan_case *c = *state;

	c->linux_.resources = &resources;
	build(c, CGROUP_MANAGER_DISABLED, "/run/wherry", true, "/");
	assert_null(c->plan.path);
	assert_null(c->plan.device_program);
	assert_int_equal(c->problems.n_errors, 0);
	assert_int_equal(c->problems.n_warnings, 1);
	resources.memory = &memory;
	build(c, CGROUP_MANAGER_DISABLED, "/run/wherry", true, "/");
	assert_int_equal(c->problems.n_errors, 1);
	assert_non_null(
	    strstr(c->problems.last->text,
		   "linux.resources.memory.limit: no limit can be set without a cgroup"));
	assert_int_equal(c->plan.writes.count, 0);
}

/** Build for systemd, as the host's root or with a user's own manager. */
static void build_unit(struct plan_case *c, bool user, bool default_root)
{
	const struct cgroup_plan_input input = {.spec = &c->spec,
						.manager = CGROUP_MANAGER_SYSTEMD,
						.id = "id",
						.root = "/r",
						.default_root = default_root,
						.own_cgroup = "",
						.user_manager = user};

	problems_init(&c->problems, &c->arena);
	assert_int_equal(cgroup_plan_build(&input, &c->arena, &c->problems, &c->plan, NULL), 0);
}

static const char *property(const struct plan_case *c, const char *name)
{
	const struct bus_property *found = bus_properties_find(&c->plan.unit->properties, name);

	return found ? bus_value_format(&found->value, c->plan.unit->properties.arena) : "";
}

static void test_unit(void **state)
{
	static const int64_t limit = 1 << 20;
	static const struct oci_memory memory = {.limit = &limit};
	const struct oci_resources resources = {.memory = &memory};
	struct plan_case *c = *state;

	c->linux_.resources = &resources;
	build_unit(c, false, true);
	assert_int_equal(c->problems.n_errors, 0);
	assert_string_equal(c->plan.path, "/system.slice/wherry-id.scope");
	assert_string_equal(c->plan.unit->name.name, "wherry-id.scope");
	assert_true(c->plan.own_path);
	assert_non_null(c->plan.device_program);
	assert_int_equal(c->plan.writes.count, 1); /* a property may be coarser than the file */
	assert_string_equal(property(c, "Slice"), "'system.slice'");
	assert_string_equal(property(c, "Delegate"), "true");
	assert_string_equal(property(c, "DefaultDependencies"), "false");
	assert_string_equal(property(c, "MemoryAccounting"), "true");
	assert_string_equal(property(c, "CollectMode"), "'inactive-or-failed'");
	assert_string_equal(property(c, "MemoryMax"), "1048576");
	assert_string_equal(property(c, "DevicePolicy"), "'strict'");
	build_unit(c, true, true);
	assert_string_equal(c->plan.path, "/user.slice/wherry-id.scope");
	assert_true(c->plan.unit->user);
	assert_string_equal(property(c, "DevicePolicy"), "");
	build_unit(c, false, false);
	assert_non_null(str_after(c->plan.unit->name.name, "wherry."));
	c->linux_.cgroups_path = "::a-b.slice";
	build_unit(c, false, true);
	assert_string_equal(c->plan.path, "/a.slice/a-b.slice");
	assert_false(c->plan.own_path);
	assert_string_equal(property(c, "Slice"), "");
	assert_string_equal(property(c, "Delegate"), "");
	c->linux_.cgroups_path = "/a/path";
	build_unit(c, false, true);
	assert_problem(c, "linux.cgroupsPath: '/a/path': the systemd cgroup manager wants");
}

static void test_unit_annotations(void **state)
{
	/* clang-format off */
	static const struct {
		const char *key, *value, *name, *want;
	} cases[] = {
		{ "org.systemd.property.TimeoutStopUSec", "uint64 123456789", "TimeoutStopUSec", "123456789" },
		{ "org.systemd.property.TimeoutStopSec", "5", "TimeoutStopUSec", "5000000" },
		{ "org.systemd.property.TimeoutStopSec", "double 0.25", "TimeoutStopUSec", "250000" },
		{ "org.systemd.property.CollectMode", "'inactive'", "CollectMode", "'inactive'" },
		{ "org.systemd.property.MemoryMax", "uint64 7", "MemoryMax", "7" },
		{ "org.systemd.property.After", "['a.service']", "After", "['a.service']" },
		{ "org.systemd.property.A.B", "5", NULL, "'A.B' is no name of a property" },
		{ "org.systemd.property.", "5", NULL, "is no name of a property" },
		{ "org.systemd.property.TimeoutStopSec", "-5", NULL, "a time is a number of seconds" },
		{ "org.systemd.property.TimeoutStopSec", "'5'", NULL, "a time is a number of seconds" },
		{ "org.systemd.property.Foo", "bar", NULL, "'bar': expected a value at 'bar'" },
	};
	/* clang-format on */
	struct plan_case *c = *state;
	struct oci_string_map annotation;

	c->spec.annotations = &annotation;
	c->spec.n_annotations = 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		annotation = (struct oci_string_map){cases[i].key, cases[i].value};
		build_unit(c, false, true);
		if (!cases[i].name) {
			assert_problem(c, cases[i].want);
			continue;
		}
		assert_int_equal(c->problems.n_errors, 0);
		assert_string_equal(property(c, cases[i].name), cases[i].want);
	}
	/* another manager has no properties */
	build_default(c);
	assert_int_equal(c->problems.n_errors, 0);
	assert_null(c->plan.unit);
}

static void test_devices_and_limits(void **state)
{
	static const int64_t limit = 7, bad = -5;
	static const struct oci_pids pids = {.limit = &limit};
	struct oci_device_rule rules[] = {
	    {.type = 'a'   },
            { .type = 'c', .allow = true}
        };
	const struct oci_resources resources = {.devices = rules, .n_devices = 2, .pids = &pids};
	struct plan_case *c = *state;

	c->linux_.resources = &resources;
	build_default(c);
	assert_int_equal(c->problems.n_errors, 0);
	assert_non_null(c->plan.device_program);
	assert_true(c->plan.n_device_program > 0);
	assert_int_equal(c->plan.writes.count, 1);
	assert_string_equal(c->plan.writes.list[0].file, "pids.max");
	rules[1].minor = &bad;
	build_default(c);
	assert_problem(c, "linux.resources.devices[1].minor: -5");
}

static void test_owner(void **state)
{
	static const char *const read_only[] = {"nosuid", "ro"}, *const read_write[] = {"ro", "rw"};
	static struct oci_id_mapping map = {.container_id = 0, .host_id = 100000, .size = 65536};
	struct oci_namespace namespaces[] = {{.type = CLONE_NEWCGROUP}, {.type = CLONE_NEWUSER}};
	struct oci_mount mount = {
	    .destination = "/sys/fs/cgroup", .type = "cgroup", .source = "cgroup"};
	/* clang-format off */
	const struct {
		size_t n_namespaces;
		uint32_t uid;
		const char *const *options;
		const char *cgroup_path, *user_path;
		bool want;
		uint32_t want_uid;
	} cases[] = {
		{ 2, 0, NULL, NULL, NULL, true, 100000 },
		{ 2, 5, read_write, NULL, NULL, true, 100005 },
		{ 1, 1000, NULL, NULL, NULL, true, 1000 },
		{ 1, 0, NULL, NULL, NULL, false, 0 },	      /* root's already */
		{ 2, 0, read_only, NULL, NULL, false, 0 },
		{ 0, 1000, NULL, NULL, NULL, false, 0 },      /* the host's cgroup namespace */
		{ 1, 1000, NULL, "/proc/1/ns/cgroup", NULL, false, 0 },
		{ 2, 0, NULL, NULL, "/proc/1/ns/user", false, 0 },
		{ 2, 70000, NULL, NULL, NULL, false, 0 },     /* not mapped */
	};
	/* clang-format on */
	struct plan_case *c = *state;

	c->linux_.namespaces = namespaces;
	c->linux_.uid_mappings = &map;
	c->linux_.n_uid_mappings = 1;
	c->spec.mounts = &mount;
	c->spec.n_mounts = 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		c->linux_.n_namespaces = cases[i].n_namespaces;
		namespaces[0].path = cases[i].cgroup_path;
		namespaces[1].path = cases[i].user_path;
		c->process.user.uid = cases[i].uid;
		mount.options = (const char **)cases[i].options;
		mount.n_options = cases[i].options ? 2 : 0;
		build_default(c);
		if (c->plan.delegate != cases[i].want || c->plan.delegate_uid != cases[i].want_uid)
			fail_msg("case %zu: delegate %d uid %u", i, c->plan.delegate,
				 c->plan.delegate_uid);
	}
	mount.destination = "/other";
	c->process.user.uid = 1000;
	c->linux_.n_namespaces = 1;
	namespaces[0].path = NULL;
	mount.n_options = 0;
	build_default(c);
	assert_false(c->plan.delegate);
}

static void test_long_id(void **state)
{
	struct plan_case *c = *state;
	struct cgroup_plan_input input = {.spec = &c->spec, .root = "/r", .own_cgroup = "/"};
	char id[260];

	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	input.id = id;
	assert_int_equal(cgroup_plan_build(&input, &c->arena, &c->problems, &c->plan, NULL), 0);
	assert_problem(c, "container id: too long");
}

static void test_starving(void **state)
{
	static const struct {
		int64_t limit;
		bool starves;
	} cases[] = {
	    {4096,          true },
            {1 << 20,       true },
            {(1 << 20) + 1, false},
            {-1,            false}
        };
	struct plan_case *c = *state;
	static struct oci_memory memory;
	static struct oci_resources resources = {.memory = &memory};

	build_default(c);
	assert_false(cgroup_plan_starves(&c->plan));
	c->linux_.resources = &resources;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		memory.limit = &cases[i].limit;
		build_default(c);
		assert_int_equal(cgroup_plan_starves(&c->plan), cases[i].starves);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_default_path), TEST(test_spec_paths),       TEST(test_managers),
	    TEST(test_unit),         TEST(test_unit_annotations), TEST(test_devices_and_limits),
	    TEST(test_owner),        TEST(test_long_id),          TEST(test_starving),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
