/* SPDX-License-Identifier: Apache-2.0 */
/* The source's side: from a running container to one that runs elsewhere, or here as before. */
#include "libcontainer/migrate/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "cgroups/systemd_bus.h"
#include "config.build.h"
#include "libcontainer/migrate/record.h"
#include "libcontainer/migrate/rootfs.h"
#include "libcontainer/migrate/sample.h"

/** Bytes of a config.json that can be sent along. */
#define CONFIG_MAX MIGRATE_CHUNK_MAX

void migrate_tell(const struct migrate_source *source, const struct migrate_event *event)
{
	if (source->opts->observe)
		source->opts->observe(source->opts->observe_ctx, event);
}

static int check_running(struct migrate_source *source, struct wh_error *err)
{
	enum oci_status status = access_refine_status(&source->access);

	if (status == OCI_STATUS_RUNNING)
		return 0;
	return wh_fail_kind(err, WH_ERROR_STATE, 0,
			    "container not running: '%s' is %s, and only what runs can be moved",
			    source->opts->id, oci_status_name(status));
}

/** What an earlier migration left: nothing to care for, or somebody else's, or a question to be answered first. */
static int check_no_other(struct migrate_source *source, struct wh_error *err)
{
	struct migrate_record old;
	int rc = migrate_record_read(source->access.dir_fd, &source->access.arena, &old, err);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	if (migrate_record_worker_alive(&old))
		return wh_fail_kind(err, WH_ERROR_STATE, 0,
				    "container '%s' is being moved to '%s' by process %d",
				    source->opts->id, old.destination, (int)old.worker.pid);
	if (old.phase != MIGRATE_PHASE_SENDING)
		return migrate_check_ours(source->access.dir_fd, source->opts->id, err);
	migrate_images_remove(old.images);
	return 0;
}

/** CRIU at the destination, "" when nothing is said: on this host ours is the one that works. */
static const char *criu_there(const struct migrate_options *opts)
{
	if (opts->remote_criu)
		return opts->remote_criu;
	return opts->criu && str_after(opts->destination, "local:") ? opts->criu : "";
}

/** Intent first: from here on somebody else sees that the container is being moved. */
static int step_open(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;
	const struct migrate_options *opts = source->opts;
	struct access *access = &source->access;
	int rc = access_open(access, source->rt, opts->id, STATE_LOCKED, err);

	/* its checkpoint needs it: before the record, which the twin would take for another's (twin_require()) */
	if (rc == 0 && access->record.unit)
		rc = systemd_load(err);
	if (rc == 0)
		rc = check_no_other(source, err);
	if (rc == 0)
		rc = check_running(source, err);
	if (rc == 0)
		rc = access_spec(access, err);
	if (rc == 0)
		rc = migrate_number_make(source->number, err);
	if (rc == 0)
		rc = migrate_record_begin(&source->record, source->number, opts->id, &access->arena,
					  err);
	if (rc < 0)
		return rc;
	source->record.phase = MIGRATE_PHASE_SENDING;
	source->record.destination = opts->destination;
	source->record.rsh = opts->rsh ? opts->rsh : "";
	source->record.remote = opts->remote ? opts->remote : "";
	source->record.criu = criu_there(opts);
	source->record.systemd = access->record.unit != NULL;
	rc = migrate_record_write(access->dir_fd, &source->record, &access->arena, err);
	state_unlock(access->dir_fd);
	return rc;
}

static void undo_open(void *ctx)
{
	struct migrate_source *source = ctx;

	if (!source->in_doubt && !source->moved)
		(void)migrate_record_remove(source->access.dir_fd, NULL);
}

static int step_guard(void *ctx, struct wh_error *err);

static void undo_guard(void *ctx)
{
	struct migrate_source *source = ctx;

	migrate_guard_end(&source->guard);
}

static int step_movable(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;
	struct access *access = &source->access;
	char who[CONTAINER_ID_MAX + 64];
	const char *late;
	int rc = migrate_host_look(source->opts->criu, &access->arena, &source->host, err);

	if (rc < 0)
		return rc;
	source->obstacles = (struct migrate_obstacles){.arena = &access->arena};
	migrate_find_in_spec(access->spec, &source->obstacles);
	rc = access_late_mount(access, &late, err);
	if (rc == 0 && late)
		migrate_obstacle(&source->obstacles,
				 "'%s' was mounted by mounts add: take it away first", late);
	if (rc == 0)
		rc = migrate_find_in_processes(access, &source->obstacles, &source->offer.memory,
					       err);
	if (rc == 0)
		rc = migrate_find_locks(access, source->opts->copy_rootfs, &source->obstacles, err);
	if (rc == 0)
		rc = migrate_find_in_streams(access, &source->obstacles, err);
	if (rc == 0)
		rc = migrate_find_in_cgroups(access, &source->obstacles, err);
	if (rc < 0)
		return rc;
	snprintf(who, sizeof(who), "container '%s' cannot be moved", source->opts->id);
	return migrate_obstacles_fail(&source->obstacles, who, err);
}

/** What is chosen, and why. */
static int step_mode(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;

	source->mode = source->opts->mode;
	source->why = "";
	if (source->mode == MIGRATE_AUTOMATIC && source->host.support.mem_track) {
		source->mode = MIGRATE_PRE_COPY;
		source->why = "the kernel tells which memory was changed";
	} else if (source->mode == MIGRATE_AUTOMATIC) {
		source->mode = MIGRATE_COLD;
		source->why = "the kernel does not tell which memory was changed (soft-dirty)";
	}
	if (source->mode == MIGRATE_PRE_COPY && !source->host.support.mem_track)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "pre-copy needs a kernel that tells which memory was changed "
				    "(CONFIG_MEM_SOFT_DIRTY), and this is %s: use --cold",
				    source->host.uname.release);
	return 0;
}

static int step_connect(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;
	const struct migrate_options *opts = source->opts;
	const char *argv[MIGRATE_WORDS_MAX];
	int rc;

	rc = migrate_destination_parse(opts->destination, &source->access.arena,
				       &source->destination, err);
	source->destination.systemd = source->record.systemd;
	if (rc == 0)
		rc = migrate_command_build(&source->destination, opts->rsh, opts->remote,
					   str_empty(source->record.criu) ? NULL
									  : source->record.criu,
					   &source->access.arena, argv, err);
	if (rc == 0)
		rc = migrate_transport_open(argv, &source->transport, err);
	if (rc < 0)
		return rc;
	rc = migrate_conn_init(&source->conn, source->transport.from, source->transport.to,
			       "source", "the destination", err);
	if (rc == 0)
		rc = migrate_hello(&source->conn, "wherry " WHERRY_VERSION, err);
	if (rc < 0) {
		(void)migrate_transport_close(&source->transport);
		migrate_conn_done(&source->conn);
	}
	return rc;
}

static void undo_connect(void *ctx)
{
	struct migrate_source *source = ctx;
	enum migrate_fate fate;

	/* A connection that is lost leaves a destination that may not have noticed. */
	bool lost = source->conn.broken;

	(void)migrate_send_abort(&source->conn, source->err);
	(void)migrate_transport_close(&source->transport);
	migrate_conn_done(&source->conn);
	if (lost && source->receiving && !source->in_doubt && !source->moved)
		(void)migrate_ask(&source->record, 1, &fate, NULL);
}

/** What tells this root file system from others where no witness can be made. */
static int take_sample(struct migrate_source *source, int root_fd, struct wh_error *err)
{
	struct migrate_sample sample = {0};
	int rc = migrate_sample_take(&source->access, root_fd, &sample, err);

	source->offer.rootfs_sample = sample.files;
	source->offer.n_rootfs_sample = sample.n_files;
	return rc;
}

/** A file in the root file system that only this root has, while the destination looks for it. */
static int make_witness(struct migrate_source *source, int root_fd, struct wh_error *err)
{
	char *name = arena_printf(&source->access.arena, ".wherry-migrate-%.16s", source->number);
	auto_fd fd = -EBADF;

	if (!name)
		return wh_oom(err);
	fd = openat(root_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	source->offer.witness = fd < 0 ? "" : name;
	return fd < 0 && !source->opts->copy_rootfs ? take_sample(source, root_fd, err) : 0;
}

static int fill_offer(struct migrate_source *source, struct wh_error *err)
{
	const struct container_record *record = &source->access.record;
	const struct oci_linux *linux_ = source->access.spec->linux_;
	struct migrate_offer *offer = &source->offer;

	offer->number = source->number;
	offer->id = source->opts->id;
	offer->bundle = record->bundle;
	offer->rootfs = record->rootfs;
	offer->cgroup = linux_->cgroups_path ? linux_->cgroups_path : "";
	offer->rootfs_copied = source->opts->copy_rootfs;
	offer->boot_id = source->host.boot_id;
	offer->machine = source->host.uname.machine;
	offer->kernel = source->host.uname.release;
	offer->criu_version = source->host.support.criu_version;
	offer->post_copy = source->mode == MIGRATE_POST_COPY;
	offer->cpu_features = source->host.cpu_features;
	offer->n_cpu_features = source->host.n_cpu_features;
	return 0;
}

static int send_offer(struct migrate_source *source, struct wh_error *err)
{
	struct arena *arena = &source->access.arena;
	char who[CONTAINER_ID_MAX + 80];
	char *config;
	size_t len;
	int rc;

	rc = file_read(source->access.dir_fd, STATE_CONFIG_FILE, CONFIG_MAX, arena, &config, &len,
		       err);
	if (rc == 0)
		rc = migrate_send_document(&source->conn, MIGRATE_OFFER, MIGRATE_DOCUMENT_OFFER,
					   &source->offer, arena, err);
	if (rc == 0)
		rc = migrate_send(&source->conn, MIGRATE_CONFIG, config, len, NULL, 0, err);
	if (rc == 0)
		rc =
		    migrate_expect_document(&source->conn, MIGRATE_VERDICT, MIGRATE_ANSWER_MS,
					    MIGRATE_DOCUMENT_VERDICT, arena, &source->verdict, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < source->verdict.n_obstacles; i++)
		migrate_obstacle(&source->obstacles, "%s", source->verdict.obstacles[i]);
	snprintf(who, sizeof(who), "the destination cannot take container '%s'", source->opts->id);
	return migrate_obstacles_fail(&source->obstacles, who, err);
}

static int step_offer(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;
	auto_fd root_fd = open(source->access.record.rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int rc;

	if (root_fd < 0 || fstat(root_fd, &st) < 0)
		return wh_fail(err, errno, "open the root file system '%s'",
			       source->access.record.rootfs);
	source->offer.rootfs_device = st.st_dev;
	source->offer.rootfs_inode = st.st_ino;
	rc = make_witness(source, root_fd, err);
	if (rc == 0)
		rc = fill_offer(source, err);
	if (rc == 0)
		rc = send_offer(source, err);
	if (!str_empty(source->offer.witness))
		unlinkat(root_fd, source->offer.witness, 0);
	/* what CRIU's two ends say to each other changes with its versions; with post-copy there is hardly anything to say */
	source->streams = source->mode != MIGRATE_POST_COPY &&
			  source->verdict.criu_version == source->host.support.criu_version;
	if (rc == 0)
		migrate_tell(source, &(struct migrate_event){.type = MIGRATE_EVENT_CHECKED,
							     .mode = source->mode,
							     .why = source->why});
	return rc;
}

/** Whether there is more to do than to check. */
static int is_real(const void *ctx)
{
	const struct migrate_source *source = ctx;

	return !source->opts->dry_run;
}

static int step_start(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;
	struct migrate_message msg;
	int rc = migrate_send(&source->conn, MIGRATE_START, NULL, 0, NULL, 0, err);

	if (rc == 0)
		source->receiving = true;
	return rc < 0
		   ? rc
		   : migrate_expect(&source->conn, MIGRATE_STARTED, MIGRATE_ANSWER_MS, &msg, err);
}

static int step_images(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;
	int rc;

	source->images_fd = migrate_images_make(source->number, "source", source->offer.memory,
						source->images, err);
	if (source->images_fd < 0)
		return source->images_fd;
	source->record.images = source->images;
	rc = migrate_record_write(source->access.dir_fd, &source->record, &source->access.arena,
				  err);
	if (rc < 0)
		migrate_images_remove(source->images);
	return rc;
}

static void undo_images(void *ctx)
{
	struct migrate_source *source = ctx;

	source->images_fd = fd_close(source->images_fd);
	migrate_images_remove(source->images);
}

static int step_rootfs(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;

	return migrate_rootfs_copy(&source->destination, source->opts->rsh,
				   source->access.record.rootfs, &source->access.arena,
				   &source->rootfs_copied, err);
}

static int wants_rootfs(const void *ctx)
{
	const struct migrate_source *source = ctx;

	return is_real(ctx) && source->opts->copy_rootfs;
}

static int step_rounds(void *ctx, struct wh_error *err)
{
	return migrate_send_rounds(ctx, err);
}

static int wants_rounds(const void *ctx)
{
	const struct migrate_source *source = ctx;

	return is_real(ctx) && source->mode == MIGRATE_PRE_COPY;
}

static int step_hand_over(void *ctx, struct wh_error *err)
{
	return migrate_hand_over(ctx, err);
}

static const struct step source_steps[] = {
    {"open container",        step_open,      undo_open,    NULL        },
    {"look for obstacles",    step_movable,   NULL,         NULL        },
    {"choose the mode",       step_mode,      NULL,         NULL        },
    {"post a guard",          step_guard,     undo_guard,   is_real     },
    {"connect",               step_connect,   undo_connect, NULL        },
    {"check destination",     step_offer,     NULL,         NULL        },
    {"claim the id there",    step_start,     NULL,         is_real     },
    {"make room",             step_images,    undo_images,  is_real     },
    {"copy root file system", step_rootfs,    NULL,         wants_rootfs},
    {"send memory",           step_rounds,    NULL,         wants_rounds},
    {"hand over",             step_hand_over, NULL,         is_real     },
};

/** The guard's work, in its own process. */
static void recover(void *ctx)
{
	const struct migrate_source *source = ctx;
	struct wh_error err = WH_ERROR_INIT;
	enum migrate_fate fate = MIGRATE_FATE_ABSENT;
	enum migrate_where where;
	int rc = container_migrate_resume(source->rt, source->opts->id, false, &fate, &where, &err);

	migrate_images_remove_all(source->number, "source");
	/* it got to the end, but for the last word */
	if (rc == -ENOENT && err.kind == WH_ERROR_NOT_FOUND)
		(void)migrate_ask(&source->record, 1, &fate, NULL);
	else if (rc < 0 && rc != -ENOENT)
		log_warning("the migration of '%s' was interrupted: %s", source->opts->id,
			    err.message);
	else if (rc == 0)
		log_warning("the migration of '%s' was interrupted: it runs %s", source->opts->id,
			    fate == MIGRATE_FATE_ABSENT ? "here, as before" : "at the destination");
}

static int step_guard(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;

	return migrate_guard_start(&source->guard, recover, source, err);
}

/** After success: say so, and leave nothing. */
static void finish(struct migrate_source *source)
{
	if (source->moved)
		(void)migrate_send(&source->conn, MIGRATE_DONE, NULL, 0, NULL, 0, NULL);
	source->report->sent = source->conn.sent;
	/* one that did not hear the last word still keeps the receipt for a question */
	if (migrate_transport_close(&source->transport) != 0 && source->moved)
		(void)migrate_ask(&source->record, 1, &(enum migrate_fate){0}, NULL);
	migrate_conn_done(&source->conn);
	source->images_fd = fd_close(source->images_fd);
	migrate_images_remove(source->images);
	if (!source->moved)
		(void)migrate_record_remove(source->access.dir_fd, NULL);
	migrate_guard_end(&source->guard);
}

/** After a failure: not what was meant to be, but what is. */
static enum migrate_where find_it(const struct migrate_source *source)
{
	struct access now = ACCESS_INIT;
	struct wh_error gone = WH_ERROR_INIT;
	bool runs;

	if (source->in_doubt)
		return MIGRATE_IN_DOUBT;
	runs = access_open(&now, source->rt, source->opts->id, STATE_UNLOCKED, &gone) == 0 &&
	       access_refine_status(&now) == OCI_STATUS_RUNNING;
	access_done(&now);
	if (!runs)
		return MIGRATE_NOT_HERE;
	return source->went_back ? MIGRATE_WENT_BACK : MIGRATE_HERE;
}

int container_migrate(const struct runtime *rt, const struct migrate_options *opts,
		      struct migrate_report *ret_report, enum migrate_where *ret_where,
		      struct wh_error *err)
{
	struct migrate_source source = {
	    .rt = rt,
	    .opts = opts,
	    .report = ret_report,
	    .err = err,
	    .access = ACCESS_INIT,
	    .guard = MIGRATE_GUARD_NONE,
	    .transport = MIGRATE_TRANSPORT_NONE,
	    .images_fd = -EBADF,
	    .pages = MIGRATE_PAGES_NONE,
	    .pace = {.goal_ns = opts->downtime_ms * 1000000},
	    .started_ns = clock_ns(),
	};
	int rc;

	*ret_report = (struct migrate_report){0};
	rc = steps_run(source_steps, ARRAY_LEN(source_steps), &source, err);
	if (rc == 0)
		finish(&source);
	else
		*ret_where = find_it(&source);
	ret_report->mode = source.mode;
	ret_report->total_ns = clock_ns() - source.started_ns;
	access_done(&source.access);
	return rc;
}
