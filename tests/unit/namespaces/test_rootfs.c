/* SPDX-License-Identifier: Apache-2.0 */
/* The root as a whole: a container's usual mounts, pivot, propagation, read-only. */
#include <errno.h>
#include <fcntl.h>
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

#include "rootfs_fixture.h"

static struct oci_mount usual_mounts[] = {
	{ .destination = "/proc", .type = "proc", .source = "proc", OPTIONS("nosuid", "noexec", "nodev") },
	{ .destination = "/dev", .type = "tmpfs", .source = "tmpfs", OPTIONS("nosuid", "strictatime", "mode=755", "size=65536k") },
	{ .destination = "/dev/pts", .type = "devpts", .source = "devpts",
	  OPTIONS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5") },
	{ .destination = "/dev/shm", .type = "tmpfs", .source = "shm",
	  OPTIONS("nosuid", "noexec", "nodev", "mode=1777", "size=65536k") },
	{ .destination = "/dev/mqueue", .type = "mqueue", .source = "mqueue", OPTIONS("nosuid", "noexec", "nodev") },
	{ .destination = "/sys", .type = "sysfs", .source = "sysfs", OPTIONS("nosuid", "noexec", "nodev", "ro") },
	{ .destination = "/sys/fs/cgroup", .type = "cgroup", .source = "cgroup",
	  OPTIONS("nosuid", "noexec", "nodev", "relatime", "ro") },
};
static const char *usual_masked[] = { "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/scsi" };
static const char *usual_readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_usual, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_usual_on_a_shared_host, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
