/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sys.h"

#include "tests/unit/base/scratch.h"

#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sys/wait.h>

/* Run @body in a child; it returns 0 or the line that failed. */
static void in_child(int (*body)(void))
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	long pid = sys_clone3(&args, sizeof(args));
	int status;

	if (pid == 0)
		_exit(body());
	assert_true(pid > 0);
	assert_int_equal(waitpid((pid_t)pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(WIFEXITED(status));
}

static void in_child_as_root(int (*body)(void))
{
	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
	in_child(body);
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

/* Never -1 with errno: the kernel's number itself. */
static void test_errors_are_returned(void **state)
{
	struct open_how how = {.flags = O_RDONLY};
	struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_FS};
	struct mount_attr attr = {0};
	char *const none[] = {NULL};
	char buf[1];

	assert_int_equal(sys_clone3(&args, sizeof(args)), -EINVAL);
	assert_int_equal(sys_openat2(AT_FDCWD, "/nonexistent", &how), -ENOENT);
	how.resolve = UINT64_MAX;
	assert_int_equal(sys_openat2(AT_FDCWD, "/", &how), -EINVAL);
	assert_int_equal(sys_open_tree(-1, "x", OPEN_TREE_CLOEXEC), -EBADF);
	assert_true(sys_move_mount(-1, "", -1, "", 0) < -1 || geteuid() != 0);
	assert_true(sys_fsopen("no such file system", FSOPEN_CLOEXEC) < -1 || geteuid() != 0);
	assert_int_equal(sys_fsconfig(-1, FSCONFIG_CMD_CREATE, NULL, NULL, 0), -EINVAL);
	assert_true(sys_fsmount(-1, 0, 0) < 0);
	assert_int_equal(sys_mount_setattr(-1, "x", 0, &attr, 1), -EINVAL);
	assert_int_equal(sys_close_range(5, 4, 0), -EINVAL);
	assert_int_equal(sys_pidfd_open(-1, 0), -EINVAL);
	assert_int_equal(sys_pidfd_send_signal(-1, 0, NULL, 0), -EBADF);
	assert_int_equal(sys_pidfd_getfd(-1, 0, 0), -EBADF);
	assert_int_equal(sys_execveat(AT_FDCWD, "/nonexistent", none, none, 0), -ENOENT);
	assert_int_equal(sys_memfd_create("x", UINT32_MAX), -EINVAL);
	assert_int_equal(sys_seccomp(99, 0, NULL), -EINVAL);
	assert_true(sys_bpf(9999, NULL, 0) < -1 || geteuid() != 0);
	assert_true(sys_keyctl(9999, 0, 0, 0, 0) < -1);
	assert_int_equal(sys_getcwd(buf, sizeof(buf)), -ERANGE);
}

static int identity(void)
{
	const gid_t groups[] = {5, 70000};
	gid_t got[4];

	CHECK(sys_setgroups(2, groups) == 0);
	CHECK(getgroups(4, got) == 2 && got[0] == 5 && got[1] == 70000);
	CHECK(sys_setresgid(1001, 1002, 1003) == 0);
	CHECK(sys_setresuid(2001, 2002, 2003) == 0);
	CHECK(getgid() == 1001 && getegid() == 1002);
	CHECK(getuid() == 2001 && geteuid() == 2002);
	CHECK(sys_setresuid(0, 0, 0) == -EPERM);
	CHECK(sys_setgroups(0, NULL) == -EPERM);
	return 0;
}

static void test_identity(void **state)
{
	in_child_as_root(identity);
}

/* A tmpfs built detached, made read-only, moved into place, and made the root. */
static int mounts(void)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	int fs, tree, copy;

	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	CHECK(fs >= 0);
	CHECK(sys_fsconfig(fs, FSCONFIG_SET_STRING, "size", "64k", 0) == 0);
	CHECK(sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
	tree = sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
	CHECK(tree >= 0);
	CHECK(mkdirat(tree, "old", 0755) == 0);
	CHECK(sys_move_mount(tree, "", AT_FDCWD, "/mnt", MOVE_MOUNT_F_EMPTY_PATH) == 0);
	copy = sys_open_tree(AT_FDCWD, "/mnt", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	CHECK(copy >= 0);
	CHECK(sys_mount_setattr(copy, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0);
	CHECK(mkdirat(copy, "x", 0755) < 0 && errno == EROFS);
	CHECK(sys_pivot_root("/mnt", "/mnt/old") == 0);
	CHECK(chdir("/") == 0 && access("/old/etc", F_OK) == 0);
	return 0;
}

static void test_mounts(void **state)
{
	in_child_as_root(mounts);
}

/* A working directory that is not below the root is told as such, not hidden. */
static int unreachable_cwd(void)
{
	char buf[256];

	CHECK(sys_getcwd(buf, sizeof(buf)) > 0 && buf[0] == '/');
	CHECK(chdir("/usr") == 0);
	CHECK(sys_getcwd(buf, sizeof(buf)) == 5 && strcmp(buf, "/usr") == 0);
	CHECK(chroot("/tmp") == 0);
	CHECK(sys_getcwd(buf, sizeof(buf)) == (int)sizeof("(unreachable)/usr"));
	CHECK(strcmp(buf, "(unreachable)/usr") == 0);
	return 0;
}

static void test_getcwd(void **state)
{
	in_child_as_root(unreachable_cwd);
}

static int execute(void)
{
	char name[] = "sh", option[] = "-c", script[] = "exit $CODE", code[] = "CODE=0";
	char *const argv[] = {name, option, script, NULL};
	char *const envp[] = {code, NULL};
	int fd = open("/bin/sh", O_PATH | O_CLOEXEC);

	sys_execveat(fd, "", argv, envp, AT_EMPTY_PATH);
	return __LINE__;
}

static void test_execveat(void **state)
{
	in_child(execute);
}

static void test_pidfds(void **state)
{
	struct stat a, b;
	int pidfd = sys_pidfd_open(getpid(), 0), fd;

	assert_return_code(pidfd, -pidfd);
	fd = sys_pidfd_getfd(pidfd, STDOUT_FILENO, 0);
	assert_return_code(fd, -fd);
	assert_return_code(fstat(fd, &a), errno);
	assert_return_code(fstat(STDOUT_FILENO, &b), errno);
	assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	assert_int_equal(sys_pidfd_send_signal(pidfd, 0, NULL, 0), 0);
	close(fd);
	close(pidfd);
}

static void exit_with(void *arg)
{
	*(int *)arg += 1;
	_exit(*(int *)arg);
}

static void test_clone3_vfork(void **state)
{
	static char stack[32768] __attribute__((aligned(16)));
	struct clone_args args = {.exit_signal = SIGCHLD};
	int value = 6;
	int status;
	long pid = sys_clone3_vfork(&args, exit_with, &value, stack, sizeof(stack), NULL, NULL);

	assert_true(pid > 0);
	assert_int_equal(waitpid((pid_t)pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	/* shared where there is the assembly for it, copied elsewhere */
	assert_true(value == 7 || (args.flags & CLONE_VM) == 0);
}

/* Two mounts of one file system differ; what is on one mount does not. */
static void test_mount_id(void **state)
{
	int root = open("/", O_PATH | O_CLOEXEC);
	int etc = open("/etc", O_PATH | O_CLOEXEC);
	int proc = open("/proc", O_PATH | O_CLOEXEC);
	uint64_t of_root = 0, of_etc = 1, of_proc = 0;

	assert_int_equal(sys_mount_id(root, &of_root), 0);
	assert_int_equal(sys_mount_id(etc, &of_etc), 0);
	assert_int_equal(sys_mount_id(proc, &of_proc), 0);
	assert_true(of_root == of_etc);
	assert_true(of_root != of_proc);
	close(root);
	close(etc);
	close(proc);
	assert_int_equal(sys_mount_id(-1, &of_root), -EBADF);
}

static void wait_for_ever(void *arg)
{
	for (;;)
		pause();
}

/** Twice is as often as it is asked: then it is enough. */
static int count_to_two(void *ctx)
{
	return ++*(int *)ctx < 2 ? 0 : -ECANCELED;
}

/** A child that does not leave our memory is given up, and gone. */
static void test_clone3_vfork_given_up(void **state)
{
	static char stack[32768] __attribute__((aligned(16)));
	struct clone_args args = {.exit_signal = SIGCHLD};
	int asked = 0;
	long pid = sys_clone3_vfork(&args, wait_for_ever, NULL, stack, sizeof(stack), count_to_two,
				    &asked);

	if ((args.flags & CLONE_VM) == 0) {
		assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
		assert_int_equal(waitpid((pid_t)pid, NULL, 0), pid);
		return;
	}
	assert_int_equal(pid, -ECANCELED);
	assert_int_equal(asked, 2);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clone3_vfork_given_up),
	    cmocka_unit_test(test_clone3_vfork),
	    cmocka_unit_test(test_errors_are_returned),
	    cmocka_unit_test(test_identity),
	    cmocka_unit_test(test_mounts),
	    cmocka_unit_test(test_getcwd),
	    cmocka_unit_test(test_execveat),
	    cmocka_unit_test(test_pidfds),
	    cmocka_unit_test(test_mount_id),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
