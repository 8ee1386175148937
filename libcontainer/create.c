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
#include "libcontainer/hooks.h"
#include "libcontainer/notify_socket.h"
#include "libcontainer/pid_file.h"
#include "libcontainer/seccomp.h"
#include "libcontainer/seccomp_notify.h"
#include "namespaces/ns_enter.h"
#include "namespaces/terminal.h"

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
	    .console_fd = -EBADF,
	    .pidfd_socket_fd = -EBADF,
	    .pty_master = -EBADF,
	    .notify_fd = -EBADF,
	    .spawn = SPAWN_INIT,
	    .foreground = FOREGROUND_INIT,
	};
}

void create_done(struct create *create)
{
	foreground_done(&create->foreground);
	spawn_done(&create->spawn);
	cgroup_close(&create->cgroup);
	create->notify_fd = fd_close(create->notify_fd);
	create->pty_master = fd_close(create->pty_master);
	create->pidfd_socket_fd = fd_close(create->pidfd_socket_fd);
	create->console_fd = fd_close(create->console_fd);
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

static int may_need_cgroup(const void *ctx)
{
	const struct create *create = ctx;

	return create->rt->cgroup_manager != CGROUP_MANAGER_DISABLED;
}

static int check_terminal_options(const struct create *create, struct wh_error *err)
{
	const struct create_options *opts = create->opts;
	bool terminal = create->plan->process.terminal;
	bool detached = !create->run || opts->detach;

	if (terminal && detached && !opts->console_socket)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "cannot allocate tty if runc will detach without setting "
				    "console socket: give --console-socket, or set "
				    "process.terminal to false");
	if (opts->console_socket && !(terminal && detached))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "cannot use console socket if runc will not detach or allocate "
				    "tty: process.terminal is false, or run "
				    "is in the foreground");
	return 0;
}

static int step_sockets(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	const struct create_options *opts = create->opts;
	int rc = check_terminal_options(create, err);

	if (rc < 0)
		return rc;
	if (opts->console_socket) {
		create->console_fd = terminal_connect_socket(opts->console_socket, err);
		if (create->console_fd < 0) {
			wh_error_prefix(err, "--console-socket");
			return create->console_fd;
		}
	}
	if (opts->pidfd_socket) {
		create->pidfd_socket_fd = terminal_connect_socket(opts->pidfd_socket, err);
		if (create->pidfd_socket_fd < 0) {
			wh_error_prefix(err, "--pidfd-socket");
			return create->pidfd_socket_fd;
		}
	}
	return opts->pid_file ? pid_file_check(opts->pid_file, err) : 0;
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

static void now_rfc3339(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%09ldZ", now.tv_nsec);
}

/**
 * Below the mount itself there is one component, which is ours; of a deeper path it matters what
 * was there before.
 */
static int count_cgroups_made(struct create *create, struct wh_error *err)
{
	const char *path = create->plan->cgroup.path;
	int rc;

	if (!path)
		return 0;
	if (create->plan->cgroup.own_path)
		return 1;
	rc = cgroup_count_missing(create->cgroup_mount_fd, path);
	return rc < 0 ? wh_fail(err, -rc, "look for cgroup '%s'", path) : rc;
}

static int fill_record(struct create *create, struct wh_error *err)
{
	struct container_plan *plan = create->plan;
	struct container_record *record = &create->record;
	int rc;

	rc = process_boot_id(create->boot_id, err);
	if (rc < 0)
		return rc;
	now_rfc3339(create->created, sizeof(create->created));
	*record = (struct container_record){
	    .id = plan->id,
	    .bundle = plan->bundle,
	    .rootfs = plan->rootfs.path,
	    .oci_version = plan->spec->oci_version,
	    .created = create->created,
	    .owner = geteuid(),
	    .boot_id = create->boot_id,
	    .cgroup_path = plan->cgroup.path,
	    .cgroup_manager = plan->cgroup.manager,
	    .status = OCI_STATUS_CREATING,
	    .creator = {.pid = getpid()},
	    .no_pivot = plan->rootfs.no_pivot || plan->rootfs.no_mount_namespace,
	    .annotations = plan->spec->annotations,
	    .n_annotations = plan->spec->n_annotations,
	};
	rc = process_stat(record->creator.pid, &record->creator.start_time, NULL);
	if (rc < 0)
		return wh_fail(err, -rc, "read this process's start time");
	rc = count_cgroups_made(create, err);
	if (rc < 0)
		return rc;
	record->cgroup_made = (uint32_t)rc;
	return 0;
}

/** Intent first: before a cgroup or a process exists, what to remove is on disk. */
static int step_claim(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	int rc = fill_record(create, err);

	if (rc < 0)
		return rc;
	create->root_fd = state_root_open(create->rt, true, err);
	if (create->root_fd < 0)
		return create->root_fd;
	create->dir_fd = state_claim(create->root_fd, create->opts->id, err);
	if (create->dir_fd < 0) {
		if (create->dir_fd != -EEXIST)
			wh_error_prefix(err, "state directory '%s'", create->rt->root);
		return create->dir_fd;
	}
	rc = record_write(create->dir_fd, &create->record, &create->arena, err);
	if (rc == 0 && create->record.cgroup_path)
		rc = record_write_cgroup(create->dir_fd, create->record.cgroup_path,
					 create->record.cgroup_made, err);
	if (rc < 0)
		state_remove(create->root_fd, create->opts->id, create->dir_fd, NULL);
	return rc;
}

static void undo_claim(void *ctx)
{
	struct create *create = ctx;
	struct wh_error err = WH_ERROR_INIT;

	if (state_remove(create->root_fd, create->opts->id, create->dir_fd, &err) < 0)
		log_warning("%s", err.message);
}

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

static int on_console(void *ctx, int master, struct wh_error *err)
{
	struct create *create = ctx;
	int rc;

	if (create->console_fd < 0) {
		fd_close(create->pty_master);
		create->pty_master = master;
		return 0;
	}
	rc = terminal_send(create->console_fd, master, err);
	fd_close(master);
	return rc;
}

static int hook_state(struct create *create, enum oci_status status, const char **ret_json,
		      size_t *ret_len, struct wh_error *err)
{
	struct oci_state state = {
	    .oci_version = create->record.oci_version,
	    .id = create->record.id,
	    .status = status,
	    .pid = create->spawn.process.pid,
	    .bundle = create->record.bundle,
	    .annotations = create->record.annotations,
	    .n_annotations = create->record.n_annotations,
	};

	return oci_state_encode(&state, false, &create->arena, ret_json, ret_len, err);
}

/**
 * prestart and createRuntime hooks: in the runtime's namespaces, before pivot_root
 * (config.md#posix-platform-hooks).
 */
static int on_hooks(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	const struct oci_hooks *hooks = create->plan->hooks;
	const char *json;
	size_t len;
	int rc;

	rc = hook_state(create, OCI_STATUS_CREATING, &json, &len, err);
	if (rc == 0)
		rc =
		    hooks_run(hooks->prestart, hooks->n_prestart, "prestart", json, len, NULL, err);
	if (rc == 0)
		rc = hooks_run(hooks->create_runtime, hooks->n_create_runtime, "createRuntime",
			       json, len, NULL, err);
	return rc;
}

static int on_seccomp(void *ctx, int listener, struct wh_error *err)
{
	struct create *create = ctx;
	const char *json;
	size_t len;
	int rc;

	rc = hook_state(create, OCI_STATUS_RUNNING, &json, &len, err);
	if (rc == 0)
		rc = seccomp_notify_send(create->plan->process.seccomp, listener,
					 create->spawn.process.pid, json,
					 create->plan->spec->oci_version, err);
	fd_close(listener);
	return rc;
}

static struct spawn_handlers handlers_of(struct create *create)
{
	return (struct spawn_handlers){
	    .console = create->plan->process.terminal ? on_console : NULL,
	    .hooks = on_hooks,
	    .seccomp = on_seccomp,
	    .ctx = create,
	};
}

/** A dead init whose cgroup counts an out-of-memory kill died of its limit: say so. */
static void explain_oom(const struct create *create, struct wh_error *err)
{
	if (create->spawn.pidfd < 0 && create->cgroup.dir_fd >= 0 &&
	    cgroup_oom_kills(&create->cgroup) > 0)
		wh_error_prefix(err, "OOM-killed, linux.resources.memory.limit is too low");
}

int create_catch_signals(struct create *create, struct wh_error *err)
{
	if (!create->run || create->opts->detach || create->foreground.signal_fd >= 0)
		return 0;
	return foreground_init(&create->foreground, err);
}

/**
 * Where nothing of ours comes between init's being ready and its start, it need not wait to be
 * told: waking two processes costs more than most of what they do.
 */
static int step_start_ahead(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	int rc = create_catch_signals(create, err);

	if (rc < 0)
		return rc;
	sync_send(create->spawn.sock, SYNC_PLAN_COMPLETE,
		  NULL); /* see step_ready() for a failure */
	sync_send(create->spawn.sock, SYNC_START, NULL);
	create->started_ahead = true;
	return 0;
}

static int can_start_ahead(const void *ctx)
{
	const struct create *create = ctx;
	const struct oci_hooks *hooks = create->plan->hooks;

	return create->run && !create->opts->pid_file && !create->opts->pidfd_socket &&
	       !notify_socket_wanted() && hooks->n_prestart + hooks->n_create_runtime == 0;
}

static int step_ready(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	struct spawn_handlers handlers = handlers_of(create);
	int rc;

	/* a failure to send means that init has failed: its message is the cause */
	if (!create->started_ahead)
		sync_send(create->spawn.sock, SYNC_PLAN_COMPLETE, NULL);
	rc = spawn_wait(&create->spawn, SYNC_READY, &handlers, err);
	if (rc < 0)
		explain_oom(create, err);
	return rc;
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

	return pid_file_write(create->opts->pid_file, create->spawn.process.pid, err);
}

static void undo_pid_file(void *ctx)
{
	struct create *create = ctx;

	unlink(create->opts->pid_file);
}

static int needs_pid_file(const void *ctx)
{
	const struct create *create = ctx;

	return create->opts->pid_file != NULL;
}

/** runc's --pidfd-socket: one message with the pidfd and the kind of init. */
static int step_pidfd(void *ctx, struct wh_error *err)
{
	static const char kind[] = "standard";
	struct create *create = ctx;
	int rc = fd_send(create->pidfd_socket_fd, kind, strlen(kind), &create->spawn.pidfd, 1);

	return rc < 0 ? wh_fail(err, -rc, "--pidfd-socket: send the pidfd") : 0;
}

static int needs_pidfd(const void *ctx)
{
	const struct create *create = ctx;

	return create->opts->pidfd_socket != NULL;
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
    {"check options",        step_check,        NULL,               NULL              },
    {"find cgroup mount",    step_cgroup_mount, NULL,               may_need_cgroup   },
    {"load config and plan", step_plan,         undo_plan,          NULL              },
    {"connect sockets",      step_sockets,      NULL,               NULL              },
    {"open namespaces",      step_open_joins,   undo_open_joins,    needs_joins       },
    {"claim state",          step_claim,        undo_claim,         NULL              },
    {"notify socket",        step_notify,       NULL,               needs_notify      },
    {"open sources",         step_open_sources, close_sources,      NULL              },
    {"create cgroup",        step_cgroup,       undo_cgroup,        needs_cgroup      },
    {"start socket",         step_start_socket, close_start_socket, needs_start_socket},
    {"clone init",           step_spawn,        undo_spawn,         NULL              },
    {"copy config",          step_config_copy,  NULL,               NULL              },
    {"attach device rules",  step_devices,      NULL,               needs_cgroup      },
    {"compile seccomp",      step_seccomp,      NULL,               needs_seccomp     },
    {"start ahead",          step_start_ahead,  NULL,               can_start_ahead   },
    {"wait for init",        step_ready,        NULL,               NULL              },
    {"write state",          step_record,       NULL,               NULL              },
    {"pid file",             step_pid_file,     undo_pid_file,      needs_pid_file    },
    {"send pidfd",           step_pidfd,        NULL,               needs_pidfd       },
    {"release init",         step_release,      NULL,               needs_start_socket},
};

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

int create_start(struct create *create, struct wh_error *err)
{
	struct spawn_handlers handlers = handlers_of(create);
	int rc = create->started_ahead ? 0 : sync_send(create->spawn.sock, SYNC_START, err);

	return rc < 0 ? rc : spawn_wait(&create->spawn, SYNC_EOF, &handlers, err);
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
