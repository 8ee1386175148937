/* SPDX-License-Identifier: Apache-2.0 */
/* Filters in the kernel: in a forked child, since a filter stays for life. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "libcontainer/seccomp/seccomp.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(2, "# %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition,     \
				errno);                                                            \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static void in_child(int (*body)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(30);
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? 2 : body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/** A profile that answers chroot with ENOTSUP and, with @notified, has mkdirat asked about. */
static int load(bool notified, int64_t flag, int *ret_listener)
{
	static const uint32_t enotsup = ENOTSUP;
	const char *chroot_name[] = {"chroot"};
	const char *mkdir_name[] = {"mkdirat"};
	struct oci_seccomp_syscall rules[] = {
	    {.names = chroot_name,
	     .n_names = 1,
	     .action = OCI_SECCOMP_ERRNO,
	     .errno_ret = &enotsup},
	    {.names = mkdir_name,                    .n_names = 1, .action = OCI_SECCOMP_NOTIFY},
	};
	struct oci_seccomp profile = {
	    .default_action = OCI_SECCOMP_ALLOW,
	    .flags = &flag,
	    .n_flags = flag ? 1 : 0,
	    .syscalls = rules,
	    .n_syscalls = notified ? 2 : 1,
	};
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_program program = {0};
	struct arena arena;

	CHECK(arena_init(&arena, &err) == 0);
	CHECK(seccomp_compile(&profile, &arena, &program, &err) == 0);
	if (seccomp_program_load(&program, ret_listener, &err) < 0) {
		dprintf(2, "# %s (%d)\n", err.message, err.code);
		return 1;
	}
	return 0;
}

static int body_plain(void)
{
	int listener = 0;

	CHECK(load(false, 0, &listener) == 0);
	CHECK(listener == -EBADF);
	CHECK(syscall(SYS_chroot, "/") == -1 && errno == ENOTSUP);
	CHECK(getppid() > 0);
	return 0;
}

static int body_each_flag(void)
{
	static const int64_t flags[] = {SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG,
					SECCOMP_FILTER_FLAG_SPEC_ALLOW};
	int listener = 0;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		CHECK(load(false, flags[i], &listener) == 0);
	CHECK(syscall(SYS_chroot, "/") == -1 && errno == ENOTSUP);
	return 0;
}

/** Answer one question on @listener with EDOM. */
static int answer(int listener)
{
	struct seccomp_notif question = {0};
	struct seccomp_notif_resp response = {0};

	CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) == 0);
	CHECK(question.data.nr == SYS_mkdirat);
	response.id = question.id;
	response.error = -EDOM;
	CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0);
	return 0;
}

/** TSYNC together with a listener needs another flag of the kernel's, which the loader adds. */
static int body_notify(void)
{
	int listener = -1;
	int status = 0;
	pid_t pid;

	CHECK(load(true, SECCOMP_FILTER_FLAG_TSYNC, &listener) == 0);
	CHECK(listener >= 0 && (fcntl(listener, F_GETFD) & FD_CLOEXEC));
	pid = fork();
	if (pid == 0)
		_exit(mkdirat(AT_FDCWD, "/tmp", 0700) == -1 && errno == EDOM ? 0 : 1);
	CHECK(answer(listener) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	return 0;
}

static int body_refused(void)
{
	struct sock_filter insn = {.code = 0xffff};
	struct seccomp_program program = {.insns = &insn, .n_insns = 1};
	struct wh_error err = WH_ERROR_INIT;
	int listener = 0;

	CHECK(seccomp_program_load(&program, &listener, &err) == -EINVAL);
	CHECK(streq(err.message, "load the seccomp filter"));
	program.n_insns = 0;
	CHECK(seccomp_program_load(&program, &listener, &err) == -EINVAL);
	program.n_insns = 65536 + 1;
	CHECK(seccomp_program_load(&program, &listener, &err) == -EINVAL);
	CHECK(streq(err.message, "load the seccomp filter of 65537 instructions"));
	return 0;
}

static void test_plain(void **state)
{
	in_child(body_plain);
}

static void test_each_flag(void **state)
{
	in_child(body_each_flag);
}

static void test_notify(void **state)
{
	in_child(body_notify);
}

static void test_refused(void **state)
{
	in_child(body_refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_each_flag),
	    cmocka_unit_test(test_notify),
	    cmocka_unit_test(test_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
