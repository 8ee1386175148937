/* SPDX-License-Identifier: Apache-2.0 */
/* Entry of the init image: map the plan, apply it, become the program. */
#include "libcontainer/init/init.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/step.h"
#include "base/sys.h"
#include "base/trace.h"
#include "libcontainer/hooks.h"
#include "libcontainer/seccomp/program.h"
#include "libcontainer/sync.h"

/**
 * Nothing of the caller's signal set-up reaches the container: dispositions and mask are the
 * defaults.
 */
static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int init_protect(struct wh_error *err)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return wh_fail(err, errno, "make init undumpable");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return wh_fail(err, errno, "tie init to its parent");
	return 0;
}

static int run_until_ready(struct init *init, struct wh_error *err)
{
	int rc;

	rc = init_protect(err);
	if (rc < 0)
		return rc;
	if (init->plan->kind == CONTAINER_PLAN_EXEC)
		rc = init_run_exec(init, err);
	else
		rc = init_run_create(init, err);
	if (rc < 0)
		return rc;
	return init_run_process(init, err);
}

/** In a container that is not its own: done, and gone. */
static int run_mounts(struct init *init, struct wh_error *err)
{
	int rc = init_protect(err);

	if (rc == 0)
		rc = init_run_mounts(init, err);
	if (rc == 0)
		rc = sync_send(init->sync, SYNC_READY, err);
	if (rc == 0)
		_exit(0);
	return rc;
}

static int run(struct init *init, struct wh_error *err)
{
	int rc;

	if (init->plan->kind == CONTAINER_PLAN_MOUNTS)
		return run_mounts(init, err);
	rc = run_until_ready(init, err);
	if (rc < 0)
		return rc;
	rc = init_wait_start(init, err);
	if (rc < 0)
		return rc;
	return init_execute(init, err);
}

/** Nobody is there to be told. What passes (memory, descriptors of the whole system) is waited for. */
static void await_better_times(int code)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	if (code == EBADF || code == EINVAL || code == ENOTSOCK || code == EOPNOTSUPP)
		_exit(1);
	if (code != EINTR && code != ECONNABORTED)
		nanosleep(&pause, NULL);
}

int init_wait_start(struct init *init, struct wh_error *err)
{
	struct sync_message msg;
	int rc;

	if (init->listen < 0)
		return sync_expect(init->sync, SYNC_START, err);
	rc = sync_expect(init->sync, SYNC_RELEASE, err);
	if (rc < 0)
		return rc;
	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		return wh_fail(err, errno, "untie init from its parent");
	rc = sync_send(init->sync, SYNC_RELEASED, err);
	if (rc < 0)
		return rc;
	init->sync = fd_close(init->sync);
	for (;;) {
		init->sync = accept4(init->listen, NULL, NULL, SOCK_CLOEXEC);
		if (init->sync < 0) {
			await_better_times(errno);
			continue;
		}
		/* Whoever only looks whether we are still waiting connects and goes. */
		if (sync_receive(init->sync, &msg, NULL) == 0 && msg.type == SYNC_START)
			break;
		init->sync = fd_close(init->sync);
	}
	init->listen = fd_close(init->listen);
	return 0;
}

static int run_start_hooks(struct init *init, struct wh_error *err)
{
	const struct container_plan *plan = init->plan;
	const struct oci_hooks *hooks;
	char state[SYNC_MAX_PAYLOAD * 4];
	int len;

	assert(plan); /* main() has seen to it */
	hooks = plan->hooks;
	if (plan->kind != CONTAINER_PLAN_CREATE || hooks->n_start_container == 0)
		return 0;
	len = snprintf(state, sizeof(state), "%s%d%s", plan->state_head, (int)getpid(),
		       plan->state_tail);
	if (len < 0 || (size_t)len >= sizeof(state))
		return wh_fail(err, EMSGSIZE,
			       "the state for startContainer hooks (annotations are too long)");
	return hooks_run(
	    hooks->start_container, hooks->n_start_container, "startContainer",
	    &(struct hook_setting){.state = state, .len = (size_t)len, .default_env = init->env},
	    err);
}

static int load_seccomp(struct init *init, struct wh_error *err)
{
	const struct seccomp_program *program = init->plan->process.seccomp;
	int listener = -EBADF;
	int rc;

	if (!program)
		return 0;
	if (prctl(PR_SET_NAME, INIT_FILTERED_NAME) < 0)
		return wh_fail(err, errno, "name init");
	rc = seccomp_program_load(program, &listener, err);
	if (rc < 0 || listener < 0)
		return rc;
	rc = sync_send_data(init->sync, SYNC_SECCOMP, NULL, 0, listener, err);
	fd_close(listener);
	return rc;
}

/*
 * Order: whatever may be forbidden by the filter comes before it. What is left after it is capset
 * and prctl for a container without noNewPrivileges, then execve, and sendmsg and exit_group when
 * that fails.
 */
int init_execute(struct init *init, struct wh_error *err)
{
	const struct process_plan *process = &init->plan->process;
	int rc;

	rc = run_start_hooks(init, err);
	if (rc < 0)
		return rc;
	rc = fd_cloexec_from((int)(3 + process->preserve_fds), err);
	if (rc < 0)
		return rc;
	if (trace_enabled()) {
		rc = sync_send_trace(init->sync, err);
		if (rc < 0)
			return rc;
	}
	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		return wh_fail(err, errno, "untie init from its parent");
	if (process->no_new_privs) {
		rc = init_set_final_capabilities(process, err);
		if (rc < 0)
			return rc;
		rc = sync_send(init->sync, SYNC_EXECING, err);
		if (rc < 0)
			return rc;
		rc = load_seccomp(init, err);
	} else {
		rc = sync_send(init->sync, SYNC_EXECING, err);
		if (rc < 0)
			return rc;
		rc = load_seccomp(init, err);
		if (rc == 0)
			rc = init_set_final_capabilities(process, err);
	}
	if (rc < 0)
		return rc;
	execve(init->program, (char *const *)process->args, (char *const *)init->env);
	return wh_fail_kind(err, WH_ERROR_PROGRAM, errno, "exec: \"%s\"", process->args[0]);
}

static int parse_arguments(int argc, char **argv, struct init *init, struct wh_error *err)
{
	int arena_fd;
	int rc;

	if (argc != INIT_ARG_COUNT)
		return wh_fail(err, EINVAL, "the init image is started by wherry only");
	init->sync = (int)strtoul(argv[INIT_ARG_SYNC], NULL, 16);
	arena_fd = (int)strtoul(argv[INIT_ARG_ARENA], NULL, 16);
	rc = fd_set_cloexec(init->sync, true, err);
	if (rc < 0)
		return rc;
	rc = arena_map_readonly(arena_fd, err);
	fd_close(arena_fd);
	if (rc < 0)
		return rc;
	/* The address that the parent gives is the one at which both map the arena. */
	init->plan = (const struct container_plan *)strtoul(argv[INIT_ARG_PLAN], NULL, 16);
	init->listen = init->plan->fds.listen;
	if (init->plan->trace)
		trace_enable();
	return 0;
}

int main(int argc, char **argv)
{
	static struct init init = {
	    .sync = -EBADF,
	    .listen = -EBADF,
	    .proc_fd = -EBADF,
	    .pty_slave = -EBADF,
	    .rootfs = {.root_fd = -EBADF,
		       .proc_fd = -EBADF,
		       .cgroup_fd = -EBADF,
		       .masked_fd = -EBADF,
		       .null_fd = -EBADF},
	};
	static struct wh_error err;
	int rc = -EBADF;

	reset_signals();
	if (parse_arguments(argc, argv, &init, &err) == 0)
		run(&init, &err);
	if (init.sync >= 0)
		rc = sync_send_data(init.sync, SYNC_ERROR, &err, sizeof(err), -EBADF, NULL);
	/* where a filter forbids to speak, the status is all that is left to say it with */
	_exit(rc < 0 && err.code > 0 && err.code < 126 ? err.code : 1);
}
