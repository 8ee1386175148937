/* SPDX-License-Identifier: Apache-2.0 */
/* exec: a further process in a running container. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "base/trace.h"
#include "cgroups/systemd_bus.h"
#include "libcontainer/access.h"
#include "libcontainer/config_load.h"
#include "libcontainer/cpu_affinity.h"
#include "libcontainer/exec_cgroup.h"
#include "libcontainer/exec_failure.h"
#include "libcontainer/exec_process.h"
#include "libcontainer/exec_unit.h"
#include "libcontainer/executed.h"
#include "libcontainer/foreground.h"
#include "libcontainer/handover.h"
#include "libcontainer/intel_rdt.h"
#include "libcontainer/seccomp/notify.h"
#include "libcontainer/seccomp/seccomp.h"
#include "libcontainer/spawn.h"

struct exec {
	const struct runtime *rt;
	const struct exec_options *opts;
	struct access access;
	struct arena arena; /* shared with init */
	const struct oci_process *process;
	struct container_plan *plan;
	int target_pidfd;
	int root_fd;          /* of a container made without pivot_root */
	struct cgroup cgroup; /* where the process goes */
	struct handover handover;
	struct foreground foreground;
	struct spawn spawn;
};

static int is_paused(const struct exec *exec, struct wh_error *err)
{
	return wh_fail_kind(err, WH_ERROR_STATE, 0,
			    "cannot exec in a paused container (use --ignore-paused to override): "
			    "container paused: '%s'",
			    exec->opts->id);
}

static int check_status(struct exec *exec, struct wh_error *err)
{
	const char *id = exec->opts->id;

	switch (access_refine_status(&exec->access)) {
	case OCI_STATUS_RUNNING:
	case OCI_STATUS_CREATED:
		return 0;
	case OCI_STATUS_PAUSED:
		if (exec->opts->ignore_paused)
			return 0;
		return is_paused(exec, err);
	case OCI_STATUS_CREATING:
	case OCI_STATUS_STOPPED:
	case OCI_STATUS_UNKNOWN:
		break;
	}
	return wh_fail_kind(
	    err, WH_ERROR_STATE, 0,
	    "cannot exec a container that has stopped: container not running: '%s' is %s", id,
	    access_status_words(&exec->access));
}

static int step_open(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;
	int rc = access_open(&exec->access, exec->rt, exec->opts->id, STATE_UNLOCKED, err);

	if (rc == 0)
		rc = check_status(exec, err);
	/* may start the program anew: see exec_spawn_into_unit() */
	if (rc == 0 && exec->access.record.user_unit)
		rc = systemd_load(err);
	if (rc < 0)
		return rc;
	exec->target_pidfd = access_open_init(&exec->access, err);
	return exec->target_pidfd < 0 ? exec->target_pidfd : 0;
}

static int build_plan(struct exec *exec, struct problems *problems, struct wh_error *err)
{
	const struct oci_spec *spec = exec->access.spec;
	struct container_plan_input input = {
	    .spec = spec,
	    .id = exec->opts->id,
	    .bundle = exec->access.record.bundle,
	    .privileged = geteuid() == 0,
	    .preserve_fds = exec->opts->preserve_fds,
	};
	struct container_plan *plan = arena_new(&exec->arena, struct container_plan);
	struct ns_plan ns;
	int rc;

	if (!plan)
		return wh_oom(err);
	*plan = (struct container_plan){
	    .kind = CONTAINER_PLAN_EXEC,
	    .id = arena_strdup(&exec->arena, exec->opts->id),
	    .spec = spec,
	    .hooks = arena_new(&exec->arena, struct oci_hooks),
	    .trace = trace_enabled(),
	    .exec_namespaces = access_namespaces(&exec->access),
	    .fds = INIT_FDS_NONE,
	};
	if (!plan->id || !plan->hooks)
		return wh_oom(err);
	exec->plan = plan;
	rc = ns_plan_build(spec, input.privileged, &exec->arena, problems, &ns, err);
	if (rc == 0)
		rc = process_plan_build(exec->process, spec, &input, &exec->arena, problems,
					&plan->process, err);
	if (rc == 0)
		rc = intel_rdt_plan_build(spec->linux_->intel_rdt, plan->id, &exec->arena,
					  &plan->rdt, err);
	if (rc < 0)
		return rc;
	if (ns.deny_setgroups)
		plan->process.set_groups = false;
	plan->ns.fork_after = (plan->exec_namespaces & CLONE_NEWPID) != 0;
	return 0;
}

static int step_plan(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;
	struct problems problems;
	int rc = arena_init_shared(&exec->arena, err);

	if (rc < 0)
		return rc;
	problems_init(&problems, &exec->arena);
	rc = state_config_read(exec->access.dir_fd, &exec->arena, &exec->access.spec, err);
	if (rc == 0)
		rc = exec_process_build(exec->opts, exec->access.spec, &exec->arena, &problems,
					&exec->process, err);
	if (rc == 0)
		rc = build_plan(exec, &problems, err);
	if (rc == 0 && !exec->opts->detach)
		foreground_plan_size(&exec->plan->process);
	for (const struct problem *p = problems.first; p; p = p->next) {
		if (p->severity == PROBLEM_WARNING)
			log_warning("%s", p->text);
	}
	return rc < 0 ? rc : problems_to_error(&problems, err);
}

static int step_handover(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;
	const struct exec_options *opts = exec->opts;
	int rc = handover_check_terminal(exec->process->terminal && opts->detach,
					 opts->console_socket, err);

	return rc < 0 ? rc
		      : handover_open(&exec->handover, opts->console_socket, opts->pidfd_socket,
				      opts->pid_file, err);
}

static int step_cgroup(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;
	int rc = access_open_cgroup(&exec->access, err);

	if (rc == 0)
		rc = exec_cgroup_open(&exec->access, exec->opts->cgroup, &exec->cgroup, err);
	exec->spawn.cgroup_fd = exec->cgroup.dir_fd;
	return rc;
}

static int needs_cgroup(const void *ctx)
{
	const struct exec *exec = ctx;

	return exec->access.record.cgroup_path != NULL;
}

/** A container made without pivot_root is not at its mount namespace's root. */
static int step_root(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;

	exec->root_fd = access_open_root(&exec->access, err);
	return exec->root_fd < 0 ? exec->root_fd : 0;
}

static int needs_root(const void *ctx)
{
	const struct exec *exec = ctx;

	return exec->access.record.no_pivot;
}

static int step_signals(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;

	return foreground_init(&exec->foreground, err);
}

static void undo_signals(void *ctx)
{
	struct exec *exec = ctx;

	foreground_done(&exec->foreground);
}

static int needs_signals(const void *ctx)
{
	const struct exec *exec = ctx;

	return !exec->opts->detach;
}

/** The container's cgroup takes no process itself: it hands its controllers to cgroups below. */
static int use_cgroup_of_init(struct exec *exec, struct wh_error *err)
{
	int rc;

	cgroup_close(&exec->cgroup);
	rc = exec_cgroup_open_init(&exec->access, &exec->cgroup, err);
	exec->spawn.cgroup_fd = exec->cgroup.dir_fd;
	return rc;
}

/** Start it beside init; not before it is sure that it is there it goes on. */
static int spawn_beside_init(struct exec *exec, struct wh_error *err)
{
	int rc;

	exec->spawn.held = true;
	rc = spawn_start(&exec->spawn, err);
	if (rc < 0)
		return rc;
	rc = exec_cgroup_follow_init(&exec->access, exec->spawn.process.pid, &exec->cgroup, err);
	if (rc == 0)
		rc = spawn_proceed(&exec->spawn, -EBADF, err);
	if (rc < 0)
		spawn_kill(&exec->spawn);
	return rc;
}

static int spawn_in_cgroup(struct exec *exec, struct wh_error *err)
{
	if (!exec->opts->cgroup && exec->spawn.cgroup_fd >= 0 && exec_cgroup_nests(&exec->access))
		return spawn_beside_init(exec, err);
	return spawn_start(&exec->spawn, err);
}

/** The container may have been paused since its status was looked at, and our process with it. */
static int on_stalled(void *ctx, struct wh_error *err)
{
	const struct exec *exec = ctx;

	if (!exec->opts->ignore_paused && exec->cgroup.dir_fd >= 0 &&
	    cgroup_is_frozen(&exec->cgroup) == 1)
		return is_paused(exec, err);
	return foreground_interrupted(&exec->foreground, err);
}

static int step_spawn(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;
	int rc;

	exec->plan->fds.target_pidfd = exec->target_pidfd;
	exec->plan->fds.rootfs.root = exec->root_fd;
	if (exec->process->exec_cpu_affinity &&
	    !str_empty(exec->process->exec_cpu_affinity->initial)) {
		/* ours from here on, and so the child's before it enters the cgroup */
		rc = cpu_affinity_set(exec->process->exec_cpu_affinity->initial,
				      "process.execCPUAffinity.initial", err);
		if (rc < 0)
			return rc;
	}
	exec->spawn.arena = &exec->arena;
	exec->spawn.plan = exec->plan;
	exec->spawn.stalled = on_stalled;
	exec->spawn.stalled_ctx = exec;
	rc = spawn_in_cgroup(exec, err);
	if (rc == -EACCES && exec->access.record.user_unit) {
		*err = WH_ERROR_INIT;
		return exec_spawn_into_unit(&exec->spawn, &exec->access, exec->opts->cgroup, err);
	}
	if (rc != -EBUSY || exec->opts->cgroup || exec->spawn.cgroup_fd < 0)
		return rc;
	*err = WH_ERROR_INIT;
	rc = use_cgroup_of_init(exec, err);
	return rc < 0 ? rc : spawn_in_cgroup(exec, err);
}

static void undo_spawn(void *ctx)
{
	struct exec *exec = ctx;

	spawn_kill(&exec->spawn);
}

static int step_seccomp(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;

	return seccomp_prepare(exec->access.spec->linux_->seccomp, exec->rt->root, &exec->arena,
			       &exec->plan->process.seccomp, err);
}

static int needs_seccomp(const void *ctx)
{
	const struct exec *exec = ctx;

	return exec->access.spec->linux_->seccomp != NULL;
}

static int on_console(void *ctx, int master, struct wh_error *err)
{
	struct exec *exec = ctx;

	return handover_console(&exec->handover, master, err);
}

static int on_seccomp(void *ctx, int listener, struct wh_error *err)
{
	struct exec *exec = ctx;
	struct oci_state state = access_state(&exec->access);
	const char *json;
	size_t len;
	int rc;

	rc = oci_state_encode(&state, false, &exec->access.arena, &json, &len, err);
	if (rc == 0)
		rc = seccomp_notify_send(exec->plan->process.seccomp, listener,
					 exec->spawn.process.pid, json,
					 exec->access.spec->oci_version, err);
	fd_close(listener);
	return rc;
}

static int on_executed(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;
	int rc = executed_check(exec->spawn.process.pid, exec->plan->process.args[0], err);

	exec->spawn.lost = rc < 0 && err && err->kind == WH_ERROR_RUNTIME;
	return rc;
}

/** Whether nothing of ours comes between the process's being ready and its start. */
static bool starts_ahead(const struct exec *exec)
{
	return !exec->opts->pid_file && !exec->opts->pidfd_socket && !exec->plan->rdt.group;
}

static int step_ready(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;
	struct spawn_handlers handlers = {
	    .console = exec->plan->process.terminal ? on_console : NULL, .ctx = exec};

	int rc = sync_tell(exec->spawn.sock, SYNC_PLAN_COMPLETE, err);

	/* as in create_step_start_ahead() */
	if (rc == 0 && starts_ahead(exec))
		rc = sync_tell(exec->spawn.sock, SYNC_START, err);
	return rc < 0 ? rc : spawn_wait(&exec->spawn, SYNC_READY, &handlers, err);
}

/** Its parent, this process, is in another class: it inherits nothing. */
static int step_rdt(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;
	auto_fd root = intel_rdt_open(err);

	return root < 0 ? root
			: intel_rdt_add(&exec->plan->rdt, root, exec->spawn.process.pid, err);
}

static int needs_rdt(const void *ctx)
{
	const struct exec *exec = ctx;

	return exec->plan->rdt.group != NULL;
}

static int step_pid_file(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;

	return handover_pid_file(&exec->handover, exec->spawn.process.pid, err);
}

static void undo_pid_file(void *ctx)
{
	struct exec *exec = ctx;

	handover_undo_pid_file(&exec->handover);
}

static int step_pidfd(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;

	return handover_pidfd(&exec->handover, exec->spawn.pidfd, "setns", err);
}

static int step_start(void *ctx, struct wh_error *err)
{
	struct exec *exec = ctx;
	struct spawn_handlers handlers = {
	    .seccomp = on_seccomp,
	    .executed = exec->plan->process.seccomp ? on_executed : NULL,
	    .ctx = exec,
	};
	int rc = starts_ahead(exec) ? 0 : sync_send(exec->spawn.sock, SYNC_START, err);

	return rc < 0 ? rc : spawn_wait(&exec->spawn, SYNC_EOF, &handlers, err);
}

static const struct step exec_steps[] = {
    {"open container",   step_open,     NULL,          NULL         },
    {"plan",	     step_plan,     NULL,          NULL         },
    {"connect sockets",  step_handover, NULL,          NULL         },
    {"open cgroup",      step_cgroup,   NULL,          needs_cgroup },
    {"open root",        step_root,     NULL,          needs_root   },
    {"catch signals",    step_signals,  undo_signals,  needs_signals},
    {"clone init",       step_spawn,    undo_spawn,    NULL         },
    {"compile seccomp",  step_seccomp,  NULL,          needs_seccomp},
    {"wait for init",    step_ready,    NULL,          NULL         },
    {"enter RDT groups", step_rdt,      NULL,          needs_rdt    },
    {"pid file",         step_pid_file, undo_pid_file, NULL         },
    {"send pidfd",       step_pidfd,    NULL,          NULL         },
    {"start program",    step_start,    NULL,          NULL         },
};

static void exec_done(struct exec *exec)
{
	foreground_done(&exec->foreground);
	spawn_done(&exec->spawn);
	cgroup_close(&exec->cgroup);
	handover_done(&exec->handover);
	fd_close(exec->root_fd);
	fd_close(exec->target_pidfd);
	arena_done(&exec->arena);
	access_done(&exec->access);
}

int container_exec(const struct runtime *rt, const struct exec_options *opts, int *ret_status,
		   struct wh_error *err)
{
	struct exec exec = {
	    .rt = rt,
	    .opts = opts,
	    .access = ACCESS_INIT,
	    .arena = {.fd = -EBADF},
	    .target_pidfd = -EBADF,
	    .root_fd = -EBADF,
	    .cgroup = CGROUP_NONE,
	    .handover = HANDOVER_INIT,
	    .foreground = FOREGROUND_INIT,
	    .spawn = SPAWN_INIT,
	};
	int rc;

	*ret_status = 0;
	rc = steps_run(exec_steps, ARRAY_LEN(exec_steps), &exec, err);
	if (rc < 0)
		rc = exec_explain(&(struct exec_failure){.id = opts->id,
							 .init = exec.access.record.init.pid,
							 .init_pidfd = exec.target_pidfd,
							 .lost = exec.spawn.lost},
				  rc, err);
	else if (!opts->detach)
		rc = foreground_wait(&exec.foreground, exec.spawn.pidfd, exec.spawn.process.pid,
				     exec.handover.pty_master, -EBADF, ret_status, err);
	exec_done(&exec);
	return rc;
}
