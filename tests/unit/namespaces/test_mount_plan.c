/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/sys.h"
#include "mount_rows.h"
#include "namespaces/mount_plan.h"

struct context {
	struct arena arena;
	struct problems problems;
	struct oci_namespace namespaces[6];
	struct oci_linux linux_;
	struct oci_root root;
	struct oci_process process;
	struct oci_spec spec;
	struct rootfs_plan plan;
};

static int setup(void **state)
{
	static struct context context;

	context = (struct context){.root = {.path = "rootfs"}};
	if (arena_init(&context.arena, NULL) < 0)
		return -1;
	problems_init(&context.problems, &context.arena);
	context.namespaces[0] = (struct oci_namespace){.type = CLONE_NEWNS};
	context.linux_.namespaces = context.namespaces;
	context.linux_.n_namespaces = 1;
	context.spec.root = &context.root;
	context.spec.linux_ = &context.linux_;
	context.spec.process = &context.process;
	*state = &context;
	return 0;
}

static int teardown(void **state)
{
	struct context *context = *state;

	arena_done(&context->arena);
	return 0;
}

static void build(struct context *context)
{
	struct wh_error err = WH_ERROR_INIT;

	problems_init(&context->problems, &context->arena);
	assert_int_equal(rootfs_plan_build(&context->spec, "/bundle", false, &context->arena,
					   &context->problems, &context->plan, &err),
			 0);
}

static void build_mounts(struct context *context, struct oci_mount *mounts, size_t count)
{
	context->spec.mounts = mounts;
	context->spec.n_mounts = count;
	build(context);
}

static void add_namespace(struct context *context, int64_t type, const char *path)
{
	context->namespaces[context->linux_.n_namespaces++] =
	    (struct oci_namespace){.type = type, .path = path};
}

static void assert_problem(const struct context *context, enum problem_severity severity,
			   const char *text)
{
	for (const struct problem *p = context->problems.first; p; p = p->next) {
		if (p->severity == severity && strstr(p->text, text))
			return;
	}
	fail_msg("no %s '%s'; first: %s", severity == PROBLEM_ERROR ? "error" : "warning", text,
		 context->problems.first ? context->problems.first->text : "none");
}

static struct oci_mount mount_cases[] = {
    MOUNT("/a", "tmpfs", NULL, "rbind"),
    MOUNT("/a", "bind", "/x"),
    MOUNT("/a", NULL, "/x"),
    MOUNT("/a", "none", "/x", "bind", "idmap"),
    MOUNT("/a", NULL, "/x", "bind", "ridmap"),
    MOUNT("/a", NULL, "/x", "bind", "idmap=uids=0-1-2"),
    MOUNT("/a", "tmpfs", NULL, "idmap"),
    MOUNT("/a", NULL, NULL, "remount", "ridmap"),
    MOUNT("/", "tmpfs", NULL),
    MOUNT("/tmp/../", "tmpfs", NULL),
    MOUNT("", "tmpfs", NULL),
    MOUNT("/proc", "tmpfs", NULL),
    MOUNT("/x/../proc/", "sysfs", NULL),
    MOUNT("/proc/x", "proc", NULL),
    MOUNT("/proc/sys/kernel", NULL, "/x", "bind"),
    MOUNT("/proc//cpuinfo/../acpi", NULL, "/x", "bind"),
    MOUNT("/sys", "proc", NULL),
    MOUNT("/a", "sysfs", NULL, "tmpcopyup"),
    MOUNT("/a", NULL, "/x", "bind", "tmpcopyup"),
    MOUNT("/a", NULL, NULL, "remount", "size=1k"),
};

static const char *const mount_errors[] = {
    "mounts[0].source: a bind mount needs one",
    "mounts[0].type: 'bind' needs the option bind or rbind",
    "mounts[0].type: is missing",
    "mounts[0]: an idmapped mount needs mappings of users and of groups",
    "mounts[0]: an idmapped mount needs mappings of users and of groups",
    "mounts[0].options: 'idmap=uids=0-1-2': mappings are taken from uidMappings",
    "mounts[0].options: an idmapped mount has to be a bind",
    "mounts[0].options: an idmapped mount has to be a bind",
    "mounts[0].destination: '/' is the root file system itself",
    "mounts[0].destination: '/' is the root file system itself",
    "mounts[0].destination: is empty",
    "mounts[0].destination: '/proc' is for type proc",
    "mounts[0].destination: '/proc' is for type proc",
    "mounts[0].destination: '/proc/x' is inside /proc",
    "mounts[0].destination: '/proc/sys/kernel' is inside /proc",
    "mounts[0].destination: '/proc/acpi' is inside /proc",
    "mounts[0].destination: '/sys' is not for type proc",
    "mounts[0].options: tmpcopyup is for type tmpfs only",
    "mounts[0].options: tmpcopyup is for type tmpfs only",
    "mounts[0].options: 'size': a remount changes attributes only",
};
_Static_assert(ARRAY_LEN(mount_cases) == ARRAY_LEN(mount_errors), "one error a case");

static void test_wrong_mounts(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(mount_cases); i++) {
		build_mounts(*state, &mount_cases[i], 1);
		assert_problem(*state, PROBLEM_ERROR, mount_errors[i]);
	}
}

static struct oci_mount good_cases[] = {
    MOUNT("/proc/cpuinfo", NULL, "/x", "bind"),
    MOUNT("/proc/sys/kernel/ns_last_pid", NULL, "/x", "bind"),
    MOUNT("/proc", NULL, "/proc", "rbind"),
    MOUNT("/host/proc", "proc", NULL, "nosuid"),
    MOUNT("/processes", "tmpfs", NULL, "nosuid"),
    MOUNT("/", NULL, NULL, "remount", "ro"),
    MOUNT("/a", "nonsense", "x", "unknown"),
    MOUNT("/a\tb\nc\x7f", "tmpfs", NULL),
};

static void test_good_mounts(void **state)
{
	struct context *context = *state;

	for (size_t i = 0; i < ARRAY_LEN(good_cases); i++) {
		build_mounts(context, &good_cases[i], 1);
		if (context->problems.n_errors > 0)
			fail_msg("case %zu: %s", i, context->problems.first->text);
	}
}

/* mappings ask for an idmapped mount even without the option: Podman's way */
static void test_mappings(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/a", NULL, "/x", "bind"),
	    MOUNT("/b", NULL, "/x", "rbind", "ridmap"),
	    MOUNT("/c", NULL, "/x", "bind"),
	};
	struct oci_id_mapping own = {.host_id = 7, .size = 1};
	struct oci_id_mapping of_container = {.host_id = 9, .size = 1};

	add_namespace(context, CLONE_NEWUSER, NULL);
	context->linux_.uid_mappings = context->linux_.gid_mappings = &of_container;
	context->linux_.n_uid_mappings = context->linux_.n_gid_mappings = 1;
	mounts[0].uid_mappings = mounts[0].gid_mappings = &own;
	mounts[0].n_uid_mappings = mounts[0].n_gid_mappings = 1;
	build_mounts(context, mounts, ARRAY_LEN(mounts));
	assert_int_equal(context->problems.n_errors, 0);
	assert_true(mount_entry_is_idmapped(&context->plan.mounts[0]));
	assert_ptr_equal(context->plan.mounts[0].uid_mappings, &own);
	assert_ptr_equal(context->plan.mounts[1].gid_mappings, &of_container);
	assert_null(context->plan.mounts[1].idmap_namespace);
	assert_false(mount_entry_is_idmapped(&context->plan.mounts[2]));
	assert_int_equal(context->plan.mounts[2].n_uid_mappings, 0);
	mounts[0].n_gid_mappings = 0;
	build_mounts(context, mounts, 1);
	assert_problem(context, PROBLEM_ERROR, "mounts[0]: an idmapped mount needs mappings");
}

static void test_mappings_of_a_joined_namespace(void **state)
{
	struct context *context = *state;
	struct oci_mount mount = MOUNT("/a", NULL, "/x", "bind", "idmap");
	struct oci_id_mapping mapping = {.size = 1};

	add_namespace(context, CLONE_NEWUSER, "/proc/1/ns/user");
	build_mounts(context, &mount, 1);
	assert_int_equal(context->problems.n_errors, 0);
	assert_string_equal(context->plan.mounts[0].idmap_namespace, "/proc/1/ns/user");
	context->linux_.uid_mappings = context->linux_.gid_mappings = &mapping;
	context->linux_.n_uid_mappings = context->linux_.n_gid_mappings = 1;
	build_mounts(context, &mount, 1);
	assert_null(context->plan.mounts[0].idmap_namespace);
	assert_ptr_equal(context->plan.mounts[0].uid_mappings, &mapping);
}

static void test_relative_destination(void **state)
{
	struct context *context = *state;
	struct oci_mount mount = MOUNT("a/../b/", "tmpfs", NULL);

	build_mounts(context, &mount, 1);
	assert_problem(context, PROBLEM_WARNING,
		       "mounts[0].destination: 'a/../b/' is not absolute");
	assert_int_equal(context->problems.n_errors, 0);
	assert_string_equal(context->plan.mounts[0].destination, "/b");
}

static void test_kinds_and_sources(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/a", "whatever", "data/../in", "rbind"),
	    MOUNT("/b", "bind", "/abs/../kept", "bind"),
	    MOUNT("/c", "cgroup", "cgroup"),
	    MOUNT("/d", "tmpfs", NULL),
	    MOUNT("/e", NULL, NULL, "bind", "remount", "ro"),
	    MOUNT("/f", "tmpfs", "name", "mode=700"),
	};
	const struct mount_entry *plan;

	build_mounts(context, mounts, ARRAY_LEN(mounts));
	assert_int_equal(context->problems.n_errors, 0);
	plan = context->plan.mounts;
	assert_int_equal(plan[0].kind, MOUNT_KIND_BIND);
	assert_string_equal(plan[0].source, "/bundle/in");
	assert_null(plan[0].fs_type);
	assert_string_equal(plan[1].source, "/abs/../kept");
	assert_int_equal(plan[2].kind, MOUNT_KIND_CGROUP);
	assert_string_equal(plan[2].fs_type, "cgroup2");
	assert_int_equal(plan[3].kind, MOUNT_KIND_FS);
	assert_string_equal(plan[3].source, "tmpfs");
	assert_true(plan[3].mode_of_target);
	assert_int_equal(plan[4].kind, MOUNT_KIND_REMOUNT);
	assert_string_equal(plan[5].source, "name");
	assert_false(plan[5].mode_of_target);
	assert_int_equal(plan[5].index, 5);
}

static void test_no_effect_is_a_warning(void **state)
{
	struct context *context = *state;
	struct oci_mount mount = MOUNT("/a", NULL, "/x", "bind", "sync", "size=1", "ro");

	build_mounts(context, &mount, 1);
	assert_problem(context, PROBLEM_WARNING,
		       "mounts[0].options: 'sync' has no effect on a bind mount");
	assert_problem(context, PROBLEM_WARNING,
		       "mounts[0].options: 'size' has no effect on a bind mount");
	assert_int_equal(context->problems.n_warnings, 2);
	assert_int_equal(context->problems.n_errors, 0);
}

static void test_super_block_flags(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/a", "tmpfs", NULL, "ro", "sync"),
	    MOUNT("/b", "ext4", "/dev/x", "ro"),
	};

	build_mounts(context, mounts, 2);
	/* what the kernel shares between mounts stays writable itself */
	assert_int_equal(context->plan.mounts[0].flags.n_sb_flags, 1);
	assert_string_equal(context->plan.mounts[0].flags.sb_flags[0], "sync");
	assert_int_equal(context->plan.mounts[1].flags.n_sb_flags, 1);
	assert_string_equal(context->plan.mounts[1].flags.sb_flags[0], "ro");
	assert_int_equal(context->plan.mounts[1].flags.attr_set, MOUNT_ATTR_RDONLY);
}

static void test_readonly_last(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/run", "tmpfs", NULL, "ro"),
	    MOUNT("/run/lock", "tmpfs", NULL, "ro"),
	    MOUNT("/runs", "tmpfs", NULL, "rro"),
	    MOUNT("/dev", "tmpfs", NULL, "ro"),
	    MOUNT("/runs/x", "tmpfs", NULL),
	    /* nothing can be made in there anyway: read-only from the start */
	    MOUNT("/sys", "sysfs", NULL, "ro"),
	    MOUNT("/sys/fs/cgroup", "cgroup", NULL, "ro"),
	};
	const bool want[] = {true, false, true, true, false, false, false};

	build_mounts(context, mounts, ARRAY_LEN(mounts));
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
		assert_int_equal(context->plan.mounts[i].readonly_last, want[i]);
}

static void test_real_directories(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/proc", NULL, "/proc", "rbind"),
	    MOUNT("/sys", "tmpfs", NULL),
	    MOUNT("/host/sys", "sysfs", NULL),
	    MOUNT("/tmp", "tmpfs", NULL),
	};
	const bool want[] = {true, true, true, false};

	build_mounts(context, mounts, ARRAY_LEN(mounts));
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
		assert_int_equal(context->plan.mounts[i].real_directory, want[i]);
}

static void test_fallbacks(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/sys", "sysfs", NULL),
	    MOUNT("/dev/mqueue", "mqueue", NULL),
	};

	build_mounts(context, mounts, 2);
	assert_null(context->plan.mounts[0].fallback_source);
	assert_null(context->plan.mounts[1].fallback_source);
	add_namespace(context, CLONE_NEWUSER, NULL);
	build_mounts(context, mounts, 2);
	assert_string_equal(context->plan.mounts[0].fallback_source, "/sys");
	assert_string_equal(context->plan.mounts[1].fallback_source, "/dev/mqueue");
	add_namespace(context, CLONE_NEWNET, NULL);
	build_mounts(context, mounts, 2);
	assert_null(context->plan.mounts[0].fallback_source);
}

static void test_label(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/a", "tmpfs", NULL, "size=1"), MOUNT("/proc", "proc", NULL),
	    MOUNT("/queue", "mqueue", NULL),      MOUNT("/bind", NULL, "/x", "bind"),
	    MOUNT("/other", "ext4", "/dev/x"),    MOUNT("/cgroup", "cgroup", NULL),
	};

	context->linux_.mount_label = "u:r:t:s0:c1,c2";
	build_mounts(context, mounts, ARRAY_LEN(mounts));
	assert_int_equal(context->plan.mounts[0].flags.n_params, 2);
	assert_string_equal(context->plan.mounts[0].flags.params[2], "context");
	assert_string_equal(context->plan.mounts[0].flags.params[3], "u:r:t:s0:c1,c2");
	assert_null(context->plan.mounts[0].root_label);
	for (size_t i = 1; i < ARRAY_LEN(mounts); i++)
		assert_int_equal(context->plan.mounts[i].flags.n_params, i == 4 ? 1 : 0);
	assert_string_equal(context->plan.mounts[2].root_label, "u:r:t:s0:c1,c2");
	assert_null(context->plan.mounts[3].root_label);
	assert_null(context->plan.mounts[5].root_label);
}

static void test_namespaces(void **state)
{
	struct context *context = *state;

	build(context);
	assert_false(context->plan.no_mount_namespace);
	assert_false(context->plan.new_user_namespace);
	assert_true(context->plan.host_network);
	assert_false(context->plan.new_cgroup_namespace);
	add_namespace(context, CLONE_NEWUSER, NULL);
	add_namespace(context, CLONE_NEWNET, "/run/netns/x");
	add_namespace(context, CLONE_NEWCGROUP, NULL);
	build(context);
	assert_true(context->plan.new_user_namespace);
	assert_true(context->plan.host_network);
	assert_true(context->plan.new_cgroup_namespace);
}

static const struct {
	int64_t asked;
	uint64_t flag;
	bool recursive;
} propagation_cases[] = {
    {OCI_PROPAGATION_UNSET,       MS_SLAVE,      true },
    {OCI_PROPAGATION_SHARED,      MS_SHARED,     false},
    {OCI_PROPAGATION_SLAVE,       MS_SLAVE,      false},
    {OCI_PROPAGATION_PRIVATE,     MS_PRIVATE,    false},
    {OCI_PROPAGATION_UNBINDABLE,  MS_UNBINDABLE, false},
    {OCI_PROPAGATION_RSHARED,     MS_SHARED,     true },
    {OCI_PROPAGATION_RSLAVE,      MS_SLAVE,      true },
    {OCI_PROPAGATION_RPRIVATE,    MS_PRIVATE,    true },
    {OCI_PROPAGATION_RUNBINDABLE, MS_UNBINDABLE, true },
};

static void test_propagation(void **state)
{
	struct context *context = *state;

	for (size_t i = 0; i < ARRAY_LEN(propagation_cases); i++) {
		context->linux_.rootfs_propagation = propagation_cases[i].asked;
		build(context);
		assert_int_equal(context->plan.propagation, propagation_cases[i].flag);
		assert_int_equal(context->plan.propagation_recursive,
				 propagation_cases[i].recursive);
	}
}

static void test_without_mount_namespace(void **state)
{
	struct context *context = *state;
	struct oci_mount mount = MOUNT("/a", "tmpfs", NULL);
	const char *path = "/proc/kcore";

	context->linux_.n_namespaces = 0;
	build(context);
	assert_int_equal(context->problems.n_errors, 0);
	assert_true(context->plan.no_mount_namespace);
	context->linux_.masked_paths = &path;
	context->linux_.n_masked_paths = 1;
	context->linux_.readonly_paths = &path;
	context->linux_.n_readonly_paths = 1;
	context->linux_.rootfs_propagation = OCI_PROPAGATION_SLAVE;
	context->root.readonly = true;
	context->process.terminal = true;
	build_mounts(context, &mount, 1);
	assert_problem(context, PROBLEM_ERROR, "mounts: needs a mount namespace");
	assert_problem(context, PROBLEM_ERROR, "linux.maskedPaths: needs a mount namespace");
	assert_problem(context, PROBLEM_ERROR, "linux.readonlyPaths: needs a mount namespace");
	assert_problem(context, PROBLEM_ERROR, "linux.rootfsPropagation: needs a mount namespace");
	assert_problem(context, PROBLEM_ERROR, "root.readonly: needs a mount namespace");
	assert_problem(context, PROBLEM_ERROR, "process.terminal: needs a mount namespace");
	add_namespace(context, CLONE_NEWUSER, NULL);
	build(context);
	assert_problem(context, PROBLEM_ERROR,
		       "linux.namespaces: a user namespace needs a mount namespace");
}

static void test_paths(void **state)
{
	struct context *context = *state;
	static char long_path[PATH_MAX + 1];
	const char *masked[] = {"/proc/x/", "relative", "/a/../b//c", long_path};
	const char *readonly[] = {"/proc/sys"};

	memset(long_path, 'x', PATH_MAX);
	long_path[0] = '/';
	context->linux_.masked_paths = masked;
	context->linux_.n_masked_paths = ARRAY_LEN(masked);
	context->linux_.readonly_paths = readonly;
	context->linux_.n_readonly_paths = 1;
	build(context);
	assert_problem(context, PROBLEM_ERROR,
		       "linux.maskedPaths[1]: 'relative' is not an absolute path");
	assert_problem(context, PROBLEM_ERROR, "linux.maskedPaths[3]: the path is too long");
	assert_int_equal(context->plan.n_masked_paths, 2);
	assert_string_equal(context->plan.masked_paths[0], "/proc/x");
	assert_string_equal(context->plan.masked_paths[1], "/b/c");
	assert_int_equal(context->plan.n_readonly_paths, 1);
}

static void test_root(void **state)
{
	struct context *context = *state;

	context->root.path = "a/../rootfs";
	context->root.readonly = true;
	build(context);
	assert_string_equal(context->plan.path, "/bundle/rootfs");
	assert_true(context->plan.readonly);
	context->root.path = "/abs/rootfs";
	build(context);
	assert_string_equal(context->plan.path, "/abs/rootfs");
	context->spec.root = NULL;
	build(context);
	assert_problem(context, PROBLEM_ERROR, "root.path: is missing");
}

static void test_host_dev(void **state)
{
	struct context *context = *state;
	struct oci_mount mount = MOUNT("/dev/", NULL, "/dev", "rbind");

	build(context);
	assert_false(context->plan.host_dev);
	build_mounts(context, &mount, 1);
	assert_true(context->plan.host_dev);
}

static bool in_arena(const struct context *context, const void *p)
{
	return (const char *)p >= context->arena.base &&
	       (const char *)p < context->arena.base + context->arena.used;
}

/* What may come into a container that runs, of what may be in a new one */
static void test_late(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/a//b/", "tmpfs", NULL, "ro"),
	    MOUNT("/c", NULL, "x", "bind"),
	    MOUNT("/p", "proc", NULL),
	    MOUNT("/g", "cgroup", NULL),
	    MOUNT("/", NULL, NULL, "remount", "ro"),
	    MOUNT("/i", "tmpfs", NULL, "iversion"),
	};
	struct oci_spec spec = context->spec;

	spec.mounts = mounts;
	spec.n_mounts = 2;
	context->linux_.mount_label = "label";
	assert_int_equal(rootfs_plan_build_late(&spec, "/bundle", &context->arena,
						&context->problems, &context->plan, NULL),
			 0);
	assert_int_equal(context->problems.n_errors, 0);
	assert_string_equal(context->plan.mounts[0].destination, "/a/b");
	assert_string_equal(context->plan.mounts[0].flags.params[1], "label");
	assert_string_equal(context->plan.mounts[1].source, "/bundle/x");
	assert_int_equal(context->plan.n_devices, 0);
	for (size_t i = 2; i < ARRAY_LEN(mounts); i++) {
		spec.mounts = &mounts[i];
		spec.n_mounts = 1;
		problems_init(&context->problems, &context->arena);
		assert_int_equal(rootfs_plan_build_late(&spec, "/bundle", &context->arena,
							&context->problems, &context->plan, NULL),
				 0);
		assert_int_equal(context->problems.n_errors, 1);
	}
}

static void test_removal(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    {.destination = "/a//b/../c"},
	    {.destination = "d"},
	};
	struct oci_spec spec = {.mounts = mounts, .n_mounts = ARRAY_LEN(mounts)};

	assert_int_equal(rootfs_plan_build_removal(&spec, &context->arena, &context->problems,
						   &context->plan, NULL),
			 0);
	assert_int_equal(context->plan.n_mounts, 2);
	assert_string_equal(context->plan.mounts[0].destination, "/a/c");
	assert_string_equal(context->plan.mounts[1].destination, "/d");
	assert_int_equal(context->plan.mounts[1].index, 1);
}

/* init is another program: it can read nothing but the arena */
static void test_nothing_points_outside_the_arena(void **state)
{
	struct context *context = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/sys", "sysfs", NULL),
	    MOUNT("/c", "cgroup", NULL),
	    MOUNT("/a", "tmpfs", NULL, "size=1"),
	};
	const char *path = "/proc/kcore";

	add_namespace(context, CLONE_NEWUSER, NULL);
	context->linux_.mount_label = "label";
	context->linux_.masked_paths = &path;
	context->linux_.n_masked_paths = 1;
	build_mounts(context, mounts, ARRAY_LEN(mounts));
	assert_true(in_arena(context, context->plan.path));
	assert_true(in_arena(context, context->plan.mount_label));
	assert_true(in_arena(context, context->plan.masked_paths[0]));
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		const struct mount_entry *entry = &context->plan.mounts[i];

		assert_true(in_arena(context, entry->destination) &&
			    in_arena(context, entry->fs_type));
		assert_true(in_arena(context, entry->source));
		assert_true(!entry->fallback_source || in_arena(context, entry->fallback_source));
	}
	assert_true(in_arena(context, context->plan.mounts[2].flags.params[2]));
	assert_true(in_arena(context, context->plan.mounts[2].flags.params[3]));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_wrong_mounts),
	    TEST(test_good_mounts),
	    TEST(test_mappings),
	    TEST(test_mappings_of_a_joined_namespace),
	    TEST(test_relative_destination),
	    TEST(test_kinds_and_sources),
	    TEST(test_no_effect_is_a_warning),
	    TEST(test_super_block_flags),
	    TEST(test_readonly_last),
	    TEST(test_real_directories),
	    TEST(test_fallbacks),
	    TEST(test_label),
	    TEST(test_namespaces),
	    TEST(test_propagation),
	    TEST(test_without_mount_namespace),
	    TEST(test_paths),
	    TEST(test_root),
	    TEST(test_host_dev),
	    TEST(test_late),
	    TEST(test_removal),
	    TEST(test_nothing_points_outside_the_arena),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
