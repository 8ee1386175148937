/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the limits: to a plain directory, and to a real cgroup with the one controller that needs
 * no privilege beyond root's: hugetlb.
 */
#include "cgroups/resource_files.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "cgroup_fixture.h"
#include "cgroups/cgroup_fs.h"
#include "fake_tree.h"

static int apply(const struct fake_tree *tree, const struct cgroup_write *list, size_t count,
		 struct wh_error *err)
{
	const struct cgroup_writes writes = {list, count};

	return resource_files_apply(&writes, RESOURCE_PART_ALL, tree->fd, err);
}

static void test_values_arrive_in_order(void **state)
{
	/* clang-format off */
	static const struct cgroup_write list[] = {
		{ .field = "memory.limit", .file = "memory.max", .value = "1048576" },
		{ .field = "unified.memory.max", .file = "memory.max", .value = "2097152" },
	};
	/* clang-format on */
	const struct fake_tree *tree = *state;

	fake_tree_file(tree, "memory.max", "");
	assert_int_equal(apply(tree, list, ARRAY_LEN(list), NULL), 0);
	assert_string_equal(fake_tree_read(tree, "memory.max"), "2097152");
}

static void test_cpu_time_apart(void **state)
{
	/* clang-format off */
	static const struct cgroup_write list[] = {
		{ .field = "cpu.quota", .file = "cpu.max", .value = "50000 100000" },
		{ .field = "cpu.cpus", .file = "cpuset.cpus", .value = "0" },
		{ .field = "unified.cpu.max", .file = "cpu.max", .value = "20000 100000" },
	};
	/* clang-format on */
	static const struct cgroup_writes writes = {list, ARRAY_LEN(list)};
	const struct fake_tree *tree = *state;

	fake_tree_file(tree, "cpu.max", "max 100000");
	fake_tree_file(tree, "cpuset.cpus", "");
	assert_int_equal(resource_files_apply(&writes, RESOURCE_PART_FIRST, tree->fd, NULL), 0);
	assert_string_equal(fake_tree_read(tree, "cpu.max"), "max 100000");
	assert_string_equal(fake_tree_read(tree, "cpuset.cpus"), "0");
	fake_tree_file(tree, "cpuset.cpus", "");
	assert_int_equal(resource_files_apply(&writes, RESOURCE_PART_CPU_TIME, tree->fd, NULL), 0);
	assert_string_equal(fake_tree_read(tree, "cpu.max"), "20000 100000");
	assert_string_equal(fake_tree_read(tree, "cpuset.cpus"), "");
}

static void test_missing_files(void **state)
{
	static const struct cgroup_write optional = {
	    .field = "memory.swap", .file = "memory.swap.max", .value = "max", .optional = true};
	static const struct cgroup_write needed = {
	    .field = "memory.swap", .file = "memory.swap.max", .value = "1"};
	static const struct cgroup_write either = {
	    .field = "blockIO.weight",
	    .file = "io.bfq.weight",
	    .value = "500",
	    .else_file = "io.weight",
	    .else_value = "4950",
	};
	const struct fake_tree *tree = *state;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(apply(tree, &optional, 1, &err), 0);
	assert_false(wh_error_set(&err));
	assert_true(apply(tree, &needed, 1, &err) < 0);
	assert_string_equal(err.message, "linux.resources.memory.swap: this kernel has no "
					 "memory.swap.max in the container's cgroup");
	assert_int_equal(err.kind, WH_ERROR_UNSUPPORTED);
	assert_true(apply(tree, &either, 1, &err) < 0);
	assert_non_null(strstr(err.message, "io.weight"));
	fake_tree_file(tree, "io.weight", "");
	assert_int_equal(apply(tree, &either, 1, NULL), 0);
	assert_string_equal(fake_tree_read(tree, "io.weight"), "4950");
	fake_tree_file(tree, "io.bfq.weight", "");
	assert_int_equal(apply(tree, &either, 1, NULL), 0);
	assert_string_equal(fake_tree_read(tree, "io.bfq.weight"), "500");
}

/** A huge page size of the host that the mount's root has a file for ("2MB"), or NULL. */
static const char *page_size(const struct cgroup *cgroup)
{
	static const char *const sizes[] = {"2MB", "64KB", "32MB", "1GB", "512MB", "16GB"};
	char file[64], text[64];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		snprintf(file, sizeof(file), "hugetlb.%s.max", sizes[i]);
		if (cgroup_fs_read(cgroup->dir_fd, file, text, sizeof(text)) >= 0)
			return sizes[i];
	}
	return NULL;
}

static bool has_hugetlb(const struct cgroup_fixture *fixture)
{
	char text[256];

	return cgroup_fs_read(fixture->mount_fd, "cgroup.controllers", text, sizeof(text)) >= 0 &&
	       strstr(text, "hugetlb");
}

static void plan_hugepages(struct cgroup_fixture *fixture, const char *size, uint64_t bytes)
{
	struct oci_hugepage_limit limit = {size, bytes};
	const struct oci_resources resources = {.hugepage_limits = &limit, .n_hugepage_limits = 1};
	struct problems problems;

	problems_init(&problems, &fixture->arena);
	assert_int_equal(resource_files_plan(&resources, &fixture->arena, &problems,
					     &fixture->plan.writes, NULL),
			 0);
	assert_int_equal(problems.n_errors, 0);
}

static void assert_limit(const struct cgroup *cgroup, const char *size, const char *middle,
			 const char *want)
{
	char file[64], text[64];

	snprintf(file, sizeof(file), "hugetlb.%s.%smax", size, middle);
	assert_true(cgroup_fs_read(cgroup->dir_fd, file, text, sizeof(text)) >= 0);
	assert_string_equal(text, want);
}

/* The controller is enabled in every parent, the limits are written, and `max` comes back. */
static void test_hugepages_for_real(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup, deep;
	char path[128], huge[32];
	const char *size;

	if (!has_hugetlb(fixture)) {
		fprintf(stderr, "skipped: the hugetlb controller is not on cgroup v2 here\n");
		skip();
	}
	/*
	 * Which sizes there are shows only once the controller is enabled, which a limit of a size
	 * that no machine has does, too.
	 */
	plan_hugepages(fixture, "0KB", 0);
	assert_int_not_equal(cgroup_create(&fixture->plan, fixture->mount_fd, &cgroup, NULL), 0);
	assert_false(fixture_exists(fixture, fixture->path));
	fixture->plan.writes = (struct cgroup_writes){.count = 0};
	cgroup = fixture_create(fixture);
	size = page_size(&cgroup);
	cgroup_close(&cgroup);
	assert_non_null(size);
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 0, NULL), 0);
	snprintf(path, sizeof(path), "%s/a/b", fixture->path);
	fixture->plan.path = path;
	plan_hugepages(fixture, size, 1ULL << 31);
	deep = fixture_create(fixture);
	assert_int_equal(deep.made, 3);
	snprintf(huge, sizeof(huge), "%llu", 1ULL << 31);
	assert_limit(&deep, size, "", huge);
	assert_limit(&deep, size, "rsvd.", huge);
	cgroup_close(&deep);
}

static void test_missing_controller_leaves_nothing(void **state)
{
	static const struct cgroup_write list[] = {
	    {.field = "rdma.x", .file = "rdma.max", .value = "x hca_handle=1"}
        };
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = CGROUP_NONE;
	struct wh_error err = WH_ERROR_INIT;
	char text[256];

	if (cgroup_fs_read(fixture->mount_fd, "cgroup.controllers", text, sizeof(text)) >= 0 &&
	    strstr(text, "rdma")) {
		fprintf(stderr, "skipped: this host has the rdma controller on cgroup v2\n");
		skip();
	}
	fixture->plan.writes = (struct cgroup_writes){list, 1};
	assert_true(cgroup_create(&fixture->plan, fixture->mount_fd, &cgroup, &err) < 0);
	assert_int_equal(err.kind, WH_ERROR_UNSUPPORTED);
	assert_non_null(
	    str_after(err.message,
		      "linux.resources.rdma.x: the rdma controller is not available on cgroup v2"));
	assert_false(fixture_exists(fixture, fixture->path));
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, fake_tree_setup, fake_tree_teardown)
#define REAL(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FAKE(test_values_arrive_in_order),
	    FAKE(test_cpu_time_apart),
	    FAKE(test_missing_files),
	    REAL(test_hugepages_for_real),
	    REAL(test_missing_controller_leaves_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
