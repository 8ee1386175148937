/* SPDX-License-Identifier: Apache-2.0 */
/* Masked and read-only paths, looked at from inside the container. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "rootfs_fixture.h"

static void use_masked(struct fixture *fixture, const char **paths, size_t count)
{
	fixture->linux_.masked_paths = paths;
	fixture->linux_.n_masked_paths = count;
}

static void use_readonly(struct fixture *fixture, const char **paths, size_t count)
{
	fixture->linux_.readonly_paths = paths;
	fixture->linux_.n_readonly_paths = count;
}

static void make_secrets(struct fixture *fixture)
{
	fixture_file(fixture, "rootfs/etc/secret", "secret");
	fixture_dir(fixture, "rootfs/secrets", 0755);
	fixture_file(fixture, "rootfs/secrets/one", "secret");
	fixture_dir(fixture, "rootfs/secrets/deep", 0755);
	fixture_dir(fixture, "rootfs/others", 0755);
	fixture_file(fixture, "rootfs/others/two", "secret");
}

static const char *check_empty_directory(const char *path)
{
	struct statfs fs;
	struct stat st;
	char inner[64];

	check_that(statfs(path, &fs) == 0 && fs.f_files == 1);
	check_that(fs.f_flags & ST_RDONLY);
	check_that(strstr(fixture_mount_line(path), " ro,nosuid,nodev,noexec"));
	check_that(stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_nlink == 2);
	snprintf(inner, sizeof(inner), "%s/new", path);
	check_that(mkdir(inner, 0700) < 0 && errno == EROFS);
	return NULL;
}

static const char *check_masked(void)
{
	const char *wrong;
	struct stat st;

	check_that(stat("/etc/secret", &st) == 0 && S_ISCHR(st.st_mode) &&
		   st.st_rdev == makedev(1, 3));
	check_that(streq(fixture_read("/etc/secret"), ""));
	check_that(stat("/secrets/one", &st) < 0 && errno == ENOENT);
	wrong = check_empty_directory("/secrets");
	return wrong ? wrong : check_empty_directory("/others");
}

static void test_masked(void **state)
{
	struct fixture *fixture = *state;
	/* twice, inside of what is masked already, through "..", with a slash, missing */
	const char *paths[] = {"/secrets",        "/etc/secret", "/etc/secret",    "/secrets/one",
			       "/etc/../others/", "/secrets",    "/nowhere/at/all"};

	make_secrets(fixture);
	use_masked(fixture, paths, ARRAY_LEN(paths));
	fixture_assert_ok(fixture, 0, check_masked);
	fixture_assert_ok(fixture, FIXTURE_USER_NAMESPACE, check_masked);
	fixture_assert_ok(fixture, FIXTURE_NO_PIVOT, check_masked);
}

static const char *check_one_file_system(void)
{
	struct stat one;
	struct stat two;

	check_that(stat("/secrets", &one) == 0 && stat("/others", &two) == 0 &&
		   one.st_dev == two.st_dev);
	return NULL;
}

static void test_directories_share_a_file_system(void **state)
{
	struct fixture *fixture = *state;
	const char *paths[] = {"/secrets", "/others"};

	make_secrets(fixture);
	use_masked(fixture, paths, 2);
	fixture_assert_ok(fixture, 0, check_one_file_system);
}

static void test_masks_through_links(void **state)
{
	struct fixture *fixture = *state;
	const char *paths[] = {"/link", "/link2", "/dirlink"};

	make_secrets(fixture);
	/* absolute in the container's root, however many ".." there are, never the host's */
	fixture_link(fixture, "rootfs/link", "/etc/secret");
	fixture_link(fixture, "rootfs/link2", "../../../../../../secrets");
	fixture_link(fixture, "rootfs/dirlink", "others");
	use_masked(fixture, paths, 3);
	fixture_assert_ok(fixture, 0, check_masked);
	fixture_assert_canary(fixture);
}

/** What hinders the look at a path is never a reason to leave it as it is. */
static void test_no_excuses(void **state)
{
	struct fixture *fixture = *state;
	const char *not_dir[] = {"/etc/secret/x"};
	const char *loop[] = {"/loop/x"};

	make_secrets(fixture);
	fixture_link(fixture, "rootfs/loop", "loop");
	use_masked(fixture, not_dir, 1);
	fixture_assert_fails(fixture, 0, "linux.maskedPaths: open '/etc/secret/x'");
	use_masked(fixture, loop, 1);
	fixture_assert_fails(fixture, 0, "linux.maskedPaths: open '/loop/x'");
	use_masked(fixture, NULL, 0);
	use_readonly(fixture, not_dir, 1);
	fixture_assert_fails(fixture, 0, "linux.readonlyPaths: open '/etc/secret/x'");
	use_readonly(fixture, loop, 1);
	fixture_assert_fails(fixture, 0, "linux.readonlyPaths: open '/loop/x'");
}

/**
 * What the runtime made of /dev is gone when the masks come: a file or a link is in the place of
 * the null device.
 */
static const char *replace_null(struct fixture *fixture, const struct rootfs_work *work)
{
	check_that(unlinkat(work->root_fd, "dev/null", 0) == 0);
	check_that(symlinkat("/etc/hosts", work->root_fd, "dev/null") == 0);
	return NULL;
}

static const char *remove_null(struct fixture *fixture, const struct rootfs_work *work)
{
	check_that(unlinkat(work->root_fd, "dev/null", 0) == 0);
	return NULL;
}

/** Another device in the place of the null device. */
static const char *put_zero(struct fixture *fixture, const struct rootfs_work *work)
{
	check_that(unlinkat(work->root_fd, "dev/null", 0) == 0);
	check_that(mknodat(work->root_fd, "dev/null", S_IFCHR | 0666, makedev(1, 5)) == 0);
	return NULL;
}

static void test_null_is_another_device(void **state)
{
	struct fixture *fixture = *state;
	const char *file[] = {"/etc/secret"};

	make_secrets(fixture);
	fixture->before_pivot = put_zero;
	use_masked(fixture, file, 1);
	fixture_assert_fails(fixture, 0,
			     "linux.maskedPaths: '/etc/secret': the container's /dev/null");
}

/* T12a, CVE-2025-31133 */
static void test_null_is_a_link(void **state)
{
	struct fixture *fixture = *state;
	const char *file[] = {"/etc/secret"};
	const char *directory[] = {"/secrets"};

	make_secrets(fixture);
	fixture_file(fixture, "rootfs/etc/hosts", "hosts");
	fixture->before_pivot = replace_null;
	use_masked(fixture, file, 1);
	fixture_assert_fails(fixture, 0,
			     "linux.maskedPaths: '/etc/secret': the container's /dev/null");
	/* directories need none */
	assert_int_equal(unlink(fixture_path(fixture, "rootfs/dev/null")), 0);
	use_masked(fixture, directory, 1);
	fixture_assert_ok(fixture, 0, NULL);
	assert_string_equal(fixture_read(fixture_path(fixture, "rootfs/etc/hosts")), "hosts");
}

static void test_null_is_missing(void **state)
{
	struct fixture *fixture = *state;
	const char *file[] = {"/etc/secret"};

	make_secrets(fixture);
	fixture->before_pivot = remove_null;
	use_masked(fixture, file, 1);
	fixture_assert_fails(fixture, 0,
			     "linux.maskedPaths: '/etc/secret': open the container's /dev/null");
	use_masked(fixture, NULL, 0);
	fixture_assert_ok(fixture, 0, NULL);
}

static const char *check_readonly(void)
{
	struct statvfs fs;

	check_that(open("/etc/secret", O_WRONLY | O_CLOEXEC) < 0 && errno == EROFS);
	check_that(mkdir("/secrets/new", 0700) < 0 && errno == EROFS);
	check_that(streq(fixture_read("/secrets/one"), "secret"));
	/* what is mounted below keeps what it has, as with runc */
	check_that(statvfs("/secrets/deep", &fs) == 0 && !(fs.f_flag & ST_RDONLY));
	check_that(mkdir("/others/new", 0700) == 0 && rmdir("/others/new") == 0);
	return NULL;
}

static void test_readonly(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/secrets/deep", "tmpfs", NULL);
	const char *paths[] = {"/etc/secret", "/secrets", "/secrets/", "/nowhere"};

	make_secrets(fixture);
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	use_readonly(fixture, paths, ARRAY_LEN(paths));
	fixture_assert_ok(fixture, 0, check_readonly);
	fixture_assert_ok(fixture, FIXTURE_USER_NAMESPACE, check_readonly);
}

static const char *check_both(void)
{
	check_that(streq(fixture_read("/etc/secret"), ""));
	check_that(open("/etc/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0 && errno == EROFS);
	return NULL;
}

static void test_masked_below_readonly(void **state)
{
	struct fixture *fixture = *state;
	const char *masked[] = {"/etc/secret"};
	const char *readonly[] = {"/etc"};

	make_secrets(fixture);
	use_masked(fixture, masked, 1);
	use_readonly(fixture, readonly, 1);
	fixture_assert_ok(fixture, 0, check_both);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_masked),
	    TEST(test_directories_share_a_file_system),
	    TEST(test_masks_through_links),
	    TEST(test_no_excuses),
	    TEST(test_null_is_a_link),
	    TEST(test_null_is_another_device),
	    TEST(test_null_is_missing),
	    TEST(test_readonly),
	    TEST(test_masked_below_readonly),
	};

	if (!fixture_is_root())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
