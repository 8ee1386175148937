/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init's steps on the process itself, the same for create and exec: from the container's root to
 * one call before execve(2).
 */
#include "libcontainer/init/init.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/step.h"
#include "base/str.h"
#include "base/trace.h"
#include "libcontainer/init/steps.h"
#include "libcontainer/sync.h"
#include "namespaces/terminal.h"

static int step_labels(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	int rc = init_set_labels(init, err);

	/*
	 * The last use of a procfs: from here on nothing is held that the container could misuse.
	 */
	init->proc_fd = fd_close(init->proc_fd);
	return rc;
}

/** A joined pid namespace is entered with nothing of the host's in hand. */
static int step_fork(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	for (size_t i = 0; i < init->plan->ns.n_joins; i++) {
		auto_fd fd = -EBADF;

		if (init->plan->ns.joins[i].type != CLONE_NEWPID)
			continue;
		fd = init->plan->fds.joins[i];
		if (init->pid_later && setns(fd, CLONE_NEWPID) < 0)
			return wh_fail(err, errno, "join pid namespace '%s'",
				       init->plan->ns.joins[i].path);
	}
	return init_fork_into_pid_namespace(init, err);
}

static int needs_fork(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->ns.fork_after && !(init->plan->ns.unshare_flags & CLONE_NEWPID);
}

static int step_session(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	if (setsid() < 0)
		return wh_fail(err, errno, "make a session");
	if (init->pty_slave < 0)
		return 0;
	return terminal_attach(fd_take(&init->pty_slave), init->plan->process.uid, err);
}

static int step_streams(void *ctx, struct wh_error *err)
{
	return init_settle_streams(ctx, err);
}

static int needs_streams(const void *ctx)
{
	return !init_needs_terminal(ctx);
}

static int step_no_new_privs(void *ctx, struct wh_error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return wh_fail(err, errno, "set noNewPrivileges");
	return 0;
}

static int needs_no_new_privs(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->process.no_new_privs;
}

static int step_memory_policy(void *ctx, struct wh_error *err)
{
	return init_set_memory_policy(ctx, err);
}

static int step_cpu_affinity(void *ctx, struct wh_error *err)
{
	return init_set_cpu_affinity(ctx, err);
}

static int step_scheduler(void *ctx, struct wh_error *err)
{
	return init_set_scheduler(ctx, err);
}

static int step_io_priority(void *ctx, struct wh_error *err)
{
	return init_set_io_priority(ctx, err);
}

static int step_personality(void *ctx, struct wh_error *err)
{
	return init_set_personality(ctx, err);
}

static int step_rlimits(void *ctx, struct wh_error *err)
{
	return init_set_rlimits(ctx, err);
}

int init_await_plan(struct init *init, struct wh_error *err)
{
	int rc;

	if (init->plan_complete)
		return 0;
	rc = sync_expect(init->sync, SYNC_PLAN_COMPLETE, err);
	init->plan_complete = rc == 0;
	return rc;
}

/** The parent may still be compiling the filter: from here on it is in the plan. */
static int step_plan_complete(void *ctx, struct wh_error *err)
{
	return init_await_plan(ctx, err);
}

static int step_user(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	umask((mode_t)init->plan->process.umask);
	return init_set_user(init, err);
}

static int step_enter_cwd(void *ctx, struct wh_error *err)
{
	return init_enter_cwd(ctx, err);
}

static int step_cwd(void *ctx, struct wh_error *err)
{
	return init_set_cwd(ctx, err);
}

static int step_environment(void *ctx, struct wh_error *err)
{
	return init_make_environment(ctx, err);
}

static int step_program(void *ctx, struct wh_error *err)
{
	return init_find_program(ctx, err);
}

static int step_ready(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	int rc = 0;

	if (trace_enabled())
		rc = sync_send_trace(init->sync, err);
	return rc < 0 ? rc : sync_send(init->sync, SYNC_READY, err);
}

/*
 * The limits come after the last step that needs memory and before the user, since raising one
 * needs CAP_SYS_RESOURCE.
 */
static const struct step process_steps[] = {
    {"labels",		  step_labels,        NULL, NULL              },
    {"fork into pid namespace", step_fork,          NULL, needs_fork        },
    {"session",		 step_session,       NULL, NULL              },
    {"standard streams",        step_streams,       NULL, needs_streams     },
    {"no new privileges",       step_no_new_privs,  NULL, needs_no_new_privs},
    {"memory policy",           step_memory_policy, NULL, NULL              },
    {"CPU affinity",            step_cpu_affinity,  NULL, NULL              },
    {"scheduler",               step_scheduler,     NULL, NULL              },
    {"I/O priority",            step_io_priority,   NULL, NULL              },
    {"personality",             step_personality,   NULL, NULL              },
    {"plan complete",           step_plan_complete, NULL, NULL              },
    {"environment",             step_environment,   NULL, NULL              },
    {"rlimits",		 step_rlimits,       NULL, NULL              },
    {"enter working directory", step_enter_cwd,     NULL, NULL              },
    {"user and capabilities",   step_user,          NULL, NULL              },
    {"working directory",       step_cwd,           NULL, NULL              },
    {"find program",            step_program,       NULL, NULL              },
    {"ready",		   step_ready,         NULL, NULL              },
};

int init_run_process(struct init *init, struct wh_error *err)
{
	return steps_run(process_steps, ARRAY_LEN(process_steps), init, err);
}
