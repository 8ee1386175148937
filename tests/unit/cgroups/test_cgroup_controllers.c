/* SPDX-License-Identifier: Apache-2.0 */
/* In a plain directory: what would be enabled where, whatever controllers the host has. */
#include "cgroups/cgroup_controllers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "cgroup_fixture.h"
#include "fake_tree.h"

static const struct cgroup_write memory_write = {
    .field = "memory.limit", .file = "memory.max", .value = "1"};
static const struct cgroup_write optional_write = {
    .field = "memory.swap", .file = "memory.swap.max", .value = "max", .optional = true};
static const struct cgroup_write core_write = {
    .field = "unified.cgroup.max.depth", .file = "cgroup.max.depth", .value = "1"};

static int enable(const struct fake_tree *tree, const char *path, const struct cgroup_write *write,
		  struct wh_error *err)
{
	const struct cgroup_writes writes = {write, write ? 1 : 0};

	return cgroup_controllers_enable(tree->fd, path, &writes, err);
}

static void make_tree(const struct fake_tree *tree, const char *controllers)
{
	fake_tree_file(tree, "cgroup.controllers", controllers);
	fake_tree_file(tree, "cgroup.subtree_control", "");
	fake_tree_mkdir(tree, "a");
	fake_tree_file(tree, "a/cgroup.subtree_control", "");
	fake_tree_mkdir(tree, "a/b");
	fake_tree_file(tree, "a/b/cgroup.subtree_control", "");
}

static void test_every_parent(void **state)
{
	const struct fake_tree *tree = *state;

	make_tree(tree, "cpuset cpu io memory pids\n");
	assert_int_equal(enable(tree, "/a/b", &memory_write, NULL), 0);
	/* What else there is comes along, the container's own cgroup is left alone. */
	assert_string_equal(fake_tree_read(tree, "cgroup.subtree_control"),
			    "+cpu +cpuset +io +memory +pids");
	assert_string_equal(fake_tree_read(tree, "a/cgroup.subtree_control"),
			    "+cpu +cpuset +io +memory +pids");
	assert_string_equal(fake_tree_read(tree, "a/b/cgroup.subtree_control"), "");
}

static void test_enabled_already(void **state)
{
	const struct fake_tree *tree = *state;

	make_tree(tree, "memory pids\n");
	fake_tree_file(tree, "cgroup.subtree_control", "memory pids\n");
	fake_tree_file(tree, "a/cgroup.subtree_control", "pids\n");
	assert_int_equal(enable(tree, "/a/b", &memory_write, NULL), 0);
	assert_string_equal(fake_tree_read(tree, "cgroup.subtree_control"), "memory pids\n");
	assert_string_equal(fake_tree_read(tree, "a/cgroup.subtree_control"), "+memory");
}

static void test_without_need_nothing_is_read(void **state)
{
	const struct fake_tree *tree = *state;

	/* The directory is empty: any look at it would be an error. */
	assert_int_equal(enable(tree, "/a", NULL, NULL), 0);
	assert_int_equal(enable(tree, "/a", &optional_write, NULL), 0);
	assert_int_equal(enable(tree, "/a", &core_write, NULL), 0);
	assert_true(enable(tree, "/a", &memory_write, NULL) < 0);
}

static void test_missing_controller(void **state)
{
	const struct fake_tree *tree = *state;
	struct wh_error err = WH_ERROR_INIT;

	make_tree(tree, "hugetlb\n");
	assert_true(enable(tree, "/a", &memory_write, &err) < 0);
	assert_int_equal(err.kind, WH_ERROR_UNSUPPORTED);
	assert_non_null(str_after(
	    err.message,
	    "linux.resources.memory.limit: the memory controller is not available on cgroup v2: "));
	assert_non_null(strstr(err.message, "(enabled on v2: hugetlb)"));
	/* Where version 1 has it is for this host's mount table to say. */
	if (access("/sys/fs/cgroup/memory/cgroup.procs", F_OK) == 0)
		assert_non_null(
		    strstr(err.message, "it is bound to cgroup v1 at /sys/fs/cgroup/memory"));
	assert_string_equal(fake_tree_read(tree, "cgroup.subtree_control"), "");
	fake_tree_file(tree, "cgroup.controllers", "");
	err = WH_ERROR_INIT;
	assert_true(enable(tree, "/a", &memory_write, &err) < 0);
	assert_non_null(strstr(err.message, "(enabled on v2: none)"));
}

/* A parent that holds a process cannot pass controllers on. */
static void test_internal_process(void **state)
{
	static const struct cgroup_write write = {
	    .field = "hugepageLimits[0]", .file = "hugetlb.2MB.max", .value = "0"};
	const struct cgroup_writes writes = {&write, 1};
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup parent = fixture_create(fixture);
	struct wh_error err = WH_ERROR_INIT;
	char path[128];
	pid_t pid;
	int rc;

	snprintf(path, sizeof(path), "%s/below", fixture->path);
	assert_int_equal(mkdirat(fixture->mount_fd, path + 1, 0755), 0);
	pid = fixture_spawn(&parent, NULL, NULL);
	rc = cgroup_controllers_enable(fixture->mount_fd, path, &writes, &err);
	assert_int_equal(cgroup_kill(&parent, NULL), 0);
	fixture_reap(pid);
	cgroup_close(&parent);
	assert_true(rc < 0);
	if (strstr(err.message, "not available on cgroup v2")) {
		fprintf(stderr, "skipped: the hugetlb controller is not on cgroup v2 here\n");
		skip();
	}
	assert_non_null(strstr(err.message, "holds processes itself"));
	assert_non_null(strstr(err.message, fixture->path));
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, fake_tree_setup, fake_tree_teardown)
#define REAL(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FAKE(test_every_parent),
	    FAKE(test_enabled_already),
	    FAKE(test_without_need_nothing_is_read),
	    FAKE(test_missing_controller),
	    REAL(test_internal_process),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
