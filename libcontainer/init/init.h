/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage inside the container: a program of its own (the init image), small, static, without
 * libraries, executed from a sealed memfd so that /proc/PID/exe is nothing that could ever be
 * written through (CVE-2019-5736). It maps the arena with the plan read-only, applies it step by
 * step, and becomes the container's program.
 */
#pragma once

#include "base/error.h"
#include "libcontainer/container_plan.h"
#include "namespaces/rootfs.h"

/**
 * The image's arguments: argv[0], the sync socket, the arena's memfd, the plan's address, all
 * numbers in hexadecimal.
 */
#define INIT_ARG_SYNC  1
#define INIT_ARG_ARENA 2
#define INIT_ARG_PLAN  3
#define INIT_ARG_COUNT 4

/**
 * init's name from the seccomp filter on until its program is executed, which then has its own: no file's
 * name has a slash, so the two cannot be the same (libcontainer/executed.h).
 */
#define INIT_FILTERED_NAME "wherry/init"

/** What init works on. The plan is read-only; this is not. */
struct init {
	const struct container_plan *plan;
	int sync; /* towards the parent; after the start gate towards whoever started it */
	bool plan_complete; /* SYNC_PLAN_COMPLETE was read */
	int listen;         /* start socket, -EBADF for run and exec */
	int proc_fd;        /* private procfs, closed before the process could be seen by others */
	struct rootfs_work rootfs;
	int pty_slave;
	bool in_cwd;         /* init_enter_cwd() succeeded */
	bool pid_later;      /* the pid namespace to join is joined right before the late fork */
	const char **env;    /* the plan's, or a copy with HOME and LISTEN_PID added */
	char home[1024];     /* "HOME=..." when looked up */
	char listen_pid[32]; /* "LISTEN_PID=..." */
	char program[4096];  /* resolved path of args[0] */
};

/**
 * Not to be traced or read by anybody in a namespace it joins (CVE-2016-9962), and gone when its
 * parent is. To be called again after each change of user, which resets both.
 */
int init_protect(struct wh_error *err);

/**
 * The tables that init_main() walks: the container's making, exec's joining, and what both do to
 * the process.
 */
int init_run_create(struct init *init, struct wh_error *err);
int init_run_exec(struct init *init, struct wh_error *err);
/** mounts add and remove: all of the work; the process ends after it. */
int init_run_mounts(struct init *init, struct wh_error *err);
/** Steps common to both, up to the message SYNC_READY. */
int init_run_process(struct init *init, struct wh_error *err);
/**
 * Wait, once, until the parent has filled in what the plan lacked: it sends that whenever it is
 * done, so it has to be read before anything else is expected from it.
 */
int init_await_plan(struct init *init, struct wh_error *err);
/** Wait until it is started: on the sync socket, or released and then on the start socket. */
int init_wait_start(struct init *init, struct wh_error *err);
/** From the start to execve(2): only returns on failure. */
int init_execute(struct init *init, struct wh_error *err);

/**
 * Fork once more into the joined pid namespace; the caller's process reports and ends, the child
 * returns 0 (step).
 */
int init_fork_into_pid_namespace(struct init *init, struct wh_error *err);
/**
 * A detached procfs of a joined pid namespace, made by a short-lived process in there that holds
 * nothing of the host's. For rootfs_work.open_proc.
 * @ctx: struct init. Returns the fd or -errno.
 */
int init_open_joined_proc(void *ctx, struct wh_error *err);

/**
 * What the caller gave as fds 0 to 2: the host's null device becomes the container's own, since
 * through the host's inode its mode could be changed for all; a pipe becomes the user's, who could
 * not open /dev/stdout otherwise (runc). Not with a terminal.
 */
int init_settle_streams(struct init *init, struct wh_error *err);

/* user.c */
/**
 * Set groups, gid, uid and all capability sets but the last effective one (seccomp may still need
 * CAP_SYS_ADMIN).
 */
int init_set_user(struct init *init, struct wh_error *err);
/** The last capset and the ambient set, after seccomp. */
int init_set_final_capabilities(const struct process_plan *process, struct wh_error *err);

/* program.c */
/**
 * Complete init->env: HOME from the container's /etc/passwd when the plan says it is missing ("/"
 * for a user without entry), LISTEN_PID.
 */
int init_make_environment(struct init *init, struct wh_error *err);
/**
 * Find args[0] as execvp(3) would in the container's PATH; into init->program. Errors have kind
 * PROGRAM.
 */
int init_find_program(struct init *init, struct wh_error *err);

/* attributes.c: one function an attribute of process, each a step */
int init_join_keyring(struct init *init, struct wh_error *err);
int init_set_oom_score(struct init *init, struct wh_error *err);
int init_set_rlimits(struct init *init, struct wh_error *err);
int init_set_labels(struct init *init, struct wh_error *err);
int init_set_scheduler(struct init *init, struct wh_error *err);
int init_set_io_priority(struct init *init, struct wh_error *err);
int init_set_memory_policy(struct init *init, struct wh_error *err);
int init_set_personality(struct init *init, struct wh_error *err);
/** create: make process.cwd when it is missing, as root and while the root can be written (runc). */
int init_make_cwd(struct init *init, struct wh_error *err);
/**
 * Change to process.cwd before the user is set, who need not be able to (runc). One that only the
 * user can enter, or that is missing, is left to init_set_cwd().
 */
int init_enter_cwd(struct init *init, struct wh_error *err);
/** Be in process.cwd, in an exec making it when missing, and verify that it is inside the root. */
int init_set_cwd(struct init *init, struct wh_error *err);
/** exec: execCPUAffinity.final, once in the cgroup. */
int init_set_cpu_affinity(struct init *init, struct wh_error *err);
