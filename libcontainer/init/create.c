/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init's steps of create: from a bare process in new namespaces to one inside the container's root.
 */
#include "libcontainer/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/step.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/hooks.h"
#include "libcontainer/init/steps.h"
#include "libcontainer/sync.h"
#include "namespaces/ns_enter.h"
#include "namespaces/terminal.h"

/**
 * A joined pid namespace's fd is kept for its procfs (init_open_joined_proc()); the late fork
 * closes it.
 */
static void close_joins(struct init *init)
{
	const struct container_plan *plan = init->plan;

	for (size_t i = 0; i < plan->ns.n_joins; i++) {
		if (plan->ns.joins[i].type != CLONE_NEWPID)
			fd_close(plan->fds.joins[i]);
	}
}

static int step_enter_namespaces(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	const struct container_plan *plan = init->plan;
	int rc = ns_enter(&plan->ns, plan->fds.joins, init->proc_fd, &init->pid_later, err);

	close_joins(init);
	return rc;
}

static int needs_entering(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->ns.n_joins > 0 || init->plan->ns.unshare_flags != 0;
}

/**
 * A pid namespace made after joining a user namespace: nobody is in it yet, and its first process
 * must be the container's init.
 */
static int step_fork_early(void *ctx, struct wh_error *err)
{
	return init_fork_into_pid_namespace(ctx, err);
}

static int needs_early_fork(const void *ctx)
{
	const struct init *init = ctx;

	return (init->plan->ns.unshare_flags & CLONE_NEWPID) != 0;
}

static int step_cgroup_namespace(void *ctx, struct wh_error *err)
{
	return ns_unshare_cgroup(err);
}

static int needs_cgroup_namespace(const void *ctx)
{
	const struct init *init = ctx;

	return ns_plan_is_new(&init->plan->ns, CLONE_NEWCGROUP);
}

static int needs_becoming_root(const void *ctx)
{
	const struct init *init = ctx;

	return ns_plan_has(&init->plan->ns, CLONE_NEWUSER);
}

static int step_attach_root(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	return rootfs_attach(&init->rootfs, err);
}

static int step_mounts(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	return rootfs_mount_all(&init->rootfs, err);
}

static int step_devices(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	return rootfs_make_devices(&init->rootfs, err);
}

static int step_runtime_hooks(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	int rc = init_await_plan(init, err);

	if (rc == 0)
		rc = sync_send(init->sync, SYNC_NEED_HOOKS, err);
	return rc < 0 ? rc : sync_expect(init->sync, SYNC_HOOKS_DONE, err);
}

static int needs_runtime_hooks(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->hooks->n_prestart + init->plan->hooks->n_create_runtime > 0 ||
	       init->plan->ns.n_net_devices > 0;
}

static int step_create_container_hooks(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	const struct container_plan *plan = init->plan;
	char state[SYNC_MAX_PAYLOAD * 4];
	int len = snprintf(state, sizeof(state), "%s%d%s", plan->state_head, (int)getpid(),
			   plan->state_tail);

	if (len < 0 || (size_t)len >= sizeof(state))
		return wh_fail(err, EMSGSIZE,
			       "the state for createContainer hooks (annotations are too long)");
	return hooks_run(
	    plan->hooks->create_container, plan->hooks->n_create_container, "createContainer",
	    &(struct hook_setting){.state = state, .len = (size_t)len, .cwd = plan->bundle}, err);
}

static int needs_create_container_hooks(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->hooks->n_create_container > 0;
}

static int step_terminal(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	const struct process_plan *process = &init->plan->process;
	auto_fd master = -EBADF;
	int rc;

	rc = terminal_open(init->rootfs.root_fd, process->rows, process->columns, &master,
			   &init->pty_slave, err);
	if (rc < 0)
		return rc;
	rc = rootfs_bind_console(&init->rootfs, init->pty_slave, err);
	if (rc < 0)
		return rc;
	return sync_send_data(init->sync, SYNC_CONSOLE, NULL, 0, master, err);
}

static int step_pivot(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	return rootfs_pivot(&init->rootfs, err);
}

static int step_names(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	return ns_set_names(&init->plan->ns, err);
}

static int needs_names(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->ns.hostname || init->plan->ns.domainname;
}

/** The whole procfs, /proc/sys and all, is open for these writes only. */
static int step_sysctls(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	auto_fd whole = procfs_open(true, err);

	if (whole < 0)
		return whole;
	return ns_set_sysctls(&init->plan->ns, whole, err);
}

static int needs_sysctls(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->ns.n_sysctl > 0;
}

static int step_loopback(void *ctx, struct wh_error *err)
{
	return ns_loopback_up(err);
}

static int needs_loopback(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->ns.loopback;
}

/** What root of the container may not even look at, the user may: init_set_cwd() tries again. */
static int step_make_cwd(void *ctx, struct wh_error *err)
{
	int rc = init_make_cwd(ctx, err);

	if (rc != -EACCES)
		return rc;
	*err = WH_ERROR_INIT;
	return 0;
}

static int needs_cwd(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->process.cwd[1] != '\0'; /* "/" is there */
}

static int step_masks(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	return rootfs_apply_masks(&init->rootfs, err);
}

static int step_readonly(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	return rootfs_apply_readonly(&init->rootfs, err);
}

static int needs_readonly(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->rootfs.readonly;
}

/*
 * sysctls come before pivot_root: they go through the /proc of the mount namespace that init was
 * born in, which is still the host's.
 */
static const struct step create_steps[] = {
    {"private procfs",              init_step_open_proc,         NULL, NULL                        },
    {"OOM score",		   init_step_oom_score,         NULL, NULL                        },
    {"enter namespaces",            step_enter_namespaces,       NULL, needs_entering              },
    {"fork into new pid namespace", step_fork_early,             NULL, needs_early_fork            },
    {"cgroup namespace",            step_cgroup_namespace,       NULL, needs_cgroup_namespace      },
    {"become root",                 init_step_become_root,       NULL, needs_becoming_root         },
    {"session keyring",             init_step_keyring,           NULL, init_needs_keyring          },
    {"attach root",                 step_attach_root,            NULL, NULL                        },
    {"mounts",		      step_mounts,                 NULL, NULL                        },
    {"devices",		     step_devices,                NULL, NULL                        },
    {"runtime hooks",               step_runtime_hooks,          NULL, needs_runtime_hooks         },
    {"createContainer hooks",       step_create_container_hooks, NULL, needs_create_container_hooks},
    {"terminal",		    step_terminal,               NULL, init_needs_terminal         },
    {"sysctls",		     step_sysctls,                NULL, needs_sysctls               },
    {"pivot root",                  step_pivot,                  NULL, NULL                        },
    {"host and domain name",        step_names,                  NULL, needs_names                 },
    {"loopback",		    step_loopback,               NULL, needs_loopback              },
    {"make working directory",      step_make_cwd,               NULL, needs_cwd                   },
    {"masks",		       step_masks,                  NULL, NULL                        },
    {"read-only root",              step_readonly,               NULL, needs_readonly              },
};

static void close_work(struct init *init)
{
	init->rootfs.root_fd = fd_close(init->rootfs.root_fd);
	init->rootfs.masked_fd = fd_close(init->rootfs.masked_fd);
	init->rootfs.null_fd = fd_close(init->rootfs.null_fd);
	init->rootfs.cgroup_fd = fd_close(init->rootfs.cgroup_fd);
}

int init_run_create(struct init *init, struct wh_error *err)
{
	const struct container_plan *plan = init->plan;
	int rc;

	init->rootfs.plan = &plan->rootfs;
	init->rootfs.fds = &plan->fds.rootfs;
	init->rootfs.cgroup_fd = plan->fds.cgroup;
	if (plan->ns.fork_after && !needs_early_fork(init)) {
		init->rootfs.open_proc = init_open_joined_proc;
		init->rootfs.open_proc_ctx = init;
	}
	rc = steps_run(create_steps, ARRAY_LEN(create_steps), init, err);
	close_work(init);
	return rc;
}
