/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint: a table of steps from a running container to an image of it. */
#include "libcontainer/checkpoint/checkpoint.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/process.h"
#include "base/procfs_status.h"
#include "base/step.h"
#include "base/str.h"
#include "base/timestamp.h"
#include "cgroups/cgroup_tree.h"
#include "cgroups/systemd_manager.h"
#include "libcontainer/access.h"
#include "libcontainer/checkpoint/cgroups.h"
#include "libcontainer/checkpoint/criu.h"
#include "libcontainer/checkpoint/criu_setup.h"
#include "libcontainer/checkpoint/dump_guard.h"
#include "libcontainer/checkpoint/external.h"
#include "libcontainer/checkpoint/mounts.h"
#include "libcontainer/destroy.h"
#include "oci-spec/json_writer.h"

#define DUMP_LOG "dump.log"

/** How long a container that was paused may take to be so again. */
#define FREEZE_AGAIN_MS 2000

struct checkpoint {
	const struct runtime *rt;
	const struct checkpoint_options *opts;
	struct access access;
	bool was_paused;
	struct criu_files files;
	struct criu criu;
	struct interrupt interrupt;
	struct dump_guard guard;
	struct rootfs_plan rootfs;
	struct external_mounts external;
	struct checkpoint_image image;
	struct criu_options criu_options;
	char created[TIMESTAMP_SIZE];
	struct utsname host;
	bool asked;     /* of complete(), which decides from there on what stands still */
	bool completed; /* the image was declared complete */
};

static int step_open(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;
	int rc = access_open(&cp->access, cp->rt, cp->opts->id, STATE_LOCKED, err);

	if (rc < 0)
		return rc;
	/* to remove its unit; before anything is done that cannot be done twice: see twin_require() */
	if (cp->access.record.unit)
		rc = systemd_load(err);
	if (rc < 0)
		return rc;
	switch (access_refine_status(&cp->access)) {
	case OCI_STATUS_RUNNING:
		break;
	case OCI_STATUS_PAUSED:
		cp->was_paused = true;
		break;
	case OCI_STATUS_CREATED:
	case OCI_STATUS_CREATING:
	case OCI_STATUS_STOPPED:
	case OCI_STATUS_UNKNOWN:
		return wh_fail_kind(err, WH_ERROR_STATE, 0,
				    "container not running: '%s' is %s, and only what runs can be "
				    "saved",
				    cp->opts->id, oci_status_name(cp->access.status));
	}
	return access_spec(&cp->access, err);
}

static int step_files(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;
	int rc = criu_files_open(&cp->files, &cp->opts->criu, true, err);

	return rc < 0 ? rc : checkpoint_image_invalidate(cp->files.image_fd, err);
}

/** @ctx: the sum, in bytes. */
static int add_own_memory(void *ctx, const struct access_processes *all, pid_t pid,
			  struct wh_error *err)
{
	uint64_t *total = ctx;
	char status[PROCFS_STATUS_SIZE];

	/* one that has ended has no memory */
	(void)procfs_status_read(all->proc, pid, status);
	*total += procfs_status_memory(status);
	return 0;
}

/** Memory that only the processes have, in bytes: it is most of what will be written. */
static uint64_t own_memory(struct checkpoint *cp)
{
	uint64_t total = 0;

	/* without them it is found out later */
	(void)access_each_process(&cp->access, add_own_memory, &total, NULL);
	return total;
}

/** An image that does not fit is found out before the container stands still. */
static int step_space(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;
	struct statvfs fs;
	uint64_t needed = own_memory(cp);
	uint64_t available;

	if (fstatvfs(cp->files.image_fd, &fs) < 0)
		return wh_fail(err, errno, "look at the space for image '%s'",
			       cp->files.image_path);
	available = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (needed <= available)
		return 0;
	return wh_fail(err, ENOSPC,
		       "image '%s' would need about %llu MiB for memory, and its file system has "
		       "%llu left",
		       cp->files.image_path, (unsigned long long)(needed >> 20),
		       (unsigned long long)(available >> 20));
}

/** Memory that is sent away, stays where it is, or has only changed, is another matter. */
static int needs_space(const void *ctx)
{
	const struct checkpoint *cp = ctx;

	return !cp->opts->page_server && cp->opts->page_server_fd <= 0 && !cp->opts->parent_path &&
	       !cp->opts->criu.lazy_pages;
}

static int find_external(struct checkpoint *cp, struct wh_error *err)
{
	struct arena *arena = &cp->access.arena;
	struct mountinfo *host = NULL, *own = NULL;
	struct host_source *sources = NULL;
	size_t n_host = 0, n_own = 0, n_sources = 0;
	auto_fd cgroup = -EBADF;
	int rc;

	rc = mountinfo_read(0, arena, &host, &n_host, err);
	if (rc == 0)
		rc = mountinfo_read(cp->access.record.init.pid, arena, &own, &n_own, err);
	if (rc < 0)
		return rc;
	if (access_open_cgroup(&cp->access, NULL) == 0)
		cgroup = dup(cp->access.cgroup.dir_fd);
	rc = host_sources_find(&cp->rootfs, cgroup, host, n_host, arena, &sources, &n_sources, err);
	if (rc == 0)
		rc = external_mounts_match(own, n_own, sources, n_sources, arena, &cp->external,
					   err);
	if (rc == 0)
		rc = checkpoint_streams_find(cp->access.record.init.pid, own, n_own, arena,
					     &cp->image, err);
	return rc;
}

/** A restore mounts what the configuration says, and `mounts remove` would not know the copy. */
static int refuse_late_mounts(struct checkpoint *cp, struct wh_error *err)
{
	const char *destination;
	int rc = access_late_mount(&cp->access, &destination, err);

	if (rc < 0 || !destination)
		return rc;
	return wh_fail_kind(
	    err, WH_ERROR_UNSUPPORTED, 0,
	    "'%s' was mounted by mounts add, and a restore would not make it: take it "
	    "away first (mounts remove)",
	    destination);
}

/** CRIU would say that it knows no such mount. A pre-dump holds no open files. */
static int check_terminal(const struct checkpoint *cp, struct wh_error *err)
{
	if (!cp->image.callers_terminal || cp->opts->criu.shell_job || cp->opts->pre_dump)
		return 0;
	return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
			    "a standard stream of container '%s' is its caller's terminal: "
			    "--shell-job is needed, here and to restore it",
			    cp->opts->id);
}

/** What the image names instead of holding, and how the container was made to begin with. */
static int step_plan(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;
	struct problems problems;
	int rc;

	problems_init(&problems, &cp->access.arena);
	rc = rootfs_plan_build(cp->access.spec, cp->access.record.bundle, false, &cp->access.arena,
			       &problems, &cp->rootfs, err);
	if (rc == 0 && cp->rootfs.no_mount_namespace)
		rc = wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				  "a container without a mount namespace cannot be saved");
	if (rc == 0)
		rc = refuse_late_mounts(cp, err);
	if (rc == 0)
		rc = find_external(cp, err);
	return rc < 0 ? rc : check_terminal(cp, err);
}

static bool leaves_cgroups_out(const struct checkpoint *cp)
{
	return cp->opts->criu.cgroups == CHECKPOINT_CGROUPS_IGNORE;
}

/**
 * What could not be restored is found out while nothing was touched, and what would keep CRIU waiting for ever: somebody in a
 * frozen cgroup. What becomes so later is read_cgroups()'.
 */
static int step_cgroups(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;
	const char *unkept = NULL;
	int rc = access_open_cgroup(&cp->access, NULL) < 0
		     ? 0
		     : cgroup_tree_look(&cp->access.cgroup, leaves_cgroups_out(cp),
					&cp->access.arena, &unkept, err);

	return unkept ? wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0, "%s", unkept) : rc;
}

/** One end of a connection whose other end is closed: a page server there ends as soon as it begins. */
static int make_closed_socket(struct wh_error *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return wh_fail(err, errno, "make a socket pair");
	fd_close(ends[1]);
	return ends[0];
}

static int step_criu(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;
	struct criu_start start = {
	    .program = cp->opts->criu.criu,
	    .cgroup_fd = -EBADF,
	    .saves = true,
	    .inherit = &cp->opts->page_server_fd,
	    .n_inherit = cp->opts->page_server_fd > 0,
	};
	auto_fd closed = -EBADF;

	if (cp->opts->serves_memory) {
		closed = make_closed_socket(err);
		if (closed < 0)
			return closed;
		start.page_socket = closed;
	}
	return criu_start(&cp->criu, &start, &cp->access.arena, err);
}

/** The path of the container's cgroup, by which CRIU stops everything in it at once. */
static const char *freezer_of(struct checkpoint *cp)
{
	char path[PATH_MAX];

	if (access_open_cgroup(&cp->access, NULL) < 0 ||
	    fd_path(cp->access.cgroup.dir_fd, path, sizeof(path)) < 0)
		return NULL;
	return arena_strdup(&cp->access.arena, path);
}

static int external_strings(struct checkpoint *cp, struct wh_error *err)
{
	struct arena *arena = &cp->access.arena;
	const struct external_mounts *external = &cp->external;
	const char **list =
	    arena_array(arena, const char *, external->count + cp->image.n_stdio + 3);
	size_t n = 0;
	int rc;

	if (!list)
		return wh_oom(err);
	for (size_t i = 0; i < external->count; i++) {
		list[n] = arena_printf(arena, "mnt[%s]:%s", external->mountpoints[i],
				       external->mounts[i].key);
		if (!list[n++])
			return wh_oom(err);
	}
	for (size_t i = 0; i < cp->image.n_stdio; i++) {
		if (str_after(cp->image.stdio[i], "file["))
			list[n++] = cp->image.stdio[i];
	}
	rc = checkpoint_namespaces_name(cp->access.spec, cp->access.record.init.pid, arena, list,
					&n, err);
	cp->criu_options.external = list;
	cp->criu_options.n_external = n;
	return rc;
}

static int parse_page_server(struct checkpoint *cp, struct wh_error *err)
{
	struct criu_page_server *server = &cp->criu_options.page_server;
	const char *text = cp->opts->page_server;
	const char *colon = text ? strrchr(text, ':') : NULL;
	uint64_t port;

	server->fd = cp->opts->page_server_fd;
	if (!text)
		return 0;
	if (!colon || colon == text || str_parse_u64(colon + 1, UINT16_MAX, &port) < 0 || port == 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--page-server '%s': ADDRESS:PORT is needed", text);
	server->address = arena_strndup(&cp->access.arena, text, (size_t)(colon - text));
	server->port = (int)port;
	return server->address ? 0 : wh_oom(err);
}

static int step_options(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;
	const struct checkpoint_options *opts = cp->opts;
	struct criu_options *to = &cp->criu_options;
	int rc;

	rc = criu_options_common(&opts->criu, &cp->files, cp->access.spec, to, err);
	if (rc < 0)
		return rc;
	to->log_file = DUMP_LOG;
	to->pid = cp->access.record.init.pid;
	to->root = cp->access.record.rootfs;
	to->leave_running = opts->leave_running;
	to->tcp_skip_in_flight = opts->tcp_skip_in_flight;
	to->parent_img = opts->parent_path;
	to->track_mem = opts->pre_dump || opts->parent_path;
	to->status_fd = opts->status_fd;
	to->freeze_cgroup = freezer_of(cp);
	rc = external_strings(cp, err);
	return rc < 0 ? rc : parse_page_server(cp, err);
}

/** While all stands still, and the container has its cgroup. */
static int read_cgroups(struct checkpoint *cp, struct wh_error *err)
{
	if (cp->opts->pre_dump || leaves_cgroups_out(cp) ||
	    access_open_cgroup(&cp->access, NULL) < 0)
		return 0;
	return checkpoint_cgroups_read(&cp->access.cgroup, cp->access.record.init.pid,
				       &cp->access.arena, &cp->image, err);
}

static int write_descriptors(struct checkpoint *cp, struct wh_error *err)
{
	struct json_writer writer;
	const char *json;
	size_t len;
	int rc;

	json_writer_init(&writer, NULL);
	json_write_array_begin(&writer);
	for (size_t i = 0; i < cp->image.n_stdio; i++)
		json_write_string(&writer, cp->image.stdio[i]);
	json_write_array_end(&writer);
	rc = json_writer_finish(&writer, &cp->access.arena, &json, &len, err);
	return rc < 0
		   ? rc
		   : file_replace(cp->files.image_fd, IMAGE_DESCRIPTORS_FILE, json, len, 0600, err);
}

static int write_image(struct checkpoint *cp, struct wh_error *err)
{
	struct checkpoint_image *image = &cp->image;
	int rc;

	timestamp_now(cp->created);
	uname(&cp->host);
	image->format = IMAGE_FORMAT;
	image->id = cp->opts->id;
	image->created = cp->created;
	image->machine = cp->host.machine;
	image->kernel = cp->host.release;
	image->criu_version = cp->criu.version;
	image->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	image->pre_dump = cp->opts->pre_dump;
	image->lazy_pages = cp->opts->criu.lazy_pages;
	image->pages_elsewhere = cp->opts->page_server || cp->opts->page_server_fd > 0;
	image->terminal = cp->access.spec->process && cp->access.spec->process->terminal;
	image->mounts = cp->external.mounts;
	image->n_mounts = cp->external.count;
	rc = write_descriptors(cp, err);
	if (rc == 0)
		rc = read_cgroups(cp, err);
	if (rc == 0)
		rc = checkpoint_image_adapt_mounts(cp->files.image_fd, &cp->access.arena, err);
	if (rc == 0 && !image->pre_dump)
		rc = checkpoint_image_adapt_streams(cp->files.image_fd, image, &cp->access.arena,
						    err);
	if (rc == 0)
		rc = checkpoint_image_write(cp->files.image_fd, image,
					    cp->opts->fast_check ? IMAGE_CHECK_FAST
								 : IMAGE_CHECK_ALL,
					    &cp->access.arena, err);
	return rc;
}

/** What is to end the caller ends the checkpoint, as long as it is not complete. */
static int check_signals(const struct checkpoint *cp, struct wh_error *err)
{
	int sig = cp->interrupt.fd < 0 ? 0 : interrupt_take(cp->interrupt.fd);

	return sig ? wh_fail(err, 0, "interrupted by signal %d", sig) : 0;
}

/** The image is all that there will be of the container. */
static int make_durable(struct checkpoint *cp, struct wh_error *err)
{
	int rc = cp->opts->durable
		     ? checkpoint_image_sync(cp->files.image_fd, cp->files.image_path, err)
		     : 0;

	return rc < 0 ? rc : check_signals(cp, err);
}

/**
 * CRIU knows that the image is complete. To give memory away takes as long as somebody wants it, and goes on without us:
 * who has restored the image runs by then.
 */
static void settle(struct checkpoint *cp)
{
	cp->criu.settled = true;
	if (!cp->opts->criu.lazy_pages) {
		dump_guard_settle(&cp->guard);
		return;
	}
	dump_guard_end(&cp->guard);
	cp->criu.interrupt_fd = -EBADF;
	interrupt_end(&cp->interrupt);
}

/**
 * After CRIU has written all, the processes still stand still with their connections held: what fails
 * here lets them go on.
 */
static int on_notify(void *ctx, const char *script, pid_t pid, int fd, struct wh_error *err)
{
	struct checkpoint *cp = ctx;
	int rc;

	fd_close(fd);
	if (streq(script, "pre-dump") && cp->opts->freezing)
		return cp->opts->freezing(cp->opts->ctx, err);
	if (!streq(script, "post-dump"))
		return 0;
	rc = write_image(cp, err);
	if (rc == 0)
		rc = make_durable(cp, err);
	cp->asked = rc == 0;
	if (rc == 0 && cp->opts->complete)
		rc = cp->opts->complete(cp->opts->ctx, err);
	if (rc < 0)
		checkpoint_image_invalidate(cp->files.image_fd, NULL);
	cp->completed = rc == 0;
	if (cp->completed)
		settle(cp);
	return rc;
}

static int call(struct checkpoint *cp, enum criu_request_type type, criu_notify_fn notify,
		const char *what, struct wh_error *err)
{
	const struct criu_request request = {
	    .type = type, .options = &cp->criu_options, .keep_open = type == CRIU_CPUINFO_DUMP};
	struct criu_response response;
	int rc = criu_call(&cp->criu, &request, notify, cp, &response, err);

	if (rc == 0 || wh_error_set(err))
		return rc;
	return criu_failed(&response, what, cp->files.work_fd, cp->files.work_path,
			   cp->criu_options.log_file, err);
}

static int step_cpuinfo(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;

	return criu_cpuinfo(&cp->criu, CRIU_CPUINFO_DUMP, &cp->files, err);
}

static int needs_cpuinfo(const void *ctx)
{
	const struct checkpoint *cp = ctx;

	return !cp->opts->pre_dump && !cp->opts->criu.skip_cpu_check;
}

/** What CRIU saves is let go whatever becomes of CRIU, or of us. */
static int guard(struct checkpoint *cp, struct wh_error *err)
{
	int cgroup = cp->criu_options.freeze_cgroup ? cp->access.cgroup.dir_fd : -EBADF;
	int rc;

	if (!cp->opts->interruptible)
		return 0;
	rc = interrupt_begin(&cp->interrupt, err);
	if (rc == 0)
		rc = dump_guard_start(&cp->guard, &cp->criu, cgroup, cp->was_paused, err);
	if (rc == 0)
		cp->criu.interrupt_fd = cp->interrupt.fd;
	return rc;
}

/** CRIU knew that the image is complete, and failed at the rest: what counts is whether there is a container besides. */
static bool has_ended(const struct checkpoint *cp)
{
	auto_fd init = -EBADF;

	if (!cp->completed || !cp->opts->interruptible || cp->opts->leave_running)
		return false;
	init = process_open(&cp->access.record.init);
	return init == -ESRCH;
}

static int dump(struct checkpoint *cp, const char *what, struct wh_error *err)
{
	int rc;

	if (cp->opts->pre_dump) {
		rc = call(cp, CRIU_PRE_DUMP, NULL, what, err);
		return rc < 0 ? rc : write_image(cp, err);
	}
	cp->criu_options.notify_scripts = true;
	cp->criu.attend = cp->opts->attend;
	cp->criu.attend_ctx = cp->opts->ctx;
	rc = call(cp, CRIU_DUMP, on_notify, what, err);
	if (rc < 0 && has_ended(cp)) {
		log_warning("%s", err->message);
		*err = WH_ERROR_INIT;
		return 0;
	}
	if (rc < 0)
		checkpoint_image_invalidate(cp->files.image_fd, NULL);
	return rc;
}

static int step_dump(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;
	char what[CONTAINER_ID_MAX + 64];
	int rc;

	snprintf(what, sizeof(what), "save container '%s', which runs on", cp->opts->id);
	rc = guard(cp, err);
	if (rc == 0)
		rc = dump(cp, what, err);
	dump_guard_end(&cp->guard);
	/*
	 * One that was killed while it had frozen the container, or had let go of what was paused. Whoever was asked may
	 * have a reason of its own to hold it.
	 */
	if (rc < 0 && (!cp->asked || cp->opts->interruptible) && cp->criu_options.freeze_cgroup)
		(void)cgroup_set_frozen(&cp->access.cgroup, cp->was_paused, FREEZE_AGAIN_MS, NULL);
	return rc;
}

/** CRIU has ended the processes, as the last thing it did. */
static int step_delete(void *ctx, struct wh_error *err)
{
	struct checkpoint *cp = ctx;

	return container_destroy(&cp->access, true, err);
}

static int needs_delete(const void *ctx)
{
	const struct checkpoint *cp = ctx;

	return !cp->opts->pre_dump && !cp->opts->leave_running;
}

static const struct step checkpoint_steps[] = {
    {"open container",   step_open,    NULL, NULL         },
    {"check cgroups",    step_cgroups, NULL, NULL         },
    {"open image",       step_files,   NULL, NULL         },
    {"check space",      step_space,   NULL, needs_space  },
    {"plan",	     step_plan,    NULL, NULL         },
    {"start CRIU",       step_criu,    NULL, NULL         },
    {"set options",      step_options, NULL, NULL         },
    {"cpu info",         step_cpuinfo, NULL, needs_cpuinfo},
    {"dump",	     step_dump,    NULL, NULL         },
    {"delete container", step_delete,  NULL, needs_delete },
};

int container_checkpoint(const struct runtime *rt, const struct checkpoint_options *opts,
			 struct wh_error *err)
{
	struct checkpoint cp = {
	    .rt = rt,
	    .opts = opts,
	    .access = ACCESS_INIT,
	    .files = CRIU_FILES_NONE,
	    .criu = CRIU_NONE,
	    .interrupt = INTERRUPT_NONE,
	    .guard = DUMP_GUARD_NONE,
	};
	int rc = steps_run(checkpoint_steps, ARRAY_LEN(checkpoint_steps), &cp, err);

	criu_done(&cp.criu);
	criu_files_close(&cp.files);
	access_done(&cp.access);
	interrupt_end(&cp.interrupt);
	return rc;
}
