/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "base/sys.h"
#include "namespaces/ns_enter.h"

#define CHILD_TIMEOUT_S 30

/**
 * Run @body in a forked child, so that the namespaces it enters end with it. It returns 0, or the
 * line that went wrong. Without the right to make namespaces the test is skipped: that is a
 * privilege of the host's.
 */
static void in_child(int (*body)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(CHILD_TIMEOUT_S);
		if (unshare(CLONE_NEWUTS) < 0)
			_exit(77);
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# needs the right to make namespaces\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/**
 * In a body: leave with the number of the check that fails (small, so that it fits an exit status).
 */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(2, "# %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition,     \
				errno);                                                            \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/** As CHECK(), for calls that fill an error. */
#define CHECK_OK(call)                                                                             \
	do {                                                                                       \
		if ((call) < 0) {                                                                  \
			dprintf(2, "# %s:%d: %s: %s\n", __FILE__, __LINE__, #call, err.message);   \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static uint64_t own_inode(const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/** A process in namespaces @flags of its own, waiting to be killed, or to lose its parent. */
static pid_t keeper(int flags)
{
	int ends[2];
	pid_t pid;
	char ready;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare(flags) < 0)
			_exit(1);
		/* a pid namespace can be opened when it has a first process, which ends with us */
		if ((flags & CLONE_NEWPID) && fork() > 0)
			for (;;)
				pause();
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || write(ends[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(ends[0], &ready, 1) != 1)
		pid = -1;
	close(ends[0]);
	close(ends[1]);
	return pid;
}

static void release(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

struct open_case {
	const char *path;
	int type;
	int code;
	const char *want; /* part of the error */
};

/* clang-format off */
static const struct open_case open_cases[] = {
	{ "/proc/self/ns/net", CLONE_NEWNET, 0, NULL },
	{ "/proc/self/ns/pid", CLONE_NEWPID, 0, NULL },
	{ "/proc/self/ns/mnt", CLONE_NEWNET, 0, "network '/proc/self/ns/mnt': is a mount namespace" },
	{ "/proc/self/ns/user", CLONE_NEWIPC, 0, "ipc '/proc/self/ns/user': is a user namespace" },
	{ "/etc/passwd", CLONE_NEWNET, 0, "network '/etc/passwd': is not a namespace" },
	{ "/dev/null", CLONE_NEWNET, 0, "is not a namespace" },
	{ "/", CLONE_NEWUTS, 0, "uts '/': is not a namespace" },
	{ "/nonexistent/ns", CLONE_NEWUTS, ENOENT, "open uts namespace '/nonexistent/ns'" },
};
/* clang-format on */

static void test_open_joins(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(open_cases); i++) {
		const struct open_case *c = &open_cases[i];
		struct ns_join joins[] = {
		    {CLONE_NEWUTS, "/proc/self/ns/uts"},
                    {c->type,      c->path            }
                };
		struct ns_plan plan = {.joins = joins, .n_joins = 2};
		struct wh_error err = WH_ERROR_INIT;
		int fds[2] = {-1, -1};
		int rc = ns_open_joins(&plan, fds, &err);

		print_message("# %s\n", c->path);
		if (!c->want) {
			assert_int_equal(rc, 0);
			assert_true(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
			close(fds[0]);
			close(fds[1]);
			continue;
		}
		assert_true(rc < 0);
		assert_int_equal(err.code, c->code);
		assert_non_null(strstr(err.message, c->want));
		assert_int_equal(fds[0], -EBADF);
		assert_int_equal(fds[1], -EBADF);
	}
}

/** A network namespace given by path that is the host's own: its sysctls are the host's. */
static void test_sysctls_of_own_network(void **state)
{
	struct ns_join join = {CLONE_NEWNET, "/proc/self/ns/net"};
	struct oci_string_map sysctl = {"net/ipv4/ip_forward", "1"};
	struct ns_plan plan = {.joins = &join, .n_joins = 1, .sysctl = &sysctl, .n_sysctl = 1};
	struct wh_error err = WH_ERROR_INIT;
	int fd = -1;

	assert_true(ns_open_joins(&plan, &fd, &err) < 0);
	assert_non_null(strstr(
	    err.message, "'net/ipv4/ip_forward': the network namespace to join is the host's"));
	assert_int_equal(fd, -EBADF);
}

static int body_join_and_unshare(void)
{
	pid_t pid = keeper(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET);
	char paths[3][64];
	struct ns_join joins[3] = {
	    {CLONE_NEWIPC, paths[0]},
            {CLONE_NEWUTS, paths[1]},
            {CLONE_NEWNET, paths[2]}
        };
	struct ns_plan plan = {.joins = joins, .n_joins = 3, .unshare_flags = CLONE_NEWNS};
	static const char *const names[] = {"ipc", "uts", "net"};
	struct wh_error err = WH_ERROR_INIT;
	bool later = false;
	uint64_t mnt = own_inode("mnt");
	int fds[3];

	CHECK(pid > 0);
	for (int i = 0; i < 3; i++)
		snprintf(paths[i], sizeof(paths[i]), "/proc/%d/ns/%s", (int)pid, names[i]);
	CHECK_OK(ns_open_joins(&plan, fds, &err));
	for (int i = 0; i < 3; i++)
		CHECK(own_inode(names[i]) != inode_of(fds[i]));
	CHECK_OK(ns_enter(&plan, fds, -EBADF, &later, &err));
	for (int i = 0; i < 3; i++)
		CHECK(own_inode(names[i]) == inode_of(fds[i]));
	CHECK(own_inode("mnt") != mnt);
	release(pid);
	return 0;
}

static void test_join_and_unshare(void **state)
{
	in_child(body_join_and_unshare);
}

/** One namespace is the user namespace's own, the other one its maker's: both are joined. */
static int body_join_user(void)
{
	pid_t inner = keeper(CLONE_NEWUSER | CLONE_NEWIPC);
	pid_t outer = keeper(CLONE_NEWNET);
	char user[64], ipc[64], net[64];
	struct ns_join joins[3] = {
	    {CLONE_NEWUSER, user},
            {CLONE_NEWIPC,  ipc },
            {CLONE_NEWNET,  net }
        };
	struct ns_plan plan = {.joins = joins, .n_joins = 3, .unshare_flags = CLONE_NEWUTS};
	struct wh_error err = WH_ERROR_INIT;
	bool later = false;
	int fds[3];

	CHECK(inner > 0 && outer > 0);
	snprintf(user, sizeof(user), "/proc/%d/ns/user", (int)inner);
	snprintf(ipc, sizeof(ipc), "/proc/%d/ns/ipc", (int)inner);
	snprintf(net, sizeof(net), "/proc/%d/ns/net", (int)outer);
	CHECK_OK(ns_open_joins(&plan, fds, &err));
	CHECK_OK(ns_enter(&plan, fds, -EBADF, &later, &err));
	CHECK(own_inode("user") == inode_of(fds[0]));
	CHECK(own_inode("ipc") == inode_of(fds[1]));
	CHECK(own_inode("net") == inode_of(fds[2]));
	return 0;
}

static void test_join_user(void **state)
{
	in_child(body_join_user);
}

/** A pid namespace that the joined user namespace owns can wait, another one cannot. */
static int join_pid_namespace(bool of_the_user)
{
	pid_t inner = keeper(CLONE_NEWUSER | (of_the_user ? CLONE_NEWPID : 0));
	pid_t outer = of_the_user ? inner : keeper(CLONE_NEWPID);
	char user[64], pid[64];
	struct ns_join joins[2] = {
	    {CLONE_NEWUSER, user},
            {CLONE_NEWPID,  pid }
        };
	struct ns_plan plan = {.joins = joins, .n_joins = 2};
	struct wh_error err = WH_ERROR_INIT;
	uint64_t own = own_inode("pid_for_children");
	bool later = false;
	int fds[2];

	CHECK(inner > 0 && outer > 0);
	snprintf(user, sizeof(user), "/proc/%d/ns/user", (int)inner);
	snprintf(pid, sizeof(pid), "/proc/%d/ns/pid_for_children", (int)outer);
	CHECK_OK(ns_open_joins(&plan, fds, &err));
	CHECK_OK(ns_enter(&plan, fds, -EBADF, &later, &err));
	CHECK(later == of_the_user);
	CHECK(own_inode("pid_for_children") == (later ? own : inode_of(fds[1])));
	if (later)
		CHECK(setns(fds[1], CLONE_NEWPID) == 0);
	return 0;
}

static int body_join_pid_of_user(void)
{
	return join_pid_namespace(true);
}

static int body_join_pid_of_another(void)
{
	return join_pid_namespace(false);
}

static void test_join_pid(void **state)
{
	in_child(body_join_pid_of_user);
	in_child(body_join_pid_of_another);
}

static int body_join_twice(void)
{
	struct ns_join join = {CLONE_NEWUSER, "/proc/self/ns/user"};
	struct ns_plan plan = {.joins = &join, .n_joins = 1};
	struct wh_error err = WH_ERROR_INIT;
	bool later = false;
	int fd = -EBADF;

	CHECK_OK(ns_open_joins(&plan, &fd, &err));
	CHECK(ns_enter(&plan, &fd, -EBADF, &later, &err) == -EINVAL);
	CHECK(strstr(err.message, "join user namespace '/proc/self/ns/user'"));
	return 0;
}

static void test_join_own_user_namespace(void **state)
{
	in_child(body_join_twice);
}

static int body_time_offsets(void)
{
	struct oci_time_offset offsets[] = {
	    {CLOCK_MONOTONIC, 1000000, 500},
            {CLOCK_BOOTTIME,  2000000, 0  }
        };
	struct ns_plan plan = {
	    .unshare_flags = CLONE_NEWTIME, .time_offsets = offsets, .n_time_offsets = 2};
	struct wh_error err = WH_ERROR_INIT;
	bool later = false;
	struct timespec before[2], after[2];
	int proc = procfs_open(false, &err);

	CHECK(proc >= 0);
	clock_gettime(CLOCK_MONOTONIC, &before[0]);
	clock_gettime(CLOCK_BOOTTIME, &before[1]);
	CHECK_OK(ns_enter(&plan, NULL, proc, &later, &err));
	clock_gettime(CLOCK_MONOTONIC, &after[0]);
	clock_gettime(CLOCK_BOOTTIME, &after[1]);
	CHECK(after[0].tv_sec - before[0].tv_sec >= 1000000 &&
	      after[0].tv_sec - before[0].tv_sec < 1000030);
	CHECK(after[1].tv_sec - before[1].tv_sec >= 2000000 &&
	      after[1].tv_sec - before[1].tv_sec < 2000030);
	return 0;
}

static void test_time_offsets(void **state)
{
	if (access("/proc/self/ns/time", F_OK) < 0) {
		print_message("# this kernel has no time namespaces\n");
		skip();
	}
	in_child(body_time_offsets);
}

/** An offset that would put a clock before 0 is the kernel's to refuse. */
static int body_time_offset_refused(void)
{
	struct oci_time_offset offsets[] = {
	    {CLOCK_MONOTONIC, INT64_MIN, 0}
        };
	struct ns_plan plan = {
	    .unshare_flags = CLONE_NEWTIME, .time_offsets = offsets, .n_time_offsets = 1};
	struct wh_error err = WH_ERROR_INIT;
	bool later = false;
	int proc = procfs_open(false, &err);

	CHECK(proc >= 0);
	CHECK(ns_enter(&plan, NULL, proc, &later, &err) < 0);
	CHECK(str_after(err.message, "linux.timeOffsets: "));
	return 0;
}

static void test_time_offset_refused(void **state)
{
	if (access("/proc/self/ns/time", F_OK) < 0) {
		print_message("# this kernel has no time namespaces\n");
		skip();
	}
	in_child(body_time_offset_refused);
}

static int body_for_clone(void)
{
	pid_t pid = keeper(CLONE_NEWNET | CLONE_NEWPID);
	char net[64];
	struct ns_join joins[2] = {
	    {CLONE_NEWNET, net, .by_parent = true},
            {CLONE_NEWUTS,            "/proc/self/ns/uts"   }
        };
	struct ns_plan plan = {.joins = joins, .n_joins = 2, .clone_flags = CLONE_NEWUSER};
	struct wh_error err = WH_ERROR_INIT;
	uint64_t own = own_inode("net");
	struct ns_home home;
	int fds[2];

	CHECK(pid > 0);
	snprintf(net, sizeof(net), "/proc/%d/ns/net", (int)pid);
	CHECK_OK(ns_open_joins(&plan, fds, &err));
	CHECK_OK(ns_enter_for_clone(&plan, fds, &home, &err));
	CHECK(home.n == 1);
	CHECK(own_inode("net") == inode_of(fds[0]));
	CHECK_OK(ns_leave_for_clone(&home, &err));
	CHECK(own_inode("net") == own);
	fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK(ns_enter_for_clone(&plan, fds, &home, &err) == -EINVAL);
	CHECK(home.n == 0);
	CHECK(own_inode("net") == own);
	release(pid);
	return 0;
}

static void test_enter_for_clone(void **state)
{
	in_child(body_for_clone);
}

static int body_cgroup(void)
{
	struct wh_error err = WH_ERROR_INIT;
	uint64_t before = own_inode("cgroup");

	CHECK_OK(ns_unshare_cgroup(&err));
	CHECK(own_inode("cgroup") != before);
	return 0;
}

static void test_unshare_cgroup(void **state)
{
	in_child(body_cgroup);
}

static int body_enter_process(void)
{
	pid_t pid = keeper(CLONE_NEWUTS | CLONE_NEWIPC);
	int pidfd = sys_pidfd_open(pid, 0);
	struct wh_error err = WH_ERROR_INIT;
	uint64_t uts = own_inode("uts");
	uint64_t ipc = own_inode("ipc");

	CHECK(pid > 0 && pidfd >= 0);
	CHECK_OK(ns_enter_process(pidfd, 0, &err));
	CHECK_OK(ns_enter_process(pidfd, CLONE_NEWUTS, &err));
	CHECK(own_inode("uts") != uts);
	CHECK(own_inode("ipc") == ipc);
	release(pid);
	CHECK(ns_enter_process(pidfd, CLONE_NEWUTS, &err) == -ESRCH);
	CHECK(streq(err.message, "join the container's namespaces"));
	return 0;
}

static void test_enter_process(void **state)
{
	in_child(body_enter_process);
}

static int body_names(void)
{
	struct ns_plan plan = {.hostname = "boat", .domainname = "shore.example"};
	struct ns_plan nothing = {0};
	struct ns_plan too_long = {
	    .hostname = "0123456789012345678901234567890123456789012345678901234567890123456"};
	struct wh_error err = WH_ERROR_INIT;
	struct utsname names;

	CHECK_OK(ns_set_names(&plan, &err));
	CHECK_OK(ns_set_names(&nothing, &err));
	uname(&names);
	CHECK(streq(names.nodename, "boat"));
	CHECK(streq(names.domainname, "shore.example"));
	CHECK(ns_set_names(&too_long, &err) == -EINVAL);
	CHECK(str_after(err.message, "hostname: set '0123"));
	return 0;
}

static void test_set_names(void **state)
{
	in_child(body_names);
}

static int body_sysctls(void)
{
	struct oci_string_map good[] = {
	    {"kernel/domainname", "ok"}
        };
	struct oci_string_map missing[] = {
	    {"net/no/such", "1"}
        };
	struct ns_plan plan = {.sysctl = good, .n_sysctl = 1};
	struct wh_error err = WH_ERROR_INIT;
	struct utsname names;
	int proc = procfs_open(true, &err);

	CHECK(proc >= 0);
	CHECK_OK(ns_set_sysctls(&plan, proc, &err));
	uname(&names);
	CHECK(streq(names.domainname, "ok"));
	plan.sysctl = missing;
	CHECK(ns_set_sysctls(&plan, proc, &err) == -ENOENT);
	CHECK(str_after(err.message, "linux.sysctl: 'net/no/such' = '1': "));
	return 0;
}

static void test_set_sysctls(void **state)
{
	in_child(body_sysctls);
}

/**
 * With something else mounted over the file in /proc the parameter is set or the call fails, and
 * nothing else is written (CVE-2025-52881).
 */
static int body_overmounted_sysctl(void)
{
	struct oci_string_map good[] = {
	    {"kernel/domainname", "ok"}
        };
	struct ns_plan plan = {.sysctl = good, .n_sysctl = 1};
	struct wh_error err = WH_ERROR_INIT;
	struct utsname names;
	char decoy[] = "/tmp/wherry-sysctl-XXXXXX";
	auto_fd fd = mkstemp(decoy);
	int proc;

	CHECK(fd >= 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHECK(mount(decoy, "/proc/sys/kernel/domainname", NULL, MS_BIND, NULL) == 0);
	proc = procfs_open(true, &err);
	CHECK(proc >= 0);
	if (ns_set_sysctls(&plan, proc, &err) == 0)
		CHECK(uname(&names) == 0 && streq(names.domainname, "ok"));
	else
		CHECK(strstr(err.message, "kernel/domainname"));
	unlink(decoy);
	CHECK(lseek(fd, 0, SEEK_END) == 0);
	return 0;
}

static void test_overmounted_sysctl(void **state)
{
	in_child(body_overmounted_sysctl);
}

static int body_loopback(void)
{
	struct wh_error err = WH_ERROR_INIT;
	struct ifreq request = {.ifr_name = "lo"};
	int sock;

	CHECK(unshare(CLONE_NEWNET) == 0);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(ioctl(sock, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP));
	CHECK_OK(ns_loopback_up(&err));
	CHECK(ioctl(sock, SIOCGIFFLAGS, &request) == 0);
	CHECK((request.ifr_flags & (IFF_UP | IFF_LOOPBACK)) == (IFF_UP | IFF_LOOPBACK));
	return 0;
}

static void test_loopback_up(void **state)
{
	in_child(body_loopback);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open_joins),       cmocka_unit_test(test_sysctls_of_own_network),
	    cmocka_unit_test(test_join_and_unshare), cmocka_unit_test(test_join_user),
	    cmocka_unit_test(test_join_pid),         cmocka_unit_test(test_join_own_user_namespace),
	    cmocka_unit_test(test_time_offsets),     cmocka_unit_test(test_time_offset_refused),
	    cmocka_unit_test(test_enter_for_clone),  cmocka_unit_test(test_unshare_cgroup),
	    cmocka_unit_test(test_enter_process),    cmocka_unit_test(test_set_names),
	    cmocka_unit_test(test_set_sysctls),      cmocka_unit_test(test_overmounted_sysctl),
	    cmocka_unit_test(test_loopback_up),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
