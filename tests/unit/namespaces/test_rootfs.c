/* SPDX-License-Identifier: Apache-2.0 */
/* The root as a whole: a container's usual mounts, pivot, propagation, read-only. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "rootfs_fixture.h"

static struct oci_mount usual_mounts[] = {
    MOUNT("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
    MOUNT("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    MOUNT("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666",
	  "mode=0620", "gid=5"),
    MOUNT("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
    MOUNT("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    MOUNT("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    MOUNT("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
};
static const char *usual_masked[] = {"/proc/acpi",       "/proc/kcore",   "/proc/keys",
				     "/proc/timer_list", "/sys/firmware", "/proc/scsi"};
static const char *usual_readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
				       "/proc/sysrq-trigger"};

static void use_usual(struct fixture *fixture)
{
	fixture->spec.mounts = usual_mounts;
	fixture->spec.n_mounts = sizeof(usual_mounts) / sizeof(usual_mounts[0]);
	fixture->linux_.masked_paths = usual_masked;
	fixture->linux_.n_masked_paths = sizeof(usual_masked) / sizeof(usual_masked[0]);
	fixture->linux_.readonly_paths = usual_readonly;
	fixture->linux_.n_readonly_paths = sizeof(usual_readonly) / sizeof(usual_readonly[0]);
	fixture->root.readonly = true;
}

static bool mount_has(const char *mount_point, const char *text)
{
	const char *line = fixture_mount_line(mount_point);

	return line && strstr(line, text);
}

static const char *check_usual(void)
{
	struct statvfs fs;
	struct stat st;

	check_that(mount_has("/", " ro,"));
	check_that(mount_has("/proc", " - proc proc "));
	check_that(mount_has("/proc", "nosuid,nodev,noexec"));
	check_that(mount_has("/dev", "nosuid - tmpfs tmpfs "));
	check_that(mount_has("/dev", "mode=755"));
	check_that(mount_has("/dev/pts", " - devpts devpts "));
	check_that(mount_has("/dev/shm", "size=65536k"));
	check_that(mount_has("/dev/mqueue", " - mqueue mqueue "));
	check_that(mount_has("/sys", " ro,"));
	check_that(mount_has("/sys/fs/cgroup", " - cgroup2 cgroup "));
	check_that(mount_has("/sys/fs/cgroup", " ro,"));
	check_that(statvfs("/", &fs) == 0 && (fs.f_flag & ST_RDONLY));
	check_that(open("/new", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
	check_that(open("/dev/new", O_CREAT | O_WRONLY, 0600) >= 0);
	check_that(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
	check_that(open("/proc/sys/kernel/printk", O_WRONLY) < 0 && errno == EROFS);
	check_that(stat("/tmp/wherry", &st) < 0 && errno == ENOENT);
	return NULL;
}

static void test_usual(void **state)
{
	struct fixture *fixture = *state;

	use_usual(fixture);
	fixture_assert_ok(fixture, FIXTURE_CGROUP_NAMESPACE, check_usual);
}

static void test_usual_on_a_shared_host(void **state)
{
	struct fixture *fixture = *state;

	use_usual(fixture);
	fixture_assert_ok(fixture, FIXTURE_CGROUP_NAMESPACE | FIXTURE_SHARED_HOST, check_usual);
}

/* how the root becomes the root */

static void test_without_pivot(void **state)
{
	struct fixture *fixture = *state;

	use_usual(fixture);
	fixture_assert_ok(fixture, FIXTURE_CGROUP_NAMESPACE | FIXTURE_NO_PIVOT, check_usual);
}

/** An fd that reaches the host's tree as a process could that was there before. */
static int host_root = -1;

static const char *open_host_root(struct fixture *fixture, const struct rootfs_work *work)
{
	host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	check_that(host_root >= 0);
	check_that(faccessat(host_root, "proc/self", F_OK, 0) == 0);
	check_that(faccessat(host_root, "sys/kernel", F_OK, 0) == 0);
	return NULL;
}

static const char *check_no_host_proc(void)
{
	check_that(faccessat(host_root, "proc/self", F_OK, 0) < 0);
	check_that(faccessat(host_root, "sys/kernel", F_OK, 0) < 0);
	return NULL;
}

static void test_without_pivot_host_mounts_go(void **state)
{
	struct fixture *fixture = *state;

	fixture->before_pivot = open_host_root;
	fixture_assert_ok(fixture, FIXTURE_NO_PIVOT, check_no_host_proc);
	/* locked there: covered */
	fixture_assert_ok(fixture, FIXTURE_NO_PIVOT | FIXTURE_USER_NAMESPACE, check_no_host_proc);
}

static const char *check_host_is_gone(void)
{
	check_that(fixture_mount_line("/") && !fixture_mount_line("/sys"));
	check_that(access("/canary/f", F_OK) < 0);
	check_that(access("/../canary", F_OK) < 0);
	return NULL;
}

static void test_host_is_gone(void **state)
{
	fixture_assert_ok((struct fixture *)*state, 0, check_host_is_gone);
}

/** createContainer hooks find the container's mounts below the root's own path. */
static const char *look_before_pivot(struct fixture *fixture, const struct rootfs_work *work)
{
	struct statvfs fs;

	check_that(statvfs(fixture_path(fixture, "rootfs/tmp"), &fs) == 0 &&
		   (fs.f_flag & ST_NODEV));
	return NULL;
}

static void test_mounts_are_seen_before_pivot(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/tmp", "tmpfs", NULL, "nodev");

	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	fixture->before_pivot = look_before_pivot;
	fixture_assert_ok(fixture, 0, NULL);
}

/* rootfsPropagation */

static const char *check_slave(void)
{
	check_that(mount_has("/", "master:") && !mount_has("/", "shared:"));
	return NULL;
}

static const char *check_shared(void)
{
	check_that(mount_has("/", "shared:") && !mount_has("/", "master:"));
	return NULL;
}

static const char *check_private(void)
{
	check_that(!mount_has("/", "shared:") && !mount_has("/", "master:") &&
		   !mount_has("/", "unbindable"));
	return NULL;
}

static const char *check_unbindable(void)
{
	check_that(mount_has("/", "unbindable"));
	return NULL;
}

static void test_propagation(void **state)
{
	struct fixture *fixture = *state;
	const struct {
		int64_t asked;
		const char *(*check)(void);
	} cases[] = {
	    {OCI_PROPAGATION_UNSET,       check_slave     },
	    {OCI_PROPAGATION_SLAVE,       check_slave     },
	    {OCI_PROPAGATION_RSLAVE,      check_slave     },
	    {OCI_PROPAGATION_SHARED,      check_shared    },
	    {OCI_PROPAGATION_RSHARED,     check_shared    },
	    {OCI_PROPAGATION_PRIVATE,     check_private   },
	    {OCI_PROPAGATION_RPRIVATE,    check_private   },
	    {OCI_PROPAGATION_UNBINDABLE,  check_unbindable},
	    {OCI_PROPAGATION_RUNBINDABLE, check_unbindable},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fixture->linux_.rootfs_propagation = cases[i].asked;
		fixture_assert_ok(fixture, FIXTURE_SHARED_HOST, cases[i].check);
	}
}

/* T12e, CVE-2026-115521: nothing of the image has a say in what becomes read-only */
static const char *check_readonly_root(void)
{
	check_that(open("/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0 && errno == EROFS);
	check_that(mount_has("/", " ro,"));
	return NULL;
}

static void test_readonly_root_with_a_fake_proc(void **state)
{
	struct fixture *fixture = *state;
	char name[64];

	fixture->root.readonly = true;
	fixture_dir(fixture, "rootfs/proc/self", 0755);
	fixture_dir(fixture, "rootfs/proc/self/fd", 0755);
	for (int i = 3; i < 64; i++) {
		snprintf(name, sizeof(name), "rootfs/proc/self/fd/%d", i);
		fixture_link(fixture, name, "/tmp");
	}
	fixture_assert_ok(fixture, 0, check_readonly_root);
	fixture_assert_ok(fixture, FIXTURE_NO_PIVOT, check_readonly_root);
}

/* the root's path */

static void test_wrong_roots(void **state)
{
	struct fixture *fixture = *state;

	fixture_file(fixture, "file", "");
	fixture_link(fixture, "nowhere", "missing");
	fixture_link(fixture, "link", "rootfs");
	fixture->root.path = "missing";
	fixture_assert_fails(fixture, 0,
			     "root.path: open the root file system '/tmp/wherry-rootfs-");
	fixture->root.path = "nowhere";
	fixture_assert_fails(fixture, 0, "is a symbolic link: name the directory itself");
	fixture->root.path = "link";
	fixture_assert_fails(fixture, 0, "is a symbolic link: name the directory itself");
	fixture->root.path = "file";
	fixture_assert_fails(fixture, 0, "root.path: the root file system");
}

static void test_without_mount_namespace(void **state)
{
	struct fixture *fixture = *state;

	fixture->linux_.n_namespaces = 0;
	fixture_assert_ok(fixture, 0, NULL);
}

/* what needs more than one way to be mounted */

static const char *check_sysfs_of_the_host(void)
{
	check_that(mount_has("/sys", " - sysfs ") && mount_has("/sys", " ro,"));
	check_that(mount_has("/sys", "nosuid,nodev,noexec"));
	return NULL;
}

static void test_sysfs_of_a_user_namespace(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/sys", "sysfs", NULL, "nosuid", "noexec", "nodev");

	fixture->namespaces[1] = (struct oci_namespace){.type = CLONE_NEWUSER};
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	fixture_assert_ok(fixture, FIXTURE_USER_NAMESPACE, check_sysfs_of_the_host);
	fixture_assert_ok(fixture, FIXTURE_USER_NAMESPACE | FIXTURE_OPEN_INSIDE,
			  check_sysfs_of_the_host);
}

static const char *check_mqueue_of_the_host(void)
{
	check_that(mount_has("/dev/mqueue", "nosuid,nodev,noexec"));
	return NULL;
}

static void test_mqueue_of_a_user_namespace(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/dev/mqueue", "mqueue", NULL, "nosuid", "noexec", "nodev");
	/* the usual place of the host's, where it has none */
	bool made = mkdir("/dev/mqueue", 0755) == 0;
	const char *wrong;

	fixture->namespaces[1] = (struct oci_namespace){.type = CLONE_NEWUSER};
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	wrong = fixture_run(fixture, FIXTURE_USER_NAMESPACE | FIXTURE_HOST_IPC,
			    check_mqueue_of_the_host);
	if (made)
		assert_int_equal(rmdir("/dev/mqueue"), 0);
	if (wrong)
		fail_msg("%s", wrong);
}

static const char *check_joined_proc(void)
{
	check_that(mount_has("/proc", " - proc other ") && mount_has("/proc", "nosuid,noatime"));
	return NULL;
}

static void test_proc_of_a_joined_namespace(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/proc", "proc", NULL, "nosuid", "noatime", "hidepid=2");

	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	fixture_assert_fails(fixture, FIXTURE_JOINED_PROC,
			     "option 'hidepid' of a procfs in a joined pid namespace");
	mount.n_options = 2;
	fixture_assert_ok(fixture, FIXTURE_JOINED_PROC, check_joined_proc);
}

/**
 * A cgroup of the test's own, where the host's cgroup v2 is. False where there is none that can be
 * written.
 */
static bool make_cgroup(struct fixture *fixture, char *path, size_t size)
{
	const char *mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, size, "%s/cgroup.procs", mounts[i]);
		if (access(path, F_OK) < 0)
			continue;
		snprintf(path, size, "%s/wherry-unit-%d", mounts[i], (int)getpid());
		if (mkdir(path, 0755) == 0) {
			fixture->cgroup_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
			return true;
		}
	}
	return false;
}

static const char *check_cgroup_readonly(void)
{
	check_that(mount_has("/sys/fs/cgroup", " - cgroup2 ") &&
		   mount_has("/sys/fs/cgroup", "/wherry-unit-"));
	check_that(mount_has("/sys/fs/cgroup", " ro,nosuid,nodev,noexec"));
	check_that(access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0);
	check_that(mkdir("/sys/fs/cgroup/x", 0700) < 0 && errno == EROFS);
	return NULL;
}

static const char *check_cgroup_of_namespace(void)
{
	check_that(mount_has("/sys/fs/cgroup", " - cgroup2 ") &&
		   !mount_has("/sys/fs/cgroup", " ro,"));
	return NULL;
}

/* CVE-2023-25809: without a cgroup namespace only the container's own part, and not to be written
 */
static void test_cgroup(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount =
	    MOUNT("/sys/fs/cgroup", "cgroup", NULL, "nosuid", "noexec", "nodev", "rw");
	char path[128];
	const char *wrong[3];

	if (!make_cgroup(fixture, path, sizeof(path))) {
		print_message("# nothing to test: the host has no cgroup v2 that can be written\n");
		return;
	}
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	wrong[0] = fixture_run(fixture, 0, check_cgroup_readonly);
	wrong[1] =
	    wrong[0] ? NULL : fixture_run(fixture, FIXTURE_USER_NAMESPACE, check_cgroup_readonly);
	wrong[2] = wrong[0] || wrong[1]
		       ? NULL
		       : fixture_run(fixture, FIXTURE_CGROUP_NAMESPACE, check_cgroup_of_namespace);
	assert_int_equal(rmdir(path), 0);
	for (int i = 0; i < 3; i++) {
		if (wrong[i])
			fail_msg("case %d: %s", i, wrong[i]);
	}
}

#define LAYERS 24

static const char *check_overlay(void)
{
	check_that(mount_has("/merged", " - overlay ") && mount_has("/merged", "nosuid"));
	check_that(streq(fixture_read("/merged/first"), "first"));
	check_that(streq(fixture_read("/merged/last"), "last"));
	check_that(open("/merged/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0);
	return NULL;
}

/** @layers: many make a lowerdir that is longer than fsconfig(2) takes. */
static void run_overlay(struct fixture *fixture, int layers)
{
	const char *lower = "lowerdir=";
	struct oci_mount mount = MOUNT("/merged", "overlay", "overlay");

	for (int i = 0; i < layers; i++)
		lower = arena_printf(&fixture->arena, "%s%s%s/layer%d", lower, i ? ":" : "",
				     fixture->dir, i);
	mount.options = (const char *[]){
	    lower, arena_printf(&fixture->arena, "upperdir=%s/upper", fixture->dir),
	    arena_printf(&fixture->arena, "workdir=%s/work", fixture->dir), "nosuid"};
	mount.n_options = 4;
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	fixture_assert_ok(fixture, 0, check_overlay);
}

static void test_overlay(void **state)
{
	struct fixture *fixture = *state;
	char name[32];

	fixture_dir(fixture, "upper", 0755);
	fixture_dir(fixture, "work", 0755);
	for (int i = 0; i < LAYERS; i++) {
		snprintf(name, sizeof(name), "layer%d", i);
		fixture_dir(fixture, name, 0755);
	}
	fixture_file(fixture, "layer0/first", "first");
	fixture_file(fixture, "layer1/last", "last");
	run_overlay(fixture, 2);
	assert_int_equal(unlink(fixture_path(fixture, "layer1/last")), 0);
	snprintf(name, sizeof(name), "layer%d/last", LAYERS - 1);
	fixture_file(fixture, name, "last");
	run_overlay(fixture, LAYERS);
}

static const char *check_mount2(void)
{
	check_that(mount_has("/tmp", "nosuid,nodev,noexec,noatime") && mount_has("/tmp", " ro,"));
	check_that(mount_has("/tmp", "size=64k"));
	check_that(mount_has("/tmp/below", " - tmpfs "));
	return NULL;
}

static void test_iversion_is_mounted_by_mount2(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/tmp", "tmpfs", NULL, "iversion", "silent", "nosuid", "nodev", "noexec",
		  "noatime", "ro", "size=64k", "mode=700"),
	    MOUNT("/tmp/below", "tmpfs", NULL),
	};

	fixture->spec.mounts = mounts;
	fixture->spec.n_mounts = 2;
	fixture_assert_ok(fixture, 0, check_mount2);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_usual),
	    TEST(test_usual_on_a_shared_host),
	    TEST(test_without_pivot),
	    TEST(test_without_pivot_host_mounts_go),
	    TEST(test_host_is_gone),
	    TEST(test_mounts_are_seen_before_pivot),
	    TEST(test_propagation),
	    TEST(test_readonly_root_with_a_fake_proc),
	    TEST(test_wrong_roots),
	    TEST(test_without_mount_namespace),
	    TEST(test_sysfs_of_a_user_namespace),
	    TEST(test_mqueue_of_a_user_namespace),
	    TEST(test_proc_of_a_joined_namespace),
	    TEST(test_cgroup),
	    TEST(test_overlay),
	    TEST(test_iversion_is_mounted_by_mount2),
	};

	if (!fixture_is_root())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
