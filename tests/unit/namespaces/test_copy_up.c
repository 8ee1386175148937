/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "namespaces/copy_up.h"
#include "rootfs_fixture.h"

#define MANY_FILES 300

static int open_directory(struct fixture *fixture, const char *path)
{
	int fd = open(fixture_path(fixture, path), O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void copy(struct fixture *fixture, const char *from, const char *to)
{
	struct wh_error err = WH_ERROR_INIT;
	auto_fd from_fd = open_directory(fixture, from);
	auto_fd to_fd = open_directory(fixture, to);

	if (copy_up_tree(from_fd, to_fd, &err) < 0)
		fail_msg("%s (%s)", err.message, strerror(err.code));
}

static void test_kinds(void **state)
{
	struct fixture *fixture = *state;
	const struct timespec times[] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	char target[64] = "";
	char value[16] = "";
	struct stat st;

	fixture_dir(fixture, "from", 0755);
	fixture_dir(fixture, "to", 0700);
	fixture_file(fixture, "from/file", "text");
	assert_int_equal(chown(fixture_path(fixture, "from/file"), 7, 8), 0);
	assert_int_equal(chmod(fixture_path(fixture, "from/file"), 04751), 0);
	assert_int_equal(
	    setxattr(fixture_path(fixture, "from/file"), "trusted.wherry", "value", 5, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, fixture_path(fixture, "from/file"), times, 0), 0);
	fixture_link(fixture, "from/link", "/nowhere");
	fixture_dir(fixture, "from/sub", 01777);
	assert_int_equal(utimensat(AT_FDCWD, fixture_path(fixture, "from/sub"), times, 0), 0);
	assert_int_equal(mknod(fixture_path(fixture, "from/null"), S_IFCHR | 0640, makedev(1, 3)),
			 0);
	assert_int_equal(mkfifo(fixture_path(fixture, "from/fifo"), 0622), 0);
	assert_int_equal(mknod(fixture_path(fixture, "from/socket"), S_IFSOCK | 0600, 0), 0);
	assert_int_equal(chown(fixture_path(fixture, "from"), 5, 6), 0);
	copy(fixture, "from", "to");

	assert_int_equal(stat(fixture_path(fixture, "to"), &st), 0);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(st.st_gid, 6);
	assert_string_equal(fixture_read(fixture_path(fixture, "to/file")), "text");
	assert_int_equal(lstat(fixture_path(fixture, "to/file"), &st), 0);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
	assert_int_equal(st.st_mode & 07777, 04751);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(
	    getxattr(fixture_path(fixture, "to/file"), "trusted.wherry", value, sizeof(value)), 5);
	assert_string_equal(value, "value");
	assert_int_equal(readlink(fixture_path(fixture, "to/link"), target, sizeof(target) - 1), 8);
	assert_string_equal(target, "/nowhere");
	assert_int_equal(lstat(fixture_path(fixture, "to/sub"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(lstat(fixture_path(fixture, "to/null"), &st), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(lstat(fixture_path(fixture, "to/fifo"), &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(lstat(fixture_path(fixture, "to/socket"), &st), -1);
}

/** More than one reading of a directory, with directories between the files. */
static void test_many(void **state)
{
	struct fixture *fixture = *state;
	char name[64];

	fixture_dir(fixture, "from", 0755);
	fixture_dir(fixture, "to", 0700);
	for (int i = 0; i < MANY_FILES; i++) {
		snprintf(name, sizeof(name), "from/a-name-of-some-length-%d", i);
		if (i % 7 == 0) {
			fixture_dir(fixture, name, 0755);
			snprintf(name, sizeof(name), "from/a-name-of-some-length-%d/inner", i);
		}
		fixture_file(fixture, name, name);
	}
	copy(fixture, "from", "to");
	for (int i = 0; i < MANY_FILES; i++) {
		char copied[64];

		snprintf(name, sizeof(name), "from/a-name-of-some-length-%d%s", i,
			 i % 7 == 0 ? "/inner" : "");
		snprintf(copied, sizeof(copied), "to%s", name + strlen("from"));
		assert_string_equal(fixture_read(fixture_path(fixture, copied)), name);
	}
}

/** Directories in each other, down to where it is refused. */
static void make_deep(struct fixture *fixture, int depth)
{
	auto_fd at = open_directory(fixture, "from");

	for (int i = 0; i < depth; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0755), 0);
		next = openat(at, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
}

static void test_deep(void **state)
{
	struct fixture *fixture = *state;
	struct wh_error err = WH_ERROR_INIT;
	int from;
	int to;

	fixture_dir(fixture, "from", 0755);
	fixture_dir(fixture, "to", 0700);
	make_deep(fixture, 100);
	copy(fixture, "from", "to");
	fixture_dir(fixture, "to2", 0700);
	fixture_dir(fixture, "from/d2", 0700);
	assert_int_equal(rename(fixture_path(fixture, "from"), fixture_path(fixture, "kept")), 0);
	fixture_dir(fixture, "from", 0755);
	make_deep(fixture, 200);
	from = open_directory(fixture, "from");
	to = open_directory(fixture, "to2");
	assert_int_equal(copy_up_tree(from, to, &err), -ELOOP);
	assert_non_null(strstr(err.message, "more than 128 directories deep"));
	close(from);
	close(to);
}

static const char *check_mounted(void)
{
	struct statvfs fs;
	struct stat st;

	check_that(streq(fixture_read("/etc/passwd"), "root"));
	check_that(stat("/etc", &st) == 0 && (st.st_mode & 07777) == 0750);
	check_that(statvfs("/etc", &fs) == 0 && (fs.f_flag & ST_RDONLY));
	check_that(open("/tmp/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0);
	check_that(streq(fixture_read("/tmp/old"), "old"));
	return NULL;
}

static void test_mounted(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/etc", "tmpfs", NULL, "tmpcopyup", "ro"),
	    MOUNT("/tmp", "tmpfs", NULL, "rw", "rprivate", "nosuid", "nodev", "tmpcopyup", ""),
	};

	fixture_file(fixture, "rootfs/etc/passwd", "root");
	fixture_file(fixture, "rootfs/tmp/old", "old");
	assert_int_equal(chmod(fixture_path(fixture, "rootfs/etc"), 0750), 0);
	fixture->spec.mounts = mounts;
	fixture->spec.n_mounts = 2;
	fixture_assert_ok(fixture, 0, check_mounted);
	assert_int_equal(access(fixture_path(fixture, "rootfs/tmp/new"), F_OK), -1);
}

static void test_no_space(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/etc", "tmpfs", NULL, "tmpcopyup", "size=4k");
	char large[3 * 4096];

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	fixture_file(fixture, "rootfs/etc/large", large);
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	fixture_assert_fails(fixture, 0, "mounts[0] '/etc': tmpcopyup: 'large': copy the file");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_kinds),   TEST(test_many),     TEST(test_deep),
	    TEST(test_mounted), TEST(test_no_space),
	};

	if (!fixture_is_root())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
