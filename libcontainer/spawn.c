/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/procfs.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/trace.h"
#include "libcontainer/clone_owner.h"
#include "libcontainer/init/init.h"
#include "libcontainer/rlimits.h"
#include "namespaces/ns_enter.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

/**
 * What the child needs between clone3 and the execution of the image; all made before, since it
 * only touches memory that exists.
 */
struct image_start {
	int image_fd;
	int arena_fd;
	int sync;
	int parent; /* the other end of sync, the parent's */
	bool waits; /* for SYNC_PROCEED */
	struct container_plan *plan;
	char *argv[INIT_ARG_COUNT + 1];
	char numbers[INIT_ARG_COUNT][32];
};

/** Unless an earlier one failed (@rc). */
static int inherit(int fd, int rc)
{
	return rc == 0 && fd >= 0 && fcntl(fd, F_SETFD, 0) < 0 ? -errno : rc;
}

/**
 * Let the image inherit exactly the fds that the plan names, and those that the user asked to keep, of which
 * some may not be open. Returns 0 or -errno.
 */
static int inherit_fds(const struct image_start *start)
{
	const struct container_plan *plan = start->plan;
	const struct init_fds *fds = &plan->fds;
	const int single[] = {start->sync,       start->arena_fd, fds->listen,
			      fds->target_pidfd, fds->cgroup,     fds->rootfs.root};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(single); i++)
		rc = inherit(single[i], rc);
	for (size_t i = 0; fds->rootfs.sources && i < plan->rootfs.n_mounts; i++)
		rc = inherit(fds->rootfs.sources[i], rc);
	for (size_t i = 0; fds->rootfs.devices && i < plan->rootfs.n_devices; i++)
		rc = inherit(fds->rootfs.devices[i], rc);
	for (size_t i = 0; i < plan->ns.n_joins; i++)
		rc = inherit(fds->joins[i], rc);
	for (unsigned int i = 0; i < plan->process.preserve_fds; i++) {
		int one = inherit((int)(3 + i), rc);

		rc = one == -EBADF ? rc : one;
	}
	return rc;
}

/** Keep all capabilities over execve although no id of this process is root: by the ambient set. */
static int keep_capabilities(struct wh_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return wh_fail(err, errno, "read the capabilities");
	data[0].inheritable = data[0].permitted;
	data[1].inheritable = data[1].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		return wh_fail(err, errno, "make the capabilities inheritable");
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0 && errno == EINVAL)
			break;
	}
	return 0;
}

/**
 * Wait for the maps of a new user namespace, or for the cgroup. The parent's end of the socket is ours
 * as well until it is closed: with it, we would not notice that the parent is gone.
 */
static int await_parent(const struct image_start *start, struct wh_error *err)
{
	int cgroup = -EBADF;
	int rc;

	fd_close(start->parent);
	rc = sync_expect_fd(start->sync, SYNC_PROCEED, &cgroup, err);
	if (rc == 0 && cgroup >= 0)
		start->plan->fds.cgroup = cgroup;
	return rc;
}

/** In a new user namespace: become its root, or where there is none keep what we have. */
static int enter_user_namespace(struct wh_error *err)
{
	if (sys_setresgid(0, 0, 0) == 0 && sys_setresuid(0, 0, 0) == 0)
		return 0;
	return keep_capabilities(err);
}

static _Noreturn void run_image(void *arg)
{
	const struct image_start *start = arg;
	static struct wh_error err;
	static char *const no_env[] = {NULL};
	int rc = start->waits ? await_parent(start, &err) : 0;

	if (rc == 0 && (start->plan->ns.clone_flags & CLONE_NEWUSER))
		rc = enter_user_namespace(&err);
	if (rc == 0) {
		rc = inherit_fds(start);
		if (rc == 0)
			rc = sys_execveat(start->image_fd, "", start->argv, no_env, AT_EMPTY_PATH);
		wh_fail(&err, -rc, "execute the init image");
	}
	sync_send_data(start->sync, SYNC_ERROR, &err, sizeof(err), -EBADF, NULL);
	_exit(1);
}

static void image_arguments(struct image_start *start, const struct spawn *spawn)
{
	snprintf(start->numbers[0], sizeof(start->numbers[0]), "wherry-init");
	snprintf(start->numbers[INIT_ARG_SYNC], sizeof(start->numbers[0]), "%x", start->sync);
	snprintf(start->numbers[INIT_ARG_ARENA], sizeof(start->numbers[0]), "%x", start->arena_fd);
	snprintf(start->numbers[INIT_ARG_PLAN], sizeof(start->numbers[0]), "%lx",
		 (unsigned long)spawn->plan);
	for (int i = 0; i < INIT_ARG_COUNT; i++)
		start->argv[i] = start->numbers[i];
	start->argv[INIT_ARG_COUNT] = NULL;
}

static int clone_failed(int code, const struct container_plan *plan, struct wh_error *err)
{
	if (code == ENOSPC)
		return wh_fail(err, code,
			       "make the container's namespaces: a limit in /proc/sys/user or the "
			       "nesting depth is reached");
	if (code == EINVAL && (plan->ns.clone_flags & CLONE_NEWTIME))
		return wh_fail(
		    err, code,
		    "make the container's namespaces: does this kernel have time namespaces?");
	if (code == EOPNOTSUPP || code == EBUSY)
		return wh_fail(err, code,
			       "start init in cgroup '%s': it cannot hold processes (threaded, or "
			       "its controllers are on for children)",
			       plan->cgroup.path ? plan->cgroup.path : "");
	if (code == EAGAIN)
		return wh_fail(err, code, "start init: a limit on processes is reached");
	return wh_fail(err, code, "make the container's namespaces");
}

/** What the child needs until the image is executed: an error message on its way is the largest. */
#define CHILD_STACK_SIZE 32768

struct stall {
	const struct spawn *spawn;
	struct wh_error *err;
};

static int while_stalled(void *ctx)
{
	const struct stall *stall = ctx;
	const struct spawn *spawn = stall->spawn;

	return spawn->stalled ? spawn->stalled(spawn->stalled_ctx, stall->err) : 0;
}

static long clone_process(struct clone_args *args, struct image_start *start,
			  const struct spawn *spawn, struct wh_error *err)
{
	static char stack[CHILD_STACK_SIZE] __attribute__((aligned(16)));
	struct stall stall = {.spawn = spawn, .err = err};
	long pid;

	/*
	 * Where not even the first pages fit, the out-of-memory killer ends all that share the
	 * child's memory: us.
	 */
	if (!start->waits && !(args->flags & CLONE_NEWTIME) &&
	    !cgroup_plan_starves(&spawn->plan->cgroup))
		return sys_clone3_vfork(args, run_image, start, stack, sizeof(stack), while_stalled,
					&stall);
	pid = sys_clone3(args, sizeof(*args));
	if (pid == 0)
		run_image(start);
	return pid;
}

/** Returns the pid, or -errno; @err has a text only when the kernel was not asked for a process. */
static long clone_owned(struct clone_args *args, struct image_start *start,
			const struct spawn *spawn, struct wh_error *err)
{
	const struct ns_plan *ns = &start->plan->ns;
	long pid;
	int rc;

	if (!clone_owner_matters(ns))
		return clone_process(args, start, spawn, err);
	rc = clone_owner_take(ns, err);
	if (rc < 0)
		return rc;
	pid = clone_process(args, start, spawn, err);
	rc = clone_owner_restore(err);
	if (pid < 0 || rc == 0)
		return pid;
	kill((pid_t)pid, SIGKILL);
	waitpid((pid_t)pid, NULL, __WALL);
	return rc;
}

static int clone_init(struct spawn *spawn, struct image_start *start, struct wh_error *err)
{
	struct clone_args args = {
	    .flags = spawn->plan->ns.clone_flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
	    .pidfd = (uintptr_t)&spawn->pidfd,
	    .exit_signal = SIGCHLD,
	};
	struct ns_home home;
	long pid;
	int rc;

	if (spawn->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)spawn->cgroup_fd;
	}
	rc = ns_enter_for_clone(&spawn->plan->ns, spawn->plan->fds.joins, &home, err);
	if (rc < 0)
		return rc;
	pid = clone_owned(&args, start, spawn, err);
	rc = ns_leave_for_clone(&home, err);
	if (pid < 0) {
		spawn->pidfd = fd_close(spawn->pidfd); /* of one that was given up */
		return wh_error_set(err) ? (int)pid : clone_failed((int)-pid, spawn->plan, err);
	}
	spawn->process.pid = (pid_t)pid;
	if (rc < 0)
		spawn_kill(spawn);
	return rc;
}

/** In a new user namespace init could not lower it itself. */
static int set_oom_score(const struct spawn *spawn, int proc, struct wh_error *err)
{
	const int64_t *score = spawn->plan->process.spec->oom_score_adj;
	char path[40];
	char text[24];
	int rc;

	if (!score)
		return 0;
	snprintf(path, sizeof(path), "%d/oom_score_adj", spawn->process.pid);
	snprintf(text, sizeof(text), "%d", (int)*score);
	rc = procfs_write(proc, path, text, err);
	if (rc < 0)
		wh_error_prefix(err, "process.oomScoreAdj");
	return rc;
}

static int map_ids(struct spawn *spawn, struct wh_error *err)
{
	auto_fd proc = -EBADF;
	int rc;

	if (!(spawn->plan->ns.clone_flags & CLONE_NEWUSER))
		return 0;
	proc = procfs_open(false, err);
	if (proc < 0)
		return proc;
	rc = set_oom_score(spawn, proc, err);
	return rc < 0 ? rc : id_map_write(&spawn->plan->ns, spawn->process.pid, proc, err);
}

int spawn_proceed(struct spawn *spawn, int cgroup_fd, struct wh_error *err)
{
	return sync_send_data(spawn->sock, SYNC_PROCEED, NULL, 0, cgroup_fd, err);
}

int spawn_start(struct spawn *spawn, struct wh_error *err)
{
	struct image_start start = {.plan = spawn->plan, .arena_fd = spawn->arena->fd};
	struct rlimits_raised raised;
	auto_fd image = -EBADF;
	auto_fd theirs = -EBADF;
	int socks[2];
	int rc;

	image = init_image_open(err);
	if (image < 0)
		return image;
	rc = sync_pair(socks, err);
	if (rc < 0)
		return rc;
	fd_close(spawn->sock); /* of a start that is tried again */
	spawn->sock = socks[0];
	theirs = socks[1];
	if (spawn->stalled)
		rc = sync_limit_wait(spawn->sock, SPAWN_STALL_MS, err);
	if (rc == 0 && spawn->plan->ns.fork_after)
		rc = sync_ask_sender(spawn->sock, err);
	if (rc < 0)
		return rc;
	spawn->plan->fds.sync = theirs;
	start.image_fd = image;
	start.sync = theirs;
	start.parent = spawn->sock;
	start.waits = spawn->held || (spawn->plan->ns.clone_flags & CLONE_NEWUSER);
	image_arguments(&start, spawn);
	rc = arena_seal(spawn->arena, err);
	if (rc < 0)
		return rc;
	rlimits_raise(spawn->plan, &raised);
	rc = clone_init(spawn, &start, err);
	rlimits_lower(&raised);
	if (rc < 0)
		return rc;
	rc = map_ids(spawn, err);
	if (rc == 0 && start.waits && !spawn->held)
		rc = spawn_proceed(spawn, -EBADF, err);
	if (rc < 0)
		spawn_kill(spawn);
	return rc;
}

int spawn_identify(struct spawn *spawn, struct wh_error *err)
{
	int rc = process_stat(spawn->process.pid, &spawn->process.start_time, NULL);

	return rc < 0 ? wh_fail(err, -rc, "read init's start time") : 0;
}

void spawn_kill(struct spawn *spawn)
{
	int status;

	if (spawn->pidfd < 0)
		return;
	sys_pidfd_send_signal(spawn->pidfd, SIGKILL, NULL, 0);
	process_reap(spawn->pidfd, &status);
	spawn->pidfd = fd_close(spawn->pidfd);
}

void spawn_done(struct spawn *spawn)
{
	spawn->sock = fd_close(spawn->sock);
	spawn->pidfd = fd_close(spawn->pidfd);
}

/**
 * The process that goes on inside of a joined pid namespace, @pid, takes the place of the stage outside,
 * which has nothing left to do but to end. Only a child of ours is believed.
 */
static int take_forked(struct spawn *spawn, pid_t pid, struct wh_error *err)
{
	auto_fd pidfd = pid > 0 ? sys_pidfd_open(pid, 0) : -ESRCH;
	siginfo_t info;
	int status;

	if (pidfd < 0)
		return wh_fail(err, -pidfd, "init in the joined pid namespace");
	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return wh_fail(err, errno, "init in the joined pid namespace");
	process_reap(spawn->pidfd, &status);
	fd_close(spawn->pidfd);
	spawn->pidfd = fd_take(&pidfd);
	spawn->process.pid = pid;
	return 0;
}

/** Say why init is gone without a word. */
static int explain_end(struct spawn *spawn, struct wh_error *err)
{
	int status;

	if (spawn)
		spawn->lost = true;
	if (!spawn || spawn->pidfd < 0 || process_wait_end(spawn->pidfd, 1000) < 0 ||
	    process_reap(spawn->pidfd, &status) < 0)
		return wh_fail(err, EPIPE, "init ended before the container was ready");
	spawn->pidfd = fd_close(spawn->pidfd);
	if (status == 0 && spawn->plan->ns.fork_after)
		return wh_fail(err, 0,
			       "init was killed in the joined pid namespace before the container "
			       "was ready");
	if (process_status_signal(status))
		return wh_fail(err, 0,
			       "init was killed by signal %d before the container was ready",
			       process_status_signal(status));
	return wh_fail(err, 0, "init ended with status %d before the container was ready", status);
}

static int unexpected(struct sync_message *msg, struct wh_error *err)
{
	fd_close(msg->fd);
	return wh_fail(err, EPROTO, "unexpected message '%s' from init", sync_type_name(msg->type));
}

static int answer(int sock, struct sync_message *msg, const struct spawn_handlers *handlers,
		  struct spawn *spawn, struct wh_error *err)
{
	int rc;

	switch ((enum sync_type)msg->type) {
	case SYNC_TRACE:
		trace_add(msg->payload.spans, msg->len / sizeof(msg->payload.spans[0]),
			  spawn ? spawn->process.pid : -1);
		return 0;
	case SYNC_CONSOLE:
		return handlers->console ? handlers->console(handlers->ctx, msg->fd, err)
					 : unexpected(msg, err);
	case SYNC_SECCOMP:
		return handlers->seccomp ? handlers->seccomp(handlers->ctx, msg->fd, err)
					 : unexpected(msg, err);
	case SYNC_NEED_HOOKS:
		if (!handlers->hooks)
			return unexpected(msg, err);
		rc = handlers->hooks(handlers->ctx, err);
		return rc < 0 ? rc : sync_send(sock, SYNC_HOOKS_DONE, err);
	case SYNC_FORKED:
		return spawn ? take_forked(spawn, msg->sender, err) : unexpected(msg, err);
	case SYNC_MOUNTED:
		return handlers->mounted
			   ? handlers->mounted(handlers->ctx, msg->payload.mount_id, err)
			   : unexpected(msg, err);
	case SYNC_EXECING:
	case SYNC_EOF:
	case SYNC_ERROR:
	case SYNC_PROCEED:
	case SYNC_HOOKS_DONE:
	case SYNC_PLAN_COMPLETE:
	case SYNC_READY:
	case SYNC_RELEASE:
	case SYNC_RELEASED:
	case SYNC_START:
	case SYNC_TYPE_COUNT:
		break;
	}
	return unexpected(msg, err);
}

int sync_converse(int sock, enum sync_type until, const struct spawn_handlers *handlers,
		  struct spawn *spawn, struct wh_error *err)
{
	bool executing = false;

	for (;;) {
		struct sync_message msg;
		int rc = sync_receive(sock, &msg, err);

		if (rc == -EAGAIN && spawn && spawn->stalled)
			rc = spawn->stalled(spawn->stalled_ctx, err);
		else if (rc == 0)
			rc = 1;
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		if (msg.type == SYNC_ERROR) {
			if (err)
				*err = msg.payload.error;
			return msg.payload.error.code ? -msg.payload.error.code : -EINVAL;
		}
		if (msg.type == SYNC_EOF && until == SYNC_EOF && executing)
			return handlers->executed ? handlers->executed(handlers->ctx, err) : 0;
		if (msg.type == SYNC_EOF)
			return explain_end(spawn, err);
		if (msg.type == until)
			return 0;
		if (msg.type == SYNC_EXECING && until == SYNC_EOF) {
			executing = true;
			continue;
		}
		rc = answer(sock, &msg, handlers, spawn, err);
		if (rc < 0)
			return rc;
	}
}

int spawn_wait(struct spawn *spawn, enum sync_type until, const struct spawn_handlers *handlers,
	       struct wh_error *err)
{
	return sync_converse(spawn->sock, until, handlers, spawn, err);
}
