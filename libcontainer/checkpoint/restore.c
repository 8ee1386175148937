/* SPDX-License-Identifier: Apache-2.0 */
/* restore: a container as create makes it, but for its processes, which come from an image. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/checkpoint/cgroups.h"
#include "libcontainer/checkpoint/checkpoint.h"
#include "libcontainer/checkpoint/criu.h"
#include "libcontainer/checkpoint/criu_setup.h"
#include "libcontainer/checkpoint/external.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/checkpoint/restore_access.h"
#include "libcontainer/checkpoint/restore_label.h"
#include "libcontainer/checkpoint/restore_root.h"
#include "libcontainer/checkpoint/restore_stage.h"
#include "libcontainer/checkpoint/restore_targets.h"
#include "libcontainer/create.h"

#define RESTORE_LOG "restore.log"
#define N_STREAMS   3

struct restore {
	struct create create; /* what it has in common with create */
	const struct restore_options *opts;
	struct arena arena;
	struct criu_files files;
	struct checkpoint_image image;
	struct stage stage;
	struct criu criu;
	struct interrupt interrupt;
	struct criu_options criu_options;
	struct criu_inherit_fd inherit[N_STREAMS + 2];
	int inherit_fds[N_STREAMS + 2];
	size_t n_inherit;
	int terminal;   /* the caller's, for what had another caller's; -EBADF: none */
	bool published; /* record and pid file are there */
	bool resumed;   /* resumed() has agreed: what fails from here on takes nothing away */
	bool killed;    /* but for this: memory that it waits for does not come */
	int watch_fd;   /* see struct restore_options; -EBADF once it was heard */
};

static int step_image(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;
	const enum image_check check =
	    restore->opts->fast_check ? IMAGE_CHECK_FAST : IMAGE_CHECK_ALL;
	int rc = arena_init(&restore->arena, err);

	if (rc == 0)
		rc = criu_files_open(&restore->files, &restore->opts->criu, false, err);
	if (rc == 0)
		rc = checkpoint_image_read(restore->files.image_fd, restore->files.image_path,
					   check, &restore->arena, &restore->image, err);
	if (rc == 0 && restore->opts->checked)
		rc = restore->opts->checked(restore->opts->ctx, restore->files.image_fd, err);
	return rc;
}

static int refuse_image(const struct restore *restore, const char *reason, struct wh_error *err)
{
	return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0, "image '%s' %s",
			    restore->files.image_path, reason);
}

/** What the image says of itself against this host. */
static int step_fits(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;
	const struct checkpoint_image *image = &restore->image;
	struct utsname host;

	uname(&host);
	if (image->pre_dump)
		return refuse_image(restore,
				    "is a pre-dump: it holds memory only, for a later image", err);
	if (!streq(image->machine, host.machine))
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "image '%s' is of a %s machine, this is %s",
				    restore->files.image_path, image->machine, host.machine);
	if (image->callers_terminal && !restore->opts->criu.shell_job)
		return refuse_image(restore,
				    "is of a container with its caller's terminal as a standard "
				    "stream: --shell-job is needed",
				    err);
	if (image->page_size != (uint32_t)sysconf(_SC_PAGESIZE))
		return refuse_image(restore, "is of a kernel with another page size", err);
	if (image->lazy_pages && !restore->opts->criu.lazy_pages)
		return refuse_image(restore,
				    "left memory with its checkpoint's page server: --lazy-pages "
				    "is needed, and 'criu lazy-pages'",
				    err);
	return 0;
}

static int step_prepare(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;
	const struct create *create = &restore->create;
	int rc = create_prepare(&restore->create, err);

	if (rc < 0 || restore->opts->criu.cgroups != CHECKPOINT_CGROUPS_STRICT ||
	    create->cgroup.dir_fd < 0 || create->cgroup.created)
		return rc;
	rc = wh_fail(err, EEXIST, "--manage-cgroups-mode strict: cgroup '%s'",
		     create->plan->cgroup.path);
	create_unprepare(&restore->create);
	return rc;
}

static void undo_prepare(void *ctx)
{
	struct restore *restore = ctx;

	create_unprepare(&restore->create);
}

/** With --shell-job what had its caller's terminal gets the one of ours. */
static int find_terminal(struct restore *restore, struct wh_error *err)
{
	if (!restore->opts->criu.shell_job || restore->create.plan->process.terminal)
		return 0;
	for (int fd = 0; fd < N_STREAMS && restore->terminal < 0; fd++) {
		if (!isatty(fd))
			continue;
		restore->terminal = fcntl(fd, F_DUPFD_CLOEXEC, N_STREAMS);
		if (restore->terminal < 0)
			return wh_fail(err, errno, "pass the terminal on to CRIU");
	}
	if (restore->terminal >= 0 || !restore->image.callers_terminal)
		return 0;
	return wh_fail_kind(err, WH_ERROR_USAGE, 0,
			    "--shell-job: the saved container had its caller's terminal, and none "
			    "of standard input, output and error is one");
}

static int check_plan(const struct restore *restore, struct wh_error *err)
{
	const struct container_plan *plan = restore->create.plan;

	if (plan->rootfs.no_mount_namespace)
		return wh_fail_kind(
		    err, WH_ERROR_UNSUPPORTED, 0,
		    "a container without a mount namespace of its own cannot be restored");
	if (plan->fds.rootfs.path_only)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, EPERM,
				    "restore a container: root is needed");
	if (restore->image.terminal != plan->process.terminal)
		return wh_fail_kind(
		    err, WH_ERROR_CONFIG, 0,
		    "process.terminal is %s, but the saved container had %s terminal",
		    plan->process.terminal ? "true" : "false",
		    restore->image.terminal ? "a" : "no");
	return 0;
}

static int let_root_pass(const struct restore *restore, struct wh_error *err)
{
	const struct ns_plan *ns = &restore->create.plan->ns;
	gid_t gid = restore_gid_of_root(ns->gid_mappings, ns->n_gid_mappings);

	if (!ns_plan_is_new(ns, CLONE_NEWUSER) || gid == (gid_t)-1)
		return 0;
	/* to pass, not to list */
	return restore_let_group(restore->files.image_fd, gid, S_IXGRP, restore->files.image_path,
				 err);
}

static int step_stage(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;
	struct stage *stage = &restore->stage;
	int rc = check_plan(restore, err);

	if (rc == 0)
		rc = find_terminal(restore, err);
	if (rc == 0)
		rc = let_root_pass(restore, err);
	if (rc == 0)
		rc = restore_targets_make(restore->create.plan, err);
	if (rc == 0)
		rc = stage_choose_place(stage, restore->opts->criu.criu, err);
	if (rc < 0)
		return rc;
	stage->plan = restore->create.plan;
	stage->cgroup_mount_fd = restore->create.cgroup_mount_fd;
	stage->cgroup_path = restore->create.plan->cgroup.path;
	return 0;
}

static int inherit(struct restore *restore, const char *key, int fd, struct wh_error *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return wh_fail(err, errno, "pass fd %d on to the container", fd);
	restore->inherit_fds[restore->n_inherit] = copy;
	restore->inherit[restore->n_inherit++] = (struct criu_inherit_fd){.key = key, .fd = copy};
	return 0;
}

/** A stream that led out of the container leads to the caller's now; two that were one stay one. */
static int inherit_streams(struct restore *restore, struct wh_error *err)
{
	const struct checkpoint_image *image = &restore->image;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < image->n_stdio && i < N_STREAMS; i++) {
		bool known = !checkpoint_stream_is_inherited(image->stdio[i]);

		for (size_t j = 0; j < i; j++)
			known = known || streq(image->stdio[i], image->stdio[j]);
		if (!known)
			rc = inherit(restore, image->stdio[i], (int)i, err);
	}
	return rc;
}

/** How CRIU is given a namespace to join: an fd under a name, or a file. */
static const struct {
	int type;
	const char *key;
	const char *name;
} joinable[] = {
    {CLONE_NEWNET,  CHECKPOINT_NETWORK_KEY, NULL  },
    {CLONE_NEWPID,  CHECKPOINT_PID_KEY,     NULL  },
    {CLONE_NEWIPC,  NULL,                   "ipc" },
    {CLONE_NEWUTS,  NULL,                   "uts" },
    {CLONE_NEWTIME, NULL,                   "time"},
    {CLONE_NEWUSER, NULL,                   "user"},
};

static int join_one(struct restore *restore, size_t index, struct criu_join_ns *list, size_t *count,
		    struct wh_error *err)
{
	const struct container_plan *plan = restore->create.plan;
	const struct ns_join *join = &plan->ns.joins[index];

	for (size_t i = 0; i < ARRAY_LEN(joinable); i++) {
		if (joinable[i].type != join->type)
			continue;
		if (joinable[i].key)
			return inherit(restore, joinable[i].key, plan->fds.joins[index], err);
		list[(*count)++] =
		    (struct criu_join_ns){.type = joinable[i].name, .file = join->path};
		return 0;
	}
	return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
			    "linux.namespaces: '%s' cannot be joined by what is restored",
			    join->path);
}

static int join_namespaces(struct restore *restore, struct wh_error *err)
{
	const struct ns_plan *ns = &restore->create.plan->ns;
	struct criu_join_ns *list =
	    arena_array(&restore->arena, struct criu_join_ns, ns->n_joins + 1);
	size_t count = 0;
	int rc = 0;

	if (!list)
		return wh_oom(err);
	for (size_t i = 0; rc == 0 && i < ns->n_joins; i++)
		rc = join_one(restore, i, list, &count, err);
	restore->criu_options.join_ns = list;
	restore->criu_options.n_join_ns = count;
	return rc;
}

static int step_options(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;
	struct criu_options *to = &restore->criu_options;
	int rc;

	rc = criu_options_common(&restore->opts->criu, &restore->files, restore->create.plan->spec,
				 to, err);
	if (rc < 0)
		return rc;
	to->log_file = RESTORE_LOG;
	to->root = arena_printf(&restore->arena, "%s/root", restore->stage.path);
	to->notify_scripts = true;
	to->rst_sibling = true;
	/* where CRIU may make a new terminal it takes none over */
	if (restore->terminal >= 0)
		to->orphan_pts_master = false;
	restore->stage.new_cgroup_namespace = restore->create.plan->ns.new_cgroup;
	if (!to->root)
		return wh_oom(err);
	rc = stage_mounts_name(&restore->stage, &restore->image, &restore->arena,
			       (const char ***)(uintptr_t)&to->external, &to->n_external, err);
	if (rc == 0)
		rc = inherit_streams(restore, err);
	if (rc == 0)
		rc = join_namespaces(restore, err);
	to->inherit_fds = restore->inherit;
	to->n_inherit_fds = restore->n_inherit;
	return rc;
}

static void close_inherited(void *ctx)
{
	struct restore *restore = ctx;

	while (restore->n_inherit > 0)
		fd_close(restore->inherit_fds[--restore->n_inherit]);
}

/** A unit of systemd's needs a process to begin with: CRIU is the first in it, and waits. */
static int on_born(void *ctx, pid_t pid, struct wh_error *err)
{
	struct restore *restore = ctx;
	struct create *create = &restore->create;
	int rc;

	create->spawn.process.pid = pid;
	rc = create_start_unit(create, err);
	create->spawn.process.pid = 0;
	return rc;
}

static int prepare_criu(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;

	return stage_enter(&restore->stage, err);
}

/** What waits for memory waits in vain. Once it may run, none of it must see zeros instead: CRIU's process is among it. */
static void stop_waiting(struct restore *restore)
{
	if (!restore->published) {
		restore->opts->watched(restore->opts->ctx);
		return;
	}
	restore->killed = true;
	(void)cgroup_kill(&restore->create.cgroup, NULL);
}

/** Until CRIU says something the watched fd is heard as well. */
static int attend(void *ctx, int sock, struct wh_error *err)
{
	struct restore *restore = ctx;
	struct pollfd fds[] = {
	    {.fd = sock, .events = POLLIN},
            {.events = POLLIN         }
        };

	do {
		fds[1].fd = restore->watch_fd;
		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return wh_fail(err, errno, "wait for CRIU");
		if (fds[0].revents == 0 && fds[1].revents) {
			restore->watch_fd = -EBADF;
			stop_waiting(restore);
		}
	} while (fds[0].revents == 0);
	return 0;
}

/** CRIU is born in the container's cgroup, and so is what it restores. */
static int start_criu(struct restore *restore, int gate, struct wh_error *err)
{
	const struct criu_start start = {
	    .program = restore->opts->criu.criu,
	    .cgroup_fd = restore->create.cgroup.dir_fd,
	    .dies_with_us = !restore->opts->outlives_us,
	    .inherit = restore->inherit_fds,
	    .n_inherit = restore->n_inherit,
	    .terminal = restore->terminal,
	    .born = gate >= 0 ? on_born : NULL,
	    .gate = gate,
	    .prepare = prepare_criu,
	    .ctx = restore,
	};

	return criu_start(&restore->criu, &start, &restore->arena, err);
}

static int step_criu(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;
	int gates[2] = {-EBADF, -EBADF};
	int rc = 0;

	if (restore->create.plan->cgroup.unit) {
		rc = sync_pair(gates, err);
		restore->create.spawn.sock = gates[0];
	}
	if (rc == 0)
		rc = start_criu(restore, gates[1], err);
	fd_close(gates[1]);
	if (rc < 0)
		return rc;
	if (restore->opts->watch_fd > 0) {
		restore->watch_fd = restore->opts->watch_fd;
		restore->criu.attend = attend;
		restore->criu.attend_ctx = restore;
	}
	if (restore->image.criu_version / 100 > restore->criu.version / 100)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "image '%s' was saved by CRIU %u.%u, here is %u.%u: install "
				    "that version or a newer one",
				    restore->files.image_path, restore->image.criu_version / 10000,
				    restore->image.criu_version / 100 % 100,
				    restore->criu.version / 10000,
				    restore->criu.version / 100 % 100);
	return 0;
}

static void undo_criu(void *ctx)
{
	struct restore *restore = ctx;

	criu_done(&restore->criu);
}

static int call(struct restore *restore, enum criu_request_type type, criu_notify_fn notify,
		const char *what, struct wh_error *err)
{
	const struct criu_request request = {.type = type, .options = &restore->criu_options};
	struct criu_response response;
	int rc = criu_call(&restore->criu, &request, notify, restore, &response, err);

	if (rc == 0 || wh_error_set(err))
		return rc;
	return criu_failed(&response, what, restore->files.work_fd, restore->files.work_path,
			   restore->criu_options.log_file, err);
}

static int step_cpuinfo(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;

	return criu_cpuinfo(&restore->criu, CRIU_CPUINFO_CHECK, &restore->files, err);
}

static int needs_cpuinfo(const void *ctx)
{
	const struct restore *restore = ctx;

	return !restore->opts->criu.skip_cpu_check;
}

/** The namespaces are there, with the container's first process in them, and nothing runs in it. */
static int on_namespaces(struct restore *restore, pid_t pid, struct wh_error *err)
{
	restore->create.spawn.process.pid = pid;
	return create_run_hooks(&restore->create, err);
}

/** CRIU has opened an inherited file anew: what is written goes on at its end. */
static void settle_streams(const struct restore *restore)
{
	for (size_t i = 0; i < restore->image.n_stdio && i < N_STREAMS; i++) {
		auto_fd fd = -EBADF;

		if (!str_after(restore->image.stdio[i], "file["))
			continue;
		fd = sys_pidfd_getfd(restore->create.spawn.pidfd, (int)i, 0);
		if (fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
			lseek(fd, 0, SEEK_END);
	}
}

static int restore_cgroups(struct restore *restore, pid_t pid, struct wh_error *err)
{
	const struct cgroups_restore cgroups = {
	    .mode = restore->opts->criu.cgroups,
	    .cgroup = &restore->create.cgroup,
	    .mount_fd = restore->create.cgroup_mount_fd,
	    .init = pid,
	    .criu = restore->criu.pid,
	    .arena = &restore->arena,
	};

	return checkpoint_cgroups_restore(&cgroups, &restore->image, err);
}

/** Everything is restored and stands still. */
static int on_restored(struct restore *restore, pid_t pid, struct wh_error *err)
{
	struct create *create = &restore->create;
	int rc;

	create->spawn.process.pid = pid;
	create->spawn.pidfd = sys_pidfd_open(pid, 0);
	if (create->spawn.pidfd < 0)
		return wh_fail(err, -create->spawn.pidfd, "open the restored process %d", pid);
	settle_streams(restore);
	rc = restore_check_label(pid, create->plan->process.selinux_label, err);
	if (rc == 0 && create->plan->rootfs.readonly)
		rc = restore_root_readonly(pid, err);
	if (rc == 0)
		rc = restore_cgroups(restore, pid, err);
	if (rc == 0)
		rc = create_publish(create, err);
	if (rc < 0)
		return rc;
	restore->published = true;
	return restore->opts->restored ? restore->opts->restored(restore->opts->ctx, pid, err) : 0;
}

static int on_resumed(struct restore *restore, pid_t pid, struct wh_error *err)
{
	int rc = restore->opts->resumed(restore->opts->ctx, pid, err);

	restore->resumed = rc == 0;
	return rc;
}

/** The container runs, and somebody has been told so: a warning is all that the failure can be. Returns 0, or @rc. */
static int keep_resumed(const struct restore *restore, int rc, struct wh_error *err)
{
	if (rc == 0 || !restore->resumed || restore->killed)
		return rc;
	log_warning("%s", err->message);
	*err = WH_ERROR_INIT;
	return 0;
}

static int on_notify(void *ctx, const char *script, pid_t pid, int fd, struct wh_error *err)
{
	struct restore *restore = ctx;

	if (streq(script, "orphan-pts-master") && fd >= 0)
		return handover_console(&restore->create.handover, fd, err);
	fd_close(fd);
	if (streq(script, "setup-namespaces"))
		return on_namespaces(restore, pid, err);
	if (streq(script, "post-restore"))
		return on_restored(restore, pid, err);
	if (streq(script, "post-resume") && restore->opts->resumed)
		return on_resumed(restore, pid, err);
	return 0;
}

static int step_restore(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;
	char what[CONTAINER_ID_MAX + 32];
	int rc;

	snprintf(what, sizeof(what), "restore container '%s'", restore->opts->create.id);
	if (restore->opts->interruptible) {
		rc = interrupt_begin(&restore->interrupt, err);
		if (rc < 0)
			return rc;
		restore->criu.interrupt_fd = restore->interrupt.fd;
	}
	rc = keep_resumed(restore, call(restore, CRIU_RESTORE, on_notify, what, err), err);
	interrupt_end(&restore->interrupt);
	/* CRIU may have been done when the processes were killed; if not, what it says comes of that */
	if (restore->killed) {
		if (err)
			*err = WH_ERROR_INIT;
		rc = wh_fail(err, ECANCELED, "%s: memory that it waits for does not come", what);
	}
	if (rc == 0 && !restore->published)
		rc = wh_fail(err, EPROTO, "CRIU did not say when it had restored container '%s'",
			     restore->opts->create.id);
	if (rc < 0 && restore->published)
		create_unpublish(&restore->create);
	return rc;
}

static void undo_restore(void *ctx)
{
	struct restore *restore = ctx;

	create_unpublish(&restore->create);
}

static int step_poststart(void *ctx, struct wh_error *err)
{
	struct restore *restore = ctx;

	return keep_resumed(restore, create_run_poststart(&restore->create, err), err);
}

static const struct step restore_steps[] = {
    {"check image",     step_image,     NULL,            NULL         },
    {"compare hosts",   step_fits,      NULL,            NULL         },
    {"prepare",         step_prepare,   undo_prepare,    NULL         },
    {"set the stage",   step_stage,     NULL,            NULL         },
    {"set options",     step_options,   close_inherited, NULL         },
    {"start CRIU",      step_criu,      undo_criu,       NULL         },
    {"cpu info",        step_cpuinfo,   NULL,            needs_cpuinfo},
    {"restore",         step_restore,   undo_restore,    NULL         },
    {"poststart hooks", step_poststart, NULL,            NULL         },
};

static int run_steps(struct restore *restore, int *ret_status, struct wh_error *err)
{
	struct create *create = &restore->create;
	const bool attended = !create->opts->detach;
	int rc = 0;

	if (attended && !create->opts->no_subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	rc = steps_run(restore_steps, ARRAY_LEN(restore_steps), restore, err);
	if (rc < 0) {
		criu_done(&restore->criu);
		return rc;
	}
	undo_criu(restore);
	close_inherited(restore);
	if (!attended)
		return 0;
	rc = create_catch_signals(create, err);
	return rc < 0 ? rc : create_attend(create, ret_status, err);
}

int container_restore(const struct runtime *rt, const struct restore_options *opts, int *ret_status,
		      struct wh_error *err)
{
	struct restore restore = {
	    .opts = opts,
	    .arena = {.fd = -EBADF},
	    .files = CRIU_FILES_NONE,
	    .stage = STAGE_NONE,
	    .criu = CRIU_NONE,
	    .interrupt = INTERRUPT_NONE,
	    .terminal = -EBADF,
	};
	int rc;

	*ret_status = 0;
	create_init(&restore.create, rt, &opts->create, true);
	rc = run_steps(&restore, ret_status, err);
	criu_files_close(&restore.files);
	fd_close(restore.terminal);
	create_done(&restore.create);
	arena_done(&restore.arena);
	return rc;
}
