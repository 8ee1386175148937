/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A joined pid namespace: init works outside of it until it holds nothing of the host's any more,
 * because processes in there could look at it (CVE-2016-9962 and its like).
 */
#include "libcontainer/init/init.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/sys.h"
#include "libcontainer/sync.h"

int init_fork_into_pid_namespace(struct init *init, struct wh_error *err)
{
	/*
	 * CLONE_PARENT: the child is the runtime's own, which waits for it as for any other init.
	 */
	struct clone_args args = {.flags = CLONE_PARENT};
	long pid = sys_clone3(&args, sizeof(args));
	int rc;

	if (pid < 0)
		return wh_fail(err, (int)-pid, "fork into the container's pid namespace");
	if (pid > 0)
		_exit(0);
	/*
	 * The child says it, not its parent, whose word could come after the child's READY: the runtime
	 * would take the one that ends here for the container's.
	 */
	rc = init_protect(err);
	return rc < 0 ? rc : sync_send(init->sync, SYNC_FORKED, err);
}

/** In the pid namespace, with one socket and no more: make the procfs, hand it over, end. */
static void make_proc(int sock)
{
	struct wh_error err = WH_ERROR_INIT;
	int proc;

	proc = sys_fsopen("proc", 1 /* FSOPEN_CLOEXEC */);
	if (proc >= 0 && sys_fsconfig(proc, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0) == 0)
		proc = sys_fsmount(proc, 1 /* FSMOUNT_CLOEXEC */, 0);
	else
		proc = proc < 0 ? proc : -EPERM;
	if (proc < 0)
		wh_fail(&err, -proc, "make a procfs in the joined pid namespace");
	fd_send(sock, &err, sizeof(err), &proc, proc >= 0 ? 1 : 0);
	_exit(0);
}

/** The fd of the joined pid namespace: always the last join. */
static int joined_fd(const struct init *init)
{
	const struct container_plan *plan = init->plan;

	return plan->fds.joins[plan->ns.n_joins - 1];
}

/**
 * Leave the host behind while still outside of the namespace: the root becomes the container's, and
 * every fd but @sock and the namespace's is closed. Only then fork into it.
 */
static void enter_bare(struct init *init, int sock)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	int ns = joined_fd(init);
	long pid;

	if (fchdir(init->rootfs.root_fd) < 0 || chroot(".") < 0)
		_exit(1);
	/* the two kept fds become 0 and 1 */
	if (dup2(sock, 0) < 0 || dup2(ns, 1) < 0 || sys_close_range(2, ~0U, 0) < 0)
		_exit(1);
	if (setns(1, CLONE_NEWPID) < 0 || close(1) < 0)
		_exit(1);
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		make_proc(0);
	if (pid < 0)
		_exit(1);
	waitpid((pid_t)pid, NULL, __WALL);
	_exit(0);
}

/**
 * Fork a process outside of the joined namespace, although this process's children may already be
 * born in it.
 */
static long fork_outside(struct init *init, struct wh_error *err)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	auto_fd self = -EBADF;
	long pid;

	if (init->pid_later) {
		pid = sys_clone3(&args, sizeof(args));
		return pid < 0 ? wh_fail(err, (int)-pid, "fork for the procfs to be made") : pid;
	}
	self = sys_pidfd_open(getpid(), 0);
	if (self < 0)
		return wh_fail(err, -self, "open a pidfd of init");
	if (setns(self, CLONE_NEWPID) < 0)
		return wh_fail(err, errno, "leave the joined pid namespace for a moment");
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		return 0;
	if (setns(joined_fd(init), CLONE_NEWPID) < 0)
		return wh_fail(err, errno, "join the pid namespace again");
	return pid < 0 ? wh_fail(err, (int)-pid, "fork for the procfs of the joined pid namespace")
		       : pid;
}

int init_open_joined_proc(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	struct wh_error child_err;
	auto_fd ours = -EBADF;
	auto_fd theirs = -EBADF;
	int socks[2];
	int fd = -EBADF;
	size_t n_fds = 1;
	ssize_t n;
	long pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return wh_fail(err, errno, "make a socket pair for procfs");
	ours = socks[0];
	theirs = socks[1];
	pid = fork_outside(init, err);
	if (pid < 0)
		return (int)pid;
	if (pid == 0)
		enter_bare(init, theirs);
	theirs = fd_close(theirs);
	n = fd_recv(ours, &child_err, sizeof(child_err), &fd, &n_fds);
	waitpid((pid_t)pid, NULL, __WALL);
	if (n != (ssize_t)sizeof(child_err))
		return wh_fail(err, ECHILD, "make a procfs in the joined pid namespace");
	if (n_fds == 1)
		return fd;
	if (err)
		*err = child_err;
	return -EPERM;
}
