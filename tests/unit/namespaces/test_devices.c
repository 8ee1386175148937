/* SPDX-License-Identifier: Apache-2.0 */
/* /dev, looked at from inside the container. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "rootfs_fixture.h"

/** A device: type, path, and what else is given. */
#define DEVICE(type_, path_, ...)                                                                  \
	{                                                                                          \
		.type = type_, .path = path_, __VA_ARGS__                                          \
	}

static const struct {
	const char *path;
	unsigned int major;
	unsigned int minor;
} default_devices[] = {
    {"/dev/null",    1, 3},
    {"/dev/zero",    1, 5},
    {"/dev/full",    1, 7},
    {"/dev/random",  1, 8},
    {"/dev/urandom", 1, 9},
    {"/dev/tty",     5, 0},
};

static const struct {
	const char *path;
	const char *target;
} default_links[] = {
    {"/dev/fd",     "/proc/self/fd"  },
    {"/dev/stdin",  "/proc/self/fd/0"},
    {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"},
    {"/dev/ptmx",   "pts/ptmx"       },
};

static struct oci_mount dev_and_proc[] = {
    MOUNT("/dev", "tmpfs", NULL, "nosuid", "mode=755"),
    MOUNT("/proc", "proc", NULL),
};

static const char *link_target(const char *path)
{
	static char target[128];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	target[len < 0 ? 0 : len] = '\0';
	return target;
}

static const char *check_defaults(void)
{
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(default_devices); i++) {
		check_that(lstat(default_devices[i].path, &st) == 0 && S_ISCHR(st.st_mode));
		check_that(st.st_rdev ==
			   makedev(default_devices[i].major, default_devices[i].minor));
		check_that((st.st_mode & 07777) == 0666 && st.st_uid == 0 && st.st_gid == 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(default_links); i++)
		check_that(streq(link_target(default_links[i].path), default_links[i].target));
	check_that(open("/dev/null", O_RDWR | O_CLOEXEC) >= 0);
	return NULL;
}

static const char *check_with_core(void)
{
	check_that(
	    streq(link_target("/dev/core"), access("/proc/kcore", F_OK) == 0 ? "/proc/kcore" : ""));
	return check_defaults();
}

static void test_defaults(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.mounts = dev_and_proc;
	fixture->spec.n_mounts = 2;
	fixture_assert_ok(fixture, 0, check_with_core);
}

static void test_defaults_under_a_umask(void **state)
{
	struct fixture *fixture = *state;
	mode_t mask = umask(077);
	const char *wrong;

	fixture->spec.mounts = dev_and_proc;
	fixture->spec.n_mounts = 1;
	wrong = fixture_run(fixture, 0, check_defaults);
	umask(mask);
	if (wrong)
		fail_msg("%s", wrong);
}

static void test_no_mount_over_dev(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(rmdir(fixture_path(fixture, "rootfs/dev")), 0);
	fixture_assert_ok(fixture, 0, check_defaults);
	/* all of it is there, and stays */
	fixture_assert_ok(fixture, 0, check_defaults);
}

static const int64_t major_10 = 10, minor_229 = 229, major_7 = 7, minor_0 = 0;
static const uint32_t mode_640 = 0640, owner = 7, group = 8;
static struct oci_device listed[] = {
    DEVICE('c', "/dev/deep/er/fuse", .major = &major_10, .minor = &minor_229,
	   .file_mode = &mode_640, .uid = &owner, .gid = &group),
    DEVICE('b', "/srv/loop", .major = &major_7, .minor = &minor_0, .gid = &group),
    DEVICE('p', "/dev/fifo", .major = NULL),
    DEVICE('c', "/dev/null", .major = &(const int64_t){1}, .minor = &(const int64_t){3},
	   .file_mode = &mode_640),
};

static const char *check_listed(void)
{
	struct stat st;

	check_that(lstat("/dev/deep/er/fuse", &st) == 0 && S_ISCHR(st.st_mode) &&
		   st.st_rdev == makedev(10, 229));
	check_that((st.st_mode & 07777) == 0640 && st.st_uid == 7 && st.st_gid == 8);
	check_that(lstat("/dev/deep", &st) == 0 && (st.st_mode & 07777) == 0755);
	check_that(lstat("/srv/loop", &st) == 0 && S_ISBLK(st.st_mode) &&
		   st.st_rdev == makedev(7, 0));
	check_that((st.st_mode & 07777) == 0666 && st.st_uid == 0 && st.st_gid == 8);
	check_that(lstat("/dev/fifo", &st) == 0 && S_ISFIFO(st.st_mode));
	check_that(lstat("/dev/null", &st) == 0 && (st.st_mode & 07777) == 0640);
	return NULL;
}

static void test_listed(void **state)
{
	struct fixture *fixture = *state;

	fixture->linux_.devices = listed;
	fixture->linux_.n_devices = ARRAY_LEN(listed);
	fixture_assert_ok(fixture, 0, check_listed);
}

/* T1b, CVE-2026-41579 and CVE-2026-47766: nothing is made on the host */
static void test_dev_is_a_link(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(rmdir(fixture_path(fixture, "rootfs/dev")), 0);
	fixture_link(fixture, "rootfs/dev", fixture->canary);
	/* made where the link points inside the root, or refused */
	fixture_run(fixture, 0, NULL);
	fixture_assert_canary(fixture);
}

static void test_something_else_in_the_place(void **state)
{
	struct fixture *fixture = *state;

	fixture_file(fixture, "rootfs/dev/full", "");
	fixture_assert_fails(
	    fixture, 0, "device '/dev/full': something that is not this device is in its place");
	assert_int_equal(unlink(fixture_path(fixture, "rootfs/dev/full")), 0);
	assert_int_equal(
	    mknod(fixture_path(fixture, "rootfs/dev/full"), S_IFCHR | 0666, makedev(1, 3)), 0);
	fixture_assert_fails(
	    fixture, 0, "device '/dev/full': something that is not this device is in its place");
	assert_int_equal(unlink(fixture_path(fixture, "rootfs/dev/full")), 0);
	/* not even the right device behind a link */
	fixture_link(fixture, "rootfs/dev/full", "/dev/null");
	fixture_assert_fails(
	    fixture, 0, "device '/dev/full': something that is not this device is in its place");
}

static void test_links_replace(void **state)
{
	struct fixture *fixture = *state;

	fixture_file(fixture, "rootfs/dev/stdin", "");
	fixture_link(fixture, "rootfs/dev/fd", fixture->canary);
	assert_int_equal(
	    mknod(fixture_path(fixture, "rootfs/dev/ptmx"), S_IFCHR | 0666, makedev(5, 2)), 0);
	fixture_assert_ok(fixture, 0, check_defaults);
	fixture_assert_canary(fixture);
	assert_int_equal(unlink(fixture_path(fixture, "rootfs/dev/stdin")), 0);
	fixture_dir(fixture, "rootfs/dev/stdin", 0755);
	fixture_assert_fails(fixture, 0, "replace '/dev/stdin' by a link");
}

/* bound from the host: in a user namespace nobody may make devices */

static const char *check_bound(void)
{
	struct stat st;
	const char *line;

	for (size_t i = 0; i < ARRAY_LEN(default_devices); i++) {
		check_that(stat(default_devices[i].path, &st) == 0 && S_ISCHR(st.st_mode));
		check_that(st.st_rdev ==
			   makedev(default_devices[i].major, default_devices[i].minor));
		line = fixture_mount_line(default_devices[i].path);
		check_that(line && strstr(line, "nosuid") && strstr(line, "noexec"));
	}
	check_that(open("/dev/zero", O_RDONLY | O_CLOEXEC) >= 0);
	return NULL;
}

static void test_user_namespace(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.mounts = dev_and_proc;
	fixture->spec.n_mounts = 1;
	fixture_assert_ok(fixture, FIXTURE_USER_NAMESPACE, check_bound);
	/* root of a user namespace that the document knows nothing of: rootless Podman */
	fixture_assert_ok(fixture, FIXTURE_ALIEN_USER, check_bound);
	/* a parent that may not clone mounts */
	fixture_assert_ok(fixture, FIXTURE_USER_NAMESPACE | FIXTURE_OPEN_INSIDE, check_bound);
}

static void test_host_device_is_another(void **state)
{
	struct fixture *fixture = *state;
	struct oci_device device =
	    DEVICE('c', "/dev/null", .major = &major_10, .minor = &minor_229);

	fixture->spec.mounts = dev_and_proc;
	fixture->spec.n_mounts = 1;
	fixture->linux_.devices = &device;
	fixture->linux_.n_devices = 1;
	fixture_assert_fails(fixture, FIXTURE_USER_NAMESPACE,
			     "linux.devices: the host's '/dev/null' is not c 10:229");
	fixture_assert_fails(fixture, FIXTURE_ALIEN_USER,
			     "device '/dev/null': the host's node is another device");
	device.path = "/dev/wherry-missing";
	fixture_assert_fails(fixture, FIXTURE_USER_NAMESPACE,
			     "linux.devices: open the host's '/dev/wherry-missing'");
}

static void test_links_in_the_place_of_bound_devices(void **state)
{
	struct fixture *fixture = *state;

	fixture_link(fixture, "rootfs/dev/full", fixture_path(fixture, "canary/f"));
	fixture_assert_fails(fixture, FIXTURE_USER_NAMESPACE,
			     "device '/dev/full': a symbolic link is in its place");
	fixture_assert_canary(fixture);
}

static const char *check_host_dev(void)
{
	struct stat st;

	check_that(lstat("/dev/marker", &st) == 0);
	check_that(lstat("/dev/null", &st) < 0 && lstat("/dev/fd", &st) < 0);
	return NULL;
}

static void test_bound_dev(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/dev", NULL, "hostdev", "rbind");

	fixture_dir(fixture, "hostdev", 0755);
	fixture_file(fixture, "hostdev/marker", "");
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	fixture_assert_ok(fixture, 0, check_host_dev);
}

/* the console */

static struct oci_mount dev_and_pts[] = {
    MOUNT("/dev", "tmpfs", NULL, "nosuid", "mode=755"),
    MOUNT("/dev/pts", "devpts", NULL, "newinstance", "ptmxmode=0666", "gid=5"),
};

static const char *check_console(void)
{
	struct stat st;

	check_that(lstat("/dev/console", &st) == 0 && S_ISCHR(st.st_mode) &&
		   major(st.st_rdev) == 136);
	return NULL;
}

static void test_console(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.mounts = dev_and_pts;
	fixture->spec.n_mounts = 2;
	fixture_assert_ok(fixture, FIXTURE_CONSOLE, check_console);
	/* gid 5 means nothing there: devpts goes without it */
	fixture_assert_ok(fixture, FIXTURE_CONSOLE | FIXTURE_USER_NAMESPACE, check_console);
}

/* T13, CVE-2026-88264 */
static void test_console_is_a_link(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.mounts = dev_and_pts + 1;
	fixture->spec.n_mounts = 1;
	fixture_link(fixture, "rootfs/dev/console", fixture_path(fixture, "canary/new"));
	fixture_assert_fails(fixture, FIXTURE_CONSOLE,
			     "'/dev/console': a symbolic link is in its place");
	fixture_assert_canary(fixture);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_defaults),
	    TEST(test_defaults_under_a_umask),
	    TEST(test_no_mount_over_dev),
	    TEST(test_listed),
	    TEST(test_dev_is_a_link),
	    TEST(test_something_else_in_the_place),
	    TEST(test_links_replace),
	    TEST(test_user_namespace),
	    TEST(test_host_device_is_another),
	    TEST(test_links_in_the_place_of_bound_devices),
	    TEST(test_bound_dev),
	    TEST(test_console),
	    TEST(test_console_is_a_link),
	};

	if (!fixture_is_root())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
