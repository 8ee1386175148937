/* SPDX-License-Identifier: Apache-2.0 */
/* The v2 mount, where distributions have it and by the mount table. */
#include "cgroup_fixture.h"

#include <errno.h>
#include <linux/magic.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/sys.h"

#define CANNOT_PREPARE 100

static bool is_cgroup2(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static void test_mount_is_version_2(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);

	assert_true(is_cgroup2(fixture->mount_fd));
}

/**
 * Run @body in a forked child with a mount namespace of its own in which /sys/fs/cgroup is hidden.
 */
static int in_hidden_mounts(int (*body)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return fixture_reap(pid);
	alarm(20);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    umount2("/sys/fs/cgroup", MNT_DETACH) < 0 ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, NULL) < 0)
		_exit(CANNOT_PREPARE);
	_exit(body());
}

static void check_in_hidden_mounts(int (*body)(void))
{
	int status = in_hidden_mounts(body);

	if (status == CANNOT_PREPARE) {
		fprintf(stderr, "skipped: no mount namespace of its own for the child\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static int find_unusual_mount(void)
{
	auto_fd fd = -EBADF;

	if (mkdir("/mnt/a b", 0755) < 0 || mount("none", "/mnt/a b", "cgroup2", 0, NULL) < 0)
		return CANNOT_PREPARE;
	fd = cgroup_open_mount(NULL);
	return fd >= 0 && is_cgroup2(fd) ? 0 : 1;
}

static int find_no_mount(void)
{
	struct wh_error err = WH_ERROR_INIT;

	return cgroup_open_mount(&err) < 0 && err.kind == WH_ERROR_UNSUPPORTED &&
		       strstr(err.message, "no cgroup v2 hierarchy is mounted")
		   ? 0
		   : 1;
}

static void test_mountinfo_is_asked(void **state)
{
	fixture_or_skip(state);
	check_in_hidden_mounts(find_unusual_mount);
}

static void test_no_mount_is_an_error(void **state)
{
	fixture_or_skip(state);
	check_in_hidden_mounts(find_no_mount);
}

static int compare_own_path(void *arg)
{
	const struct cgroup_fixture *fixture = arg;
	char path[4096];

	return cgroup_own_path(path, sizeof(path), NULL) == 0 && strcmp(path, fixture->path) == 0
		   ? 0
		   : 1;
}

/** Inside a cgroup namespace that begins at the parent's end: the path is relative to it. */
static int compare_namespaced_path(void *arg)
{
	char path[4096];

	if (unshare(CLONE_NEWCGROUP) < 0)
		return CANNOT_PREPARE;
	return cgroup_own_path(path, sizeof(path), NULL) == 0 && strcmp(path, "/") == 0 ? 0 : 1;
}

static int fail_own_path(void *arg)
{
	struct wh_error err = WH_ERROR_INIT;
	char tiny[2];

	return cgroup_own_path(tiny, sizeof(tiny), &err) == -ENAMETOOLONG && wh_error_set(&err) ? 0
												: 1;
}

static void test_own_path(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);

	assert_int_equal(fixture_reap(fixture_spawn(&cgroup, compare_own_path, fixture)), 0);
	assert_int_equal(fixture_reap(fixture_spawn(&cgroup, compare_namespaced_path, NULL)), 0);
	assert_int_equal(fixture_reap(fixture_spawn(&cgroup, fail_own_path, NULL)), 0);
	cgroup_close(&cgroup);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_mount_is_version_2),
	    TEST(test_mountinfo_is_asked),
	    TEST(test_no_mount_is_an_error),
	    TEST(test_own_path),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
