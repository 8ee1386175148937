/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create and run, the parent's side: a table of steps from a bundle to an init that waits to be
 * started.
 */
#include "libcontainer/create.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/probe.h"
#include "base/step.h"
#include "base/str.h"
#include "libcontainer/create_steps.h"
#include "libcontainer/notify_socket.h"
#include "libcontainer/seccomp/seccomp.h"
#include "namespaces/ns_enter.h"

void create_init(struct create *create, const struct runtime *rt, const struct create_options *opts,
		 bool run)
{
	*create = (struct create){
	    .rt = rt,
	    .opts = opts,
	    .run = run,
	    .arena = {.fd = -EBADF},
	    .root_fd = -EBADF,
	    .dir_fd = -EBADF,
	    .cgroup_mount_fd = -EBADF,
	    .cgroup = CGROUP_NONE,
	    .caller_cgroup = CGROUP_NONE,
	    .oom = CGROUP_OOM_WATCH_NONE,
	    .rdt_fd = -EBADF,
	    .handover = HANDOVER_INIT,
	    .notify_fd = -EBADF,
	    .spawn = SPAWN_INIT,
	    .foreground = FOREGROUND_INIT,
	};
}

void create_done(struct create *create)
{
	foreground_done(&create->foreground);
	handover_done(&create->handover);
	spawn_done(&create->spawn);
	systemd_bus_close(create->systemd);
	cgroup_oom_watch_done(&create->oom);
	cgroup_close(&create->cgroup);
	cgroup_close(&create->caller_cgroup);
	create->rdt_fd = fd_close(create->rdt_fd);
	create->notify_fd = fd_close(create->notify_fd);
	create->cgroup_mount_fd = fd_close(create->cgroup_mount_fd);
	create->dir_fd = fd_close(create->dir_fd);
	create->root_fd = fd_close(create->root_fd);
	arena_done(&create->arena);
}

/* Looking: nothing on the host changes in these */

static int step_check(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	const struct create_options *opts = create->opts;
	int rc = container_id_check(opts->id, err);

	return rc < 0 ? rc : probe_kernel(NULL, err);
}

static int step_plan(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	int rc;

	rc = arena_init_shared(&create->arena, err);
	if (rc < 0)
		return rc;
	problems_init(&create->problems, &create->arena);
	rc = container_plan_load(create->rt, create->opts, &create->arena, &create->problems,
				 &create->config, &create->plan, err);
	if (rc == 0 && create->run && !create->opts->detach)
		foreground_plan_size(&create->plan->process);
	/* chosen for an ordinary user only now; before the warnings, which the twin says again */
	if (rc == 0 && create_needs_unit(create))
		rc = create_step_load_systemd(create, err);
	for (const struct problem *p = create->problems.first; p; p = p->next) {
		if (p->severity == PROBLEM_WARNING)
			log_warning("%s", p->text);
	}
	return rc;
}

static void undo_plan(void *ctx)
{
	struct create *create = ctx;

	arena_done(&create->arena);
}

/** First of all that looks at the host: it may have to execute the program anew (base/twin.h). */
static int step_cgroup_mount(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	create->cgroup_mount_fd = cgroup_open_mount(err);
	return create->cgroup_mount_fd < 0 ? create->cgroup_mount_fd : 0;
}

static int needs_cgroup(const void *ctx)
{
	const struct create *create = ctx;

	return create->plan->cgroup.manager != CGROUP_MANAGER_DISABLED;
}

/** A cgroup that is made by hand; a unit comes with its own. */
static int makes_cgroup(const void *ctx)
{
	const struct create *create = ctx;

	return create->plan->cgroup.manager == CGROUP_MANAGER_CGROUPFS;
}

static int may_need_cgroup(const void *ctx)
{
	const struct create *create = ctx;

	return create->rt->cgroup_manager != CGROUP_MANAGER_DISABLED;
}

static int step_handover(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	const struct create_options *opts = create->opts;
	bool detached = !create->run || opts->detach;
	int rc = handover_check_terminal(create->plan->process.terminal && detached,
					 opts->console_socket, err);

	return rc < 0 ? rc
		      : handover_open(&create->handover, opts->console_socket, opts->pidfd_socket,
				      opts->pid_file, err);
}

static int step_open_joins(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	struct container_plan *plan = create->plan;

	plan->fds.joins = arena_array(&create->arena, int, plan->ns.n_joins + 1);
	if (!plan->fds.joins)
		return wh_oom(err);
	return ns_open_joins(&plan->ns, plan->fds.joins, err);
}

static int needs_joins(const void *ctx)
{
	const struct create *create = ctx;

	return create->plan->ns.n_joins > 0;
}

static void undo_open_joins(void *ctx)
{
	struct create *create = ctx;

	for (size_t i = 0; i < create->plan->ns.n_joins; i++)
		create->plan->fds.joins[i] = fd_close(create->plan->fds.joins[i]);
}

/* Doing */

static int step_notify(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return notify_socket_prepare(create->dir_fd, create->rt->root, create->plan, &create->arena,
				     err);
}

static int needs_notify(const void *ctx)
{
	return notify_socket_wanted() ? 1 : 0;
}

static int step_open_sources(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return rootfs_open_sources(&create->plan->rootfs, &create->arena, &create->plan->fds.rootfs,
				   err);
}

static void close_sources(void *ctx)
{
	struct create *create = ctx;

	rootfs_close_sources(&create->plan->rootfs, &create->plan->fds.rootfs);
}

static int step_cgroup(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	int rc;

	rc = cgroup_create(&create->plan->cgroup, create->cgroup_mount_fd, &create->cgroup, err);
	if (rc < 0)
		return rc;
	create->plan->fds.cgroup = create->cgroup.dir_fd;
	create->spawn.cgroup_fd = create->cgroup.dir_fd;
	return 0;
}

/** Without a manager the container stays in the caller's cgroup, which a mount of type cgroup shows. */
static int step_caller_cgroup(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	auto_fd mount = cgroup_open_mount(NULL); /* a host without cgroup v2 has none to show */

	if (mount >= 0 && cgroup_open_of(mount, getpid(), &create->caller_cgroup, NULL) == 0)
		create->plan->fds.cgroup = create->caller_cgroup.dir_fd;
	return 0;
}

static int needs_caller_cgroup(const void *ctx)
{
	return !needs_cgroup(ctx);
}

#define CGROUP_REMOVE_TIMEOUT_MS 10000

static void undo_cgroup(void *ctx)
{
	struct create *create = ctx;
	struct wh_error err = WH_ERROR_INIT;

	if (!create->cgroup.created)
		return;
	if (cgroup_remove(create->cgroup_mount_fd, create->plan->cgroup.path,
			  CGROUP_REMOVE_TIMEOUT_MS, &err) < 0)
		log_warning("%s", err.message);
	else
		cgroup_remove_parents(create->cgroup_mount_fd, create->plan->cgroup.path,
				      create->cgroup.made);
}

/**
 * init listens before it exists: the socket is bound by us, and only who may enter the state
 * directory reaches it.
 */
static int step_start_socket(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	auto_fd sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	mode_t old_umask;
	int rc;

	if (sock < 0)
		return wh_fail(err, errno, "make the start socket");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" STATE_START_SOCKET,
		 create->dir_fd);
	old_umask = umask(077);
	rc = bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	umask(old_umask);
	if (rc < 0)
		return wh_fail(err, -rc, "bind the start socket of container '%s'",
			       create->opts->id);
	if (listen(sock, 16) < 0)
		return wh_fail(err, errno, "listen on the start socket of container '%s'",
			       create->opts->id);
	create->plan->fds.listen = fd_take(&sock);
	return 0;
}

static int needs_start_socket(const void *ctx)
{
	const struct create *create = ctx;

	return !create->run;
}

static void close_start_socket(void *ctx)
{
	struct create *create = ctx;

	create->plan->fds.listen = fd_close(create->plan->fds.listen);
}

static int step_spawn(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	create->spawn.arena = &create->arena;
	create->spawn.plan = create->plan;
	create->spawn.stalled = create_on_stalled;
	create->spawn.stalled_ctx = create;
	return spawn_start(&create->spawn, err);
}

static void undo_spawn(void *ctx)
{
	struct create *create = ctx;

	/* everything in it, not only init: hooks may have left something there */
	if (create->cgroup.dir_fd >= 0)
		cgroup_kill(&create->cgroup, NULL);
	spawn_kill(&create->spawn);
}

/** While init mounts: nobody needs the copy before the container is ready. */
static int step_config_copy(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return file_create(create->dir_fd, STATE_CONFIG_FILE, create->config.text,
			   create->config.len, 0600, err);
}

/** While init mounts: see cgroup_limit_cpu(). */
static int step_limit_cpu(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return cgroup_limit_cpu(&create->plan->cgroup, &create->cgroup, err);
}

/** While init mounts: see cgroup_attach_devices(). */
static int step_devices(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return cgroup_attach_devices(&create->plan->cgroup, &create->cgroup, err);
}

/** While init mounts, the filter is compiled; init reads it only after SYNC_PLAN_COMPLETE. */
static int step_seccomp(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return seccomp_prepare(create->plan->spec->linux_->seccomp, create->rt->root,
			       &create->arena, &create->plan->process.seccomp, err);
}

static int needs_seccomp(const void *ctx)
{
	const struct create *create = ctx;

	return create->plan->spec->linux_->seccomp != NULL;
}

static int step_record(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	int rc;

	create->record.status = create->run ? OCI_STATUS_RUNNING : OCI_STATUS_CREATED;
	rc = spawn_identify(&create->spawn, err);
	if (rc < 0)
		return rc;
	create->record.init = create->spawn.process;
	return record_write(create->dir_fd, &create->record, &create->arena, err);
}

static int step_pid_file(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return handover_pid_file(&create->handover, create->spawn.process.pid, err);
}

static void undo_pid_file(void *ctx)
{
	struct create *create = ctx;

	handover_undo_pid_file(&create->handover);
}

static int step_pidfd(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return handover_pidfd(&create->handover, create->spawn.pidfd, "standard", err);
}

/** From here on init outlives us. */
static int step_release(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	struct spawn_handlers handlers = {.ctx = create};
	int rc = sync_send(create->spawn.sock, SYNC_RELEASE, err);

	return rc < 0 ? rc : spawn_wait(&create->spawn, SYNC_RELEASED, &handlers, err);
}

static const struct step create_steps[] = {
    {"check options",        step_check,                NULL,                      NULL                  },
    {"load libsystemd",      create_step_load_systemd,  NULL,                      create_may_need_unit  },
    {"find cgroup mount",    step_cgroup_mount,         NULL,                      may_need_cgroup       },
    {"load config and plan", step_plan,                 undo_plan,                 NULL                  },
    {"reach systemd",        create_step_reach_systemd, create_undo_reach_systemd, create_needs_unit     },
    {"connect sockets",      step_handover,             NULL,                      NULL                  },
    {"open namespaces",      step_open_joins,           undo_open_joins,           needs_joins           },
    {"look at resctrl",      create_step_rdt_look,      NULL,                      create_needs_rdt      },
    {"claim state",          create_step_claim,         create_undo_claim,         NULL                  },
    {"notify socket",        step_notify,               NULL,                      needs_notify          },
    {"open sources",         step_open_sources,         close_sources,             NULL                  },
    {"create cgroup",        step_cgroup,               undo_cgroup,               makes_cgroup          },
    {"caller's cgroup",      step_caller_cgroup,        NULL,                      needs_caller_cgroup   },
    {"make RDT groups",      create_step_rdt_make,      create_undo_rdt_make,      create_needs_rdt      },
    {"start socket",         step_start_socket,         close_start_socket,        needs_start_socket    },
    {"clone init",           step_spawn,                undo_spawn,                NULL                  },
    {"start unit",           create_step_unit,          create_undo_unit,          create_needs_unit     },
    {"copy config",          step_config_copy,          NULL,                      NULL                  },
    {"limit CPU time",       step_limit_cpu,            NULL,                      needs_cgroup          },
    {"attach device rules",  step_devices,              NULL,                      needs_cgroup          },
    {"compile seccomp",      step_seccomp,              NULL,                      needs_seccomp         },
    {"start ahead",          create_step_start_ahead,   NULL,                      create_can_start_ahead},
    {"wait for init",        create_step_ready,         NULL,                      NULL                  },
    {"enter RDT groups",     create_step_rdt_add,       NULL,                      create_needs_rdt      },
    {"write state",          step_record,               NULL,                      NULL                  },
    {"pid file",             step_pid_file,             undo_pid_file,             NULL                  },
    {"send pidfd",           step_pidfd,                NULL,                      NULL                  },
    {"release init",         step_release,              NULL,                      needs_start_socket    },
};

/** What a container needs before it has a process: the same for one that is restored. */
static const struct step prepare_steps[] = {
    {"check options",        step_check,                NULL,                      NULL                },
    {"load libsystemd",      create_step_load_systemd,  NULL,                      create_may_need_unit},
    {"find cgroup mount",    step_cgroup_mount,         NULL,                      may_need_cgroup     },
    {"load config and plan", step_plan,                 undo_plan,                 NULL                },
    {"reach systemd",        create_step_reach_systemd, create_undo_reach_systemd, create_needs_unit   },
    {"connect sockets",      step_handover,             NULL,                      NULL                },
    {"open namespaces",      step_open_joins,           undo_open_joins,           needs_joins         },
    {"look at resctrl",      create_step_rdt_look,      NULL,                      create_needs_rdt    },
    {"claim state",          create_step_claim,         create_undo_claim,         NULL                },
    {"open sources",         step_open_sources,         close_sources,             NULL                },
    {"create cgroup",        step_cgroup,               undo_cgroup,               makes_cgroup        },
    {"make RDT groups",      create_step_rdt_make,      create_undo_rdt_make,      create_needs_rdt    },
    {"copy config",          step_config_copy,          NULL,                      NULL                },
};

int create_prepare(struct create *create, struct wh_error *err)
{
	return steps_run(prepare_steps, ARRAY_LEN(prepare_steps), create, err);
}

int create_start_unit(struct create *create, struct wh_error *err)
{
	return create_step_unit(create, err);
}

void create_unprepare(struct create *create)
{
	undo_spawn(create);
	create_undo_unit(create);
	steps_undo(prepare_steps, ARRAY_LEN(prepare_steps), create);
}

/** What makes a process the container's, before its program runs. */
static const struct step publish_steps[] = {
    {"limit CPU time",      step_limit_cpu,      NULL,          needs_cgroup    },
    {"attach device rules", step_devices,        NULL,          needs_cgroup    },
    {"enter RDT groups",    create_step_rdt_add, NULL,          create_needs_rdt},
    {"write state",         step_record,         NULL,          NULL            },
    {"pid file",            step_pid_file,       undo_pid_file, NULL            },
    {"send pidfd",          step_pidfd,          NULL,          NULL            },
};

int create_publish(struct create *create, struct wh_error *err)
{
	return steps_run(publish_steps, ARRAY_LEN(publish_steps), create, err);
}

void create_unpublish(struct create *create)
{
	steps_undo(publish_steps, ARRAY_LEN(publish_steps), create);
}

int create_run_steps(struct create *create, struct wh_error *err)
{
	int rc = steps_run(create_steps, ARRAY_LEN(create_steps), create, err);

	if (rc < 0)
		return rc;
	/* init has its own copies */
	close_sources(create);
	close_start_socket(create);
	undo_open_joins(create);
	return 0;
}

void create_undo(struct create *create)
{
	steps_undo(create_steps, ARRAY_LEN(create_steps), create);
}

int container_create(const struct runtime *rt, const struct create_options *opts,
		     struct wh_error *err)
{
	struct create create;
	int rc;

	create_init(&create, rt, opts, false);
	rc = create_run_steps(&create, err);
	create_done(&create);
	return rc;
}
