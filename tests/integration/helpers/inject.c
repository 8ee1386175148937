/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject REPORT N ERRNO COMMAND...: run a command in which the N-th system call fails with ERRNO.
 *
 * Counted are the calls of the runtime and of its init image, in the order in which they are made, over all
 * of their processes: a seccomp filter sends every call to a supervisor, which lets all but one through. What
 * the container's program does, and calls that no kernel fails, are not counted. The supervisor outlives the
 * command as long as any process under the filter does. REPORT receives, once the command has ended, the
 * number of calls so far and the number of the call that failed (-1: none). Ends with the command's status.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct shared {
	volatile long calls;
	volatile long failed; /* its number */
	volatile int ended;   /* the command: what its children do later is not counted */
	volatile char who[64];
};

/* What the kernel never refuses to a process that asks rightly, and what ends one. */
static const int never_failing[] = {
    SYS_exit,       SYS_exit_group,     SYS_rt_sigreturn, SYS_close,           SYS_getpid,
    SYS_gettid,     SYS_getppid,        SYS_getuid,       SYS_geteuid,         SYS_getgid,
    SYS_getegid,    SYS_umask,          SYS_munmap,       SYS_set_tid_address, SYS_set_robust_list,
    SYS_rseq,       SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_lseek,
#ifdef SYS_arch_prctl
    SYS_arch_prctl,
#endif
};

static void die(const char *what)
{
	perror(what);
	_exit(124);
}

/* The filter is for what we execute, not for us: sendmsg hands its listener on first, as a call that the
 * filter lets through by its instruction pointer would be more to get wrong. */
static int install(void)
{
	struct sock_filter insns[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    /* the one call between here and the execution of the command that must not wait */
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 3),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MSG_MORE | MSG_DONTROUTE, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = {sizeof(insns) / sizeof(insns[0]), insns};
	int fd = (int)syscall(
	    SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);

	if (fd < 0)
		fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				  SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	return fd;
}

static void send_fd(int sock, int fd)
{
	char byte = 0;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};

	control.header = (struct cmsghdr){
	    .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (syscall(SYS_sendmsg, sock, &msg, MSG_MORE | MSG_DONTROUTE) < 0)
		die("hand the listener on");
}

static int receive_fd(int sock)
{
	char byte;
	char space[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = sizeof(space)};
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		die("take the listener");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Whether @pid runs the command, or the image that it carries. */
static int is_runtime(unsigned int pid, const char *command, char *exe, size_t size)
{
	char path[40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, exe, size - 1);
	if (n < 0)
		return 0;
	exe[n] = '\0';
	return strcmp(exe, command) == 0 || strncmp(exe, "/memfd:", 7) == 0;
}

static int can_fail(int nr)
{
	for (size_t i = 0; i < sizeof(never_failing) / sizeof(never_failing[0]); i++) {
		if (never_failing[i] == nr)
			return 0;
	}
	return 1;
}

static void supervise(int listener, struct shared *shared, long which, int code,
		      const char *command)
{
	static struct seccomp_notif request;
	struct seccomp_notif_resp response;
	struct pollfd slot = {.fd = listener, .events = POLLIN};
	char exe[4096];

	for (;;) {
		if (poll(&slot, 1, -1) < 0 || (slot.revents & (POLLHUP | POLLERR)))
			_exit(0);
		memset(&request, 0, sizeof(request));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
			continue; /* killed meanwhile */
		response = (struct seccomp_notif_resp){.id = request.id,
						       .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		if (!shared->ended && can_fail(request.data.nr) &&
		    is_runtime(request.pid, command, exe, sizeof(exe)) &&
		    ++shared->calls == which) {
			shared->failed = request.data.nr;
			strncpy((char *)shared->who,
				exe[1] == 'm' && exe[2] == 'e' ? "init" : "runtime",
				sizeof(shared->who) - 1);
			response.flags = 0;
			response.error = -code;
		}
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
}

int main(int argc, char **argv)
{
	struct shared *shared;
	int socks[2];
	int status;
	pid_t child, supervisor;
	FILE *report;

	if (argc < 5)
		return 124;
	shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		die("prepare");
	shared->failed = -1;
	child = fork();
	if (child == 0) {
		int listener = install();

		if (listener < 0)
			die("install the filter");
		send_fd(socks[1], listener);
		close(listener);
		execv(argv[4], argv + 4);
		die("execute the command");
	}
	supervisor = fork();
	if (supervisor == 0) {
		/* without a hold on anything of the caller's */
		int listener = receive_fd(socks[0]);

		setsid();
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		supervise(listener, shared, atol(argv[2]), atoi(argv[3]), argv[4]);
	}
	close(socks[0]);
	close(socks[1]);
	if (waitpid(child, &status, 0) < 0)
		die("wait for the command");
	shared->ended = 1;
	report = fopen(argv[1], "w");
	if (!report ||
	    fprintf(report, "%ld %ld %s\n", shared->calls, shared->failed, shared->who) < 0 ||
	    fclose(report))
		die("write the report");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
