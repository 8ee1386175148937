/* SPDX-License-Identifier: Apache-2.0 */
/* init's steps of exec: into the namespaces of a running container. */
#include "libcontainer/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/step.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/init/steps.h"
#include "libcontainer/sync.h"
#include "namespaces/ns_enter.h"
#include "namespaces/terminal.h"

static int step_join(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	const struct container_plan *plan = init->plan;
	int rc = ns_enter_process(plan->fds.target_pidfd, plan->exec_namespaces, err);

	fd_close(plan->fds.target_pidfd);
	return rc;
}

/**
 * The container's root is its mount namespace's root, unless it was made without pivot_root: then
 * the parent passed it.
 */
static int step_change_root(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	int root = init->plan->fds.rootfs.root;

	if (fchdir(root) < 0 || chroot(".") < 0)
		return wh_fail(err, errno, "change to the container's root");
	fd_close(root);
	return 0;
}

static int needs_root_change(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->fds.rootfs.root >= 0;
}

static int needs_becoming_root(const void *ctx)
{
	const struct init *init = ctx;

	return (init->plan->exec_namespaces & CLONE_NEWUSER) != 0;
}

static int step_terminal(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	const struct process_plan *process = &init->plan->process;
	auto_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd master = -EBADF;
	int rc;

	if (root < 0)
		return wh_fail(err, errno, "open the container's root");
	rc = terminal_open(root, process->rows, process->columns, &master, &init->pty_slave, err);
	if (rc < 0)
		return rc;
	return sync_send_data(init->sync, SYNC_CONSOLE, NULL, 0, master, err);
}

/* A name of a keyring means the same ring only in the same user namespace (Linux 5.3): once in it. */
static const struct step exec_steps[] = {
    {"private procfs",  init_step_open_proc,   NULL, NULL               },
    {"OOM score",       init_step_oom_score,   NULL, NULL               },
    {"join namespaces", step_join,             NULL, NULL               },
    {"change root",     step_change_root,      NULL, needs_root_change  },
    {"become root",     init_step_become_root, NULL, needs_becoming_root},
    {"session keyring", init_step_keyring,     NULL, init_needs_keyring },
    {"terminal",        step_terminal,         NULL, init_needs_terminal},
};

int init_run_exec(struct init *init, struct wh_error *err)
{
	return steps_run(exec_steps, ARRAY_LEN(exec_steps), init, err);
}
