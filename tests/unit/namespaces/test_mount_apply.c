/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts, looked at from inside the container; among them what a hostile root file system tries. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "rootfs_fixture.h"

static void use_mounts(struct fixture *fixture, struct oci_mount *mounts, size_t count)
{
	fixture->spec.mounts = mounts;
	fixture->spec.n_mounts = count;
}

static bool mount_has(const char *mount_point, const char *text)
{
	const char *line = fixture_mount_line(mount_point);

	return line && strstr(line, text);
}

static bool is_readonly(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY);
}

/* binds */

static const char *check_binds(void)
{
	struct stat st;

	check_that(streq(fixture_read("/etc/file"), "from the bundle"));
	check_that(streq(fixture_read("/new/dir/inner"), "inner"));
	check_that(is_readonly("/etc/file"));
	check_that(mount_has("/etc/file", "ro,nosuid,noexec"));
	check_that(!is_readonly("/new/dir"));
	check_that(stat("/made/file", &st) == 0 && S_ISREG(st.st_mode));
	/* nothing mounted in there can reach the host */
	check_that(!mount_has("/new/dir", "shared:"));
	return NULL;
}

static void test_binds(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/etc/file", NULL, "source", "bind", "ro", "nosuid", "noexec"),
	    MOUNT("/new/dir", "anything", "tree", "rbind"),
	    MOUNT("/made/file", NULL, "source", "bind", "rprivate"),
	};

	fixture_file(fixture, "source", "from the bundle");
	fixture_dir(fixture, "tree", 0755);
	fixture_file(fixture, "tree/inner", "inner");
	use_mounts(fixture, mounts, 3);
	fixture_assert_ok(fixture, 0, check_binds);
	fixture_assert_ok(fixture, FIXTURE_SHARED_HOST, check_binds);
	fixture_assert_ok(fixture, FIXTURE_USER_NAMESPACE, check_binds);
	fixture_assert_ok(fixture, FIXTURE_OPEN_INSIDE | FIXTURE_USER_NAMESPACE, check_binds);
}

static const char *check_made_directories(void)
{
	struct stat st;

	check_that(stat("/new", &st) == 0 && (st.st_mode & 07777) == 0755);
	check_that(stat("/new/dir", &st) == 0 &&
		   (st.st_mode & 07777) == 01777); /* the tmpfs itself */
	return NULL;
}

/* the caller's umask is no business of the container's */
static void test_made_directories(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/new/dir", "tmpfs", NULL);
	mode_t mask = umask(077);
	const char *wrong;

	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	wrong = fixture_run(fixture, 0, check_made_directories);
	umask(mask);
	if (wrong)
		fail_msg("%s", wrong);
}

static void test_missing_source(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/new", "tmpfs", NULL),
	    MOUNT("/other", NULL, "nowhere", "bind"),
	};

	use_mounts(fixture, mounts, 2);
	fixture_assert_fails(fixture, 0, "mounts[1].source: open '/tmp/wherry-rootfs-");
	assert_int_equal(access(fixture_path(fixture, "rootfs/new"), F_OK), -1);
}

static void exchange_sources(struct fixture *fixture)
{
	renameat2(AT_FDCWD, fixture_path(fixture, "source"), AT_FDCWD,
		  fixture_path(fixture, "other"), RENAME_EXCHANGE);
}

/* where init has to look a source up again, it takes no other */
static void test_exchanged_source(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/etc/file", NULL, "source", "bind");

	fixture_file(fixture, "source", "");
	fixture_file(fixture, "other", "");
	use_mounts(fixture, &mount, 1);
	fixture->after_open = exchange_sources;
	fixture_assert_ok(fixture, 0, NULL);
	fixture_assert_fails(fixture, FIXTURE_OPEN_INSIDE | FIXTURE_USER_NAMESPACE,
			     "is another file in the container's mount namespace");
}

static void test_bind_of_wrong_kind(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/etc", NULL, "source", "bind"),
	};

	fixture_file(fixture, "source", "");
	use_mounts(fixture, mounts, 1);
	fixture_assert_fails(fixture, 0,
			     "mounts[0] '/etc': a file cannot be mounted on a directory");
}

/** A tree with a tmpfs in it, made in the test's own mount namespace. */
static void make_tree_with_submount(struct fixture *fixture)
{
	fixture_dir(fixture, "tree", 0755);
	fixture_dir(fixture, "tree/sub", 0755);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", fixture_path(fixture, "tree/sub"), "tmpfs", 0, NULL), 0);
}

static const char *check_recursion(void)
{
	check_that(is_readonly("/top") && !is_readonly("/top/sub"));
	check_that(is_readonly("/all") && is_readonly("/all/sub"));
	check_that(!is_readonly("/opened/sub"));
	check_that(fixture_mount_line("/plain"));
	check_that(!fixture_mount_line("/plain/sub"));
	check_that(mount_has("/all/sub", "nosuid") && mount_has("/all/sub", "noatime"));
	return NULL;
}

static void test_recursion(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/top", NULL, "tree", "rbind", "ro"),
	    MOUNT("/all", NULL, "tree", "rbind", "rro", "rnosuid", "rnoatime"),
	    MOUNT("/opened", NULL, "tree", "rbind", "ro", "rrw"),
	    MOUNT("/plain", NULL, "tree", "bind"),
	};

	make_tree_with_submount(fixture);
	use_mounts(fixture, mounts, 4);
	fixture_assert_ok(fixture, 0, check_recursion);
	assert_int_equal(umount2(fixture_path(fixture, "tree/sub"), MNT_DETACH), 0);
}

static const char *check_propagation(void)
{
	check_that(!mount_has("/default", "shared:") && mount_has("/default", "master:"));
	check_that(!mount_has("/private", "shared:") && !mount_has("/private", "master:"));
	check_that(mount_has("/shared", "shared:") && mount_has("/shared", "master:"));
	check_that(mount_has("/unbindable", "unbindable"));
	check_that(!mount_has("/", "shared:"));
	return NULL;
}

static void test_propagation(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/default", NULL, "tree", "rbind"),
	    MOUNT("/private", NULL, "tree", "rbind", "rprivate"),
	    MOUNT("/shared", NULL, "tree", "rbind", "rshared"),
	    MOUNT("/unbindable", NULL, "tree", "bind", "unbindable"),
	};

	fixture_dir(fixture, "tree", 0755);
	use_mounts(fixture, mounts, 4);
	fixture_assert_ok(fixture, FIXTURE_SHARED_HOST, check_propagation);
}

/* what a hostile root file system tries */

static const char *check_links_stay_inside(void)
{
	check_that(fixture_mount_line("/outside/newdir/x"));
	check_that(fixture_mount_line("/outside/f"));
	check_that(fixture_mount_line("/dangling-target/y"));
	return NULL;
}

static void test_links_stay_inside(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/link/newdir/x", "tmpfs", NULL),
	    MOUNT("/link2", NULL, "source", "bind"),
	    MOUNT("/dangling/y", "tmpfs", NULL),
	};

	fixture_file(fixture, "source", "");
	fixture_dir(fixture, "rootfs/outside", 0755);
	fixture_link(fixture, "rootfs/link", "/outside");
	fixture_link(fixture, "rootfs/link2", "../../../../../../../outside/f");
	fixture_link(fixture, "rootfs/dangling", "dangling-target");
	use_mounts(fixture, mounts, 3);
	fixture_assert_ok(fixture, 0, check_links_stay_inside);
	fixture_assert_canary(fixture);
}

static void test_links_to_the_host(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/link/newdir/x", "tmpfs", NULL),
	    MOUNT("/link2", NULL, "source", "bind"),
	};

	fixture_file(fixture, "source", "");
	fixture_link(fixture, "rootfs/link", fixture->canary);
	fixture_link(fixture, "rootfs/link2", fixture_path(fixture, "canary/f"));
	use_mounts(fixture, mounts, 2);
	fixture_assert_ok(fixture, 0, NULL);
	fixture_assert_canary(fixture);
}

#define RACE_RUNS 1000

/** Exchange a directory and a link to the host, as fast as it goes, until killed. */
static pid_t start_exchanging(struct fixture *fixture)
{
	const char *a = fixture_path(fixture, "volume/a");
	const char *b = fixture_path(fixture, "volume/b");
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

/* CVE-2021-30465, CVE-2024-45310: another container exchanges the components of a mount's target
 * while it is resolved */
static void test_rename_race(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/volume", NULL, "volume", "rbind", "rshared"),
	    MOUNT("/volume/a/new/x", "tmpfs", NULL),
	    MOUNT("/volume/a/file", NULL, "source", "bind"),
	};
	const char *masked[] = {"/volume/a/file"};
	const char *readonly[] = {"/volume/a"};
	int good = 0;
	pid_t racer;

	fixture_file(fixture, "source", "");
	fixture_dir(fixture, "volume", 0755);
	fixture_dir(fixture, "volume/a", 0755);
	fixture_link(fixture, "volume/b", fixture->canary);
	use_mounts(fixture, mounts, 3);
	fixture->linux_.masked_paths = masked;
	fixture->linux_.n_masked_paths = 1;
	fixture->linux_.readonly_paths = readonly;
	fixture->linux_.n_readonly_paths = 1;
	racer = start_exchanging(fixture);
	/* each run may lose and fail; none may touch the host */
	for (int i = 0; i < RACE_RUNS; i++)
		good += fixture_run(fixture, 0, NULL) == NULL;
	kill(racer, SIGKILL);
	waitpid(racer, NULL, 0);
	fixture_assert_canary(fixture);
	print_message("# %d of %d runs succeeded\n", good, RACE_RUNS);
	assert_true(good > 0);
}

static void test_link_loop(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/a/x", "tmpfs", NULL);

	fixture_link(fixture, "rootfs/a", "b");
	fixture_link(fixture, "rootfs/b", "a");
	use_mounts(fixture, &mount, 1);
	fixture_assert_fails(fixture, 0, "mounts[0] '/a/x'");
}

static void test_magic_link(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/proc", "proc", NULL),
	    MOUNT("/link/tmp", "tmpfs", NULL),
	};

	fixture_link(fixture, "rootfs/link", "/proc/self/root");
	use_mounts(fixture, mounts, 2);
	fixture_assert_fails(fixture, 0, "mounts[1] '/link/tmp'");
}

static void test_proc_is_a_link(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/proc", "proc", NULL);

	fixture_dir(fixture, "rootfs/evil", 0755);
	assert_int_equal(rmdir(fixture_path(fixture, "rootfs/proc")), 0);
	fixture_link(fixture, "rootfs/proc", "evil");
	use_mounts(fixture, &mount, 1);
	fixture_assert_fails(fixture, 0,
			     "mounts[0] '/proc': in the root file system it is a symbolic link");
}

static void test_sys_is_a_link(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/sys", "sysfs", NULL);

	assert_int_equal(rmdir(fixture_path(fixture, "rootfs/sys")), 0);
	fixture_link(fixture, "rootfs/sys", "etc");
	use_mounts(fixture, &mount, 1);
	fixture_assert_fails(fixture, 0,
			     "mounts[0] '/sys': in the root file system it is a symbolic link");
}

static void test_proc_is_a_file(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/proc", "proc", NULL);

	assert_int_equal(rmdir(fixture_path(fixture, "rootfs/proc")), 0);
	fixture_file(fixture, "rootfs/proc", "");
	use_mounts(fixture, &mount, 1);
	fixture_assert_fails(fixture, 0, "mounts[0] '/proc': in the root file system it is a file");
}

static void test_links_into_proc(void **state)
{
	static const char *const targets[] = {"/proc", "/proc/sys/kernel", "proc/acpi/../sys"};
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/proc", "proc", NULL),
	    MOUNT("/link", NULL, "tree", "bind"),
	};

	fixture_dir(fixture, "tree", 0755);
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		fixture_link(fixture, "rootfs/link", targets[i]);
		use_mounts(fixture, mounts, 2);
		fixture_assert_fails(fixture, 0,
				     "mounts[1] '/link': a symbolic link leads it into /proc");
		use_mounts(fixture, mounts + 1, 1);
		if (i == 0)
			fixture_assert_fails(
			    fixture, 0, "mounts[0] '/link': a symbolic link leads it into /proc");
		assert_int_equal(unlink(fixture_path(fixture, "rootfs/link")), 0);
	}
}

static const char *check_bound_proc(void)
{
	check_that(mount_has("/proc", " - proc "));
	check_that(streq(fixture_read("/proc/uptime"), "0"));
	return NULL;
}

static void test_binds_over_proc(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/proc", NULL, "/proc", "rbind"),
	    MOUNT("/proc/uptime", NULL, "uptime", "bind"),
	};
	struct oci_mount fake = MOUNT("/proc", NULL, "tree", "bind");
	struct oci_mount part = MOUNT("/proc", NULL, "/proc/sys", "bind");

	fixture_file(fixture, "uptime", "0");
	fixture_dir(fixture, "tree", 0755);
	use_mounts(fixture, mounts, 2);
	fixture_assert_ok(fixture, 0, check_bound_proc);
	use_mounts(fixture, &fake, 1);
	fixture_assert_fails(fixture, 0, "is not a procfs");
	use_mounts(fixture, &part, 1);
	fixture_assert_fails(fixture, 0, "is not a procfs");
}

/* new file systems */

static const char *check_tmpfs(void)
{
	struct stat st;

	check_that(stat("/covered", &st) == 0 && (st.st_mode & 07777) == 01770);
	check_that(stat("/given", &st) == 0 && (st.st_mode & 07777) == 0711);
	check_that(mount_has("/given", "nosuid,nodev,noexec,noatime"));
	check_that(mount_has("/given", "size=64k"));
	check_that(is_readonly("/ro") && is_readonly("/rro"));
	check_that(mount_has("/sync", "sync") && mount_has("/sync", "dirsync") &&
		   mount_has("/sync", "lazytime"));
	check_that(mount_has("/shared", "shared:"));
	check_that(!mount_has("/given", "shared:"));
	return NULL;
}

static void test_tmpfs(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/covered", "tmpfs", NULL),
	    MOUNT("/given", "tmpfs", NULL, "mode=711", "nosuid", "nodev", "noexec", "noatime",
		  "size=64k", "rprivate", ""),
	    MOUNT("/ro", "tmpfs", NULL, "ro"),
	    MOUNT("/rro", "tmpfs", NULL, "rro", "silent"),
	    MOUNT("/sync", "tmpfs", NULL, "sync", "dirsync", "lazytime"),
	    MOUNT("/shared", "tmpfs", NULL, "shared"),
	};

	fixture_dir(fixture, "rootfs/covered", 01770);
	use_mounts(fixture, mounts, ARRAY_LEN(mounts));
	fixture_assert_ok(fixture, 0, check_tmpfs);
}

static const char *check_nested_readonly(void)
{
	check_that(is_readonly("/run") && !is_readonly("/run/lock") && is_readonly("/run/deep/er"));
	check_that(is_readonly("/dev") && !is_readonly("/dev/shm"));
	check_that(fixture_mount_line("/dev/console"));
	return NULL;
}

/* /dev too: its devices and the console are made before */
static void test_readonly_with_others_below(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/run", "tmpfs", NULL, "ro"),
	    MOUNT("/run/lock", "tmpfs", NULL),
	    MOUNT("/run/deep/er", "tmpfs", NULL, "ro"),
	    MOUNT("/dev", "tmpfs", NULL, "ro"),
	    MOUNT("/dev/pts", "devpts", NULL, "newinstance", "ptmxmode=0666"),
	    MOUNT("/dev/shm", "tmpfs", NULL),
	};

	use_mounts(fixture, mounts, ARRAY_LEN(mounts));
	fixture_assert_ok(fixture, FIXTURE_CONSOLE, check_nested_readonly);
}

static void test_kernel_says_why(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount unknown = MOUNT("/a", "tmpfs", NULL, "nonsense=1");
	struct oci_mount flag = MOUNT("/a", "tmpfs", NULL, "nonsense");
	struct oci_mount type = MOUNT("/a", "nonsensefs", NULL);
	struct oci_mount value = MOUNT("/a", "tmpfs", NULL, "size=x");

	use_mounts(fixture, &unknown, 1);
	fixture_assert_fails(fixture, 0, "mounts[0] '/a': tmpfs: Unknown parameter 'nonsense'");
	use_mounts(fixture, &flag, 1);
	fixture_assert_fails(fixture, 0, "mounts[0] '/a': tmpfs: Unknown parameter 'nonsense'");
	use_mounts(fixture, &value, 1);
	fixture_assert_fails(fixture, 0, "mounts[0] '/a': tmpfs: Bad value for 'size'");
	use_mounts(fixture, &type, 1);
	fixture_assert_fails(fixture, 0, "mounts[0] '/a': unknown file system type 'nonsensefs'");
}

static const char *check_remounted_tmp(void)
{
	check_that(is_readonly("/tmp") && mount_has("/tmp", "nosuid"));
	return NULL;
}

static void test_remount(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/tmp", "tmpfs", NULL),
	    MOUNT("/tmp", NULL, NULL, "remount", "ro", "nosuid"),
	};
	struct oci_mount none = MOUNT("/etc", NULL, NULL, "remount", "ro");

	use_mounts(fixture, mounts, 2);
	fixture_assert_ok(fixture, 0, check_remounted_tmp);
	use_mounts(fixture, &none, 1);
	fixture_assert_fails(fixture, 0, "mounts[0] '/etc': remount (is anything mounted there?)");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_binds),
	    TEST(test_made_directories),
	    TEST(test_missing_source),
	    TEST(test_exchanged_source),
	    TEST(test_bind_of_wrong_kind),
	    TEST(test_propagation),
	    TEST(test_links_stay_inside),
	    TEST(test_links_to_the_host),
	    TEST(test_rename_race),
	    TEST(test_link_loop),
	    TEST(test_magic_link),
	    TEST(test_proc_is_a_link),
	    TEST(test_sys_is_a_link),
	    TEST(test_proc_is_a_file),
	    TEST(test_links_into_proc),
	    TEST(test_binds_over_proc),
	    TEST(test_tmpfs),
	    TEST(test_readonly_with_others_below),
	    TEST(test_kernel_says_why),
	    TEST(test_remount),
	    /* last: it leaves the program in a mount namespace of its own */
	    TEST(test_recursion),
	};

	if (!fixture_is_root())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
