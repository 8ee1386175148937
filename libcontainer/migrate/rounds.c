/* SPDX-License-Identifier: Apache-2.0 */
/* The source's rounds of memory, and the last one, after which the container is the destination's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "libcontainer/checkpoint/checkpoint.h"
#include "libcontainer/migrate/fault.h"
#include "libcontainer/migrate/record.h"
#include "libcontainer/migrate/rootfs.h"
#include "libcontainer/migrate/source.h"
#include "libcontainer/migrate/streams.h"

/** How long the container's cgroup may take to be frozen: everything in it stands still already. */
#define FREEZE_TIMEOUT_MS 10000

/** How often a destination that was told to go on is asked what became of it. */
#define ASK_ATTEMPTS 6

/** The options of one checkpoint into round @source->round. */
static void describe(struct migrate_source *source, int dir_fd, char *name, size_t size,
		     struct checkpoint_options *opts)
{
	snprintf(name, size, "%s/%llu", source->images, (unsigned long long)source->round);
	*opts = (struct checkpoint_options){
	    .id = source->opts->id,
	    .criu = {.criu = source->opts->criu,
		     .image_path = name,
		     .image_dir_fd = dir_fd,
		     .log_goes = true,
		     .tcp_established = !source->opts->tcp_close,
		     .tcp_close = source->opts->tcp_close,
		     .ext_unix_sk = source->opts->ext_unix_sk,
		     .file_locks = true,
		     .link_remap = true,
		     .lazy_pages = source->mode == MIGRATE_POST_COPY},
	    .serves_memory = source->mode == MIGRATE_POST_COPY,
	    .fast_check = true, /* each part of it is checked on arrival */
	    .parent_path = NULL,
	};
}

/** "../N" of the round before this one. */
static const char *parent_of(const struct migrate_source *source, char *buf, size_t size)
{
	if (source->round == 0)
		return NULL;
	snprintf(buf, size, "../%llu", (unsigned long long)source->round - 1);
	return buf;
}

static void tell_round(const struct migrate_source *source, enum migrate_event_type type,
		       const struct migrate_round *round, uint64_t ns)
{
	migrate_tell(source, &(struct migrate_event){
				 .type = type,
				 .mode = source->mode,
				 .round = round->number + 1,
				 .bytes = round->bytes,
				 .memory = round->pages,
				 .ns = ns,
				 .dirty = source->pace.dirty,
				 .expected_ns = source->pace.expected_ns,
			     });
}

/** Save what has changed since the last round, and send it. */
static int send_round(struct migrate_source *source, struct wh_error *err)
{
	auto_fd dir_fd = migrate_images_make_round(source->images_fd, source->round, err);
	struct checkpoint_options opts;
	struct migrate_round round;
	uint64_t before = source->since_ns;
	uint64_t start;
	char name[PATH_MAX + 24];
	char parent[32];
	int rc;

	if (dir_fd < 0)
		return dir_fd;
	describe(source, dir_fd, name, sizeof(name), &opts);
	opts.pre_dump = true;
	opts.parent_path = parent_of(source, parent, sizeof(parent));
	source->since_ns = clock_ns();
	rc = container_checkpoint(source->rt, &opts, err);
	if (rc < 0)
		return rc;
	start = clock_ns();
	rc = migrate_images_send(&source->conn, dir_fd, source->round, &round, err);
	if (rc < 0)
		return rc;
	source->report->memory += round.pages;
	source->round++;
	migrate_pace_add(&source->pace, round.pages, clock_ns() - start,
			 before ? source->since_ns - before : 0);
	tell_round(source, MIGRATE_EVENT_ROUND, &round, clock_ns() - start);
	return 0;
}

/** A signal ends what waits just then; where nothing did, it is noticed here. */
static int check_signals(const struct migrate_source *source, struct wh_error *err)
{
	if (!source->opts->interrupted || !*source->opts->interrupted)
		return 0;
	wh_fail_kind(err, WH_ERROR_RUNTIME, 0, "interrupted by a signal");
	return -EINTR;
}

int migrate_send_rounds(struct migrate_source *source, struct wh_error *err)
{
	const char *stop;

	do {
		int rc = check_signals(source, err);

		if (rc == 0)
			rc = send_round(source, err);
		if (rc < 0)
			return rc;
		stop = migrate_pace_stop(&source->pace);
	} while (!stop);
	log_debug("pre-copy of '%s' ends after round %llu: %s", source->opts->id,
		  (unsigned long long)source->round, stop);
	return 0;
}

static int set_phase(struct migrate_source *source, enum migrate_phase phase, struct wh_error *err)
{
	source->record.phase = phase;
	return migrate_record_write(source->access.dir_fd, &source->record, &source->access.arena,
				    err);
}

static int hold(struct migrate_source *source, bool frozen, struct wh_error *err)
{
	int rc = access_open_cgroup(&source->access, err);

	return rc < 0 ? rc
		      : cgroup_set_frozen(&source->access.cgroup, frozen, FREEZE_TIMEOUT_MS, err);
}

/** The destination does not have it: let it go on here. */
static void take_back(struct migrate_source *source)
{
	struct wh_error err = WH_ERROR_INIT;

	/* In this order: "handed over" and not frozen means that the destination was not told. */
	if (hold(source, false, &err) < 0 || set_phase(source, MIGRATE_PHASE_SENDING, &err) < 0)
		log_warning("container '%s' is to go on here: %s: wherry migrate --resume %s",
			    source->opts->id, err.message, source->opts->id);
	source->went_back = source->ran_there;
}

/** The connection was lost after the last word: what counts is what the destination knows. */
static int settle_doubt(struct migrate_source *source, struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	enum migrate_fate fate;

	source->conn.broken = true;
	(void)migrate_transport_close(&source->transport);
	if (migrate_ask(&source->record, ASK_ATTEMPTS, &fate, &reason) < 0) {
		source->in_doubt = true;
		wh_fail_kind(
		    err, WH_ERROR_RUNTIME, 0,
		    "container '%s' was handed over to '%s', which has not confirmed %s and "
		    "cannot be asked (%s): it is held here; when the destination can be "
		    "reached again: wherry migrate --resume %s",
		    source->opts->id, source->opts->destination,
		    source->ran_there ? "that it has all of its memory" : "it", reason.message,
		    source->opts->id);
		return -EHOSTUNREACH;
	}
	if (fate != MIGRATE_FATE_ABSENT) {
		*err = WH_ERROR_INIT;
		return 0;
	}
	take_back(source);
	return -ECONNRESET;
}

/**
 * It runs there, and may need the rest of its memory to be whole. Where that is in the images there it goes on without us:
 * "handed over" is still what this is.
 */
static int confirmed(struct migrate_source *source, struct wh_error *err)
{
	source->report->downtime_ns = clock_ns() - source->frozen_ns;
	if (source->mode != MIGRATE_POST_COPY && !source->deferred)
		return 0;
	source->ran_there = true;
	if (!source->deferred && set_phase(source, MIGRATE_PHASE_SERVING, err) < 0)
		return -EIO;
	return migrate_serve_rest(source, err);
}

/**
 * The point of no return. First it is written down that the container may be the destination's, then it is held
 * by its cgroup, which outlives us and CRIU, and only then the destination is told. So whoever finds
 * "handed over" and a container that is not frozen knows that the destination was not told.
 */
static int commit(struct migrate_source *source, struct wh_error *err)
{
	struct migrate_message msg;
	int rc = check_signals(source, err);

	if (rc < 0)
		return rc;
	rc = set_phase(source, MIGRATE_PHASE_HANDED_OVER, err);
	migrate_fault("source", "handed-over", NULL);
	if (rc == 0)
		rc = hold(source, true, err);
	migrate_fault("source", "held", NULL);
	if (rc < 0) {
		take_back(source);
		return rc;
	}
	rc = migrate_send(&source->conn, MIGRATE_COMMIT, NULL, 0, NULL, 0, err);
	if (rc == 0)
		rc = migrate_serve_until(source, MIGRATE_CONFIRM, MIGRATE_ANSWER_MS, &msg, err);
	if (rc == 0)
		rc = confirmed(source, err);
	if (rc == -ECONNABORTED)
		take_back(source); /* it says itself that it has not */
	else if (rc < 0)
		rc = settle_doubt(source, err);
	if (source->went_back)
		wh_error_prefix(
		    err,
		    "container '%s' was lost at '%s' before all of its memory was there, "
		    "and goes on here from its freeze: what it did there is lost",
		    source->opts->id, source->opts->destination);
	return rc;
}

static int restore_there(struct migrate_source *source, struct wh_error *err)
{
	struct migrate_restore restore = {
	    .rounds = source->round,
	    .tcp = !source->opts->tcp_close,
	    .file_locks = true,
	    .ext_unix_sk = source->opts->ext_unix_sk,
	    .link_remap = true,
	    .early =
		source->opts->early || (source->mode == MIGRATE_PRE_COPY && !source->opts->whole),
	};
	struct migrate_message msg;
	int rc = migrate_streams_find(source->access.record.init.pid, &source->access.arena,
				      &restore, err);

	if (rc == 0)
		rc = migrate_send_document(&source->conn, MIGRATE_RESTORE, MIGRATE_DOCUMENT_RESTORE,
					   &restore, &source->access.arena, err);

	if (rc == 0)
		rc = migrate_serve_until(source, MIGRATE_PREPARED, MIGRATE_WORK_MS, &msg, err);
	if (rc == 0)
		source->deferred =
		    msg.len == 8 && migrate_get_u64(msg.payload) == MIGRATE_PREPARED_DEFERRED;
	return rc;
}

static int on_freezing(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;
	int rc = source->streams ? migrate_pages_await(&source->pages, &source->conn, err) : 0;

	if (rc < 0)
		return rc;
	source->frozen_ns = clock_ns();
	migrate_tell(source, &(struct migrate_event){.type = MIGRATE_EVENT_FROZEN});
	return 0;
}

static int on_saving(void *ctx, int rpc, struct wh_error *err)
{
	struct migrate_source *source = ctx;

	return migrate_pages_attend(&source->pages, &source->conn, rpc, err);
}

/** What is left of the round when CRIU has saved everything. */
static int send_rest(struct migrate_source *source, struct migrate_round *ret_round,
		     struct wh_error *err)
{
	auto_fd dir_fd = -EBADF;
	char name[24];
	int rc = source->streams ? migrate_pages_finish(&source->pages, &source->conn, err) : 0;

	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "%llu", (unsigned long long)source->round);
	dir_fd = openat(source->images_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return wh_fail(err, errno, "open the images of the last round");
	rc = migrate_images_send(&source->conn, dir_fd, source->round, ret_round, err);
	if (rc < 0)
		return rc;
	if (source->mode == MIGRATE_POST_COPY)
		rc = migrate_serve_open(source, dir_fd, err);
	ret_round->bytes += source->pages.bytes;
	ret_round->pages += source->pages.bytes;
	return rc;
}

/** A lock may have been taken since all obstacles were looked for. */
static int check_locks(struct migrate_source *source, struct wh_error *err)
{
	struct migrate_obstacles found = {.arena = &source->access.arena};
	int rc = migrate_find_locks(&source->access, source->opts->copy_rootfs, &found, err);

	return rc < 0 ? rc : migrate_obstacles_fail(&found, "the container cannot be moved", err);
}

/** Everything is saved, and the container stands still: 0 ends it here, a failure lets it go on. */
static int on_complete(void *ctx, struct wh_error *err)
{
	struct migrate_source *source = ctx;
	struct migrate_round round = {0};
	uint64_t start = source->streams ? source->frozen_ns : clock_ns();
	int rc;

	migrate_fault("source", "saved", NULL);
	rc = send_rest(source, &round, err);
	if (rc == 0)
		rc = check_locks(source, err);
	if (rc < 0)
		return rc;
	source->round++;
	source->report->memory += round.pages;
	tell_round(source, MIGRATE_EVENT_SENT, &round, clock_ns() - start);
	if (source->opts->copy_rootfs)
		rc = migrate_rootfs_finish(&source->destination, source->opts->rsh,
					   source->access.record.rootfs, &source->rootfs_copied,
					   &source->access.arena, err);
	if (rc == 0)
		rc = restore_there(source, err);
	if (rc < 0)
		return rc;
	migrate_tell(source, &(struct migrate_event){.type = MIGRATE_EVENT_PREPARED,
						     .ns = clock_ns() - source->frozen_ns});
	rc = commit(source, err);
	if (rc < 0)
		return rc;
	source->report->rounds = source->round;
	source->moved = true;
	if (set_phase(source, MIGRATE_PHASE_MOVED, err) < 0)
		log_warning("%s", err->message);
	*err = WH_ERROR_INIT;
	migrate_fault("source", "moved", NULL);
	return 0;
}

int migrate_hand_over(struct migrate_source *source, struct wh_error *err)
{
	auto_fd dir_fd = migrate_images_make_round(source->images_fd, source->round, err);
	struct checkpoint_options opts;
	char name[PATH_MAX + 24];
	char parent[32];
	int rc;

	if (dir_fd < 0)
		return dir_fd;
	rc = check_signals(source, err);
	if (rc < 0)
		return rc;
	describe(source, dir_fd, name, sizeof(name), &opts);
	opts.parent_path = parent_of(source, parent, sizeof(parent));
	opts.freezing = on_freezing;
	opts.complete = on_complete;
	opts.ctx = source;
	if (source->streams) {
		rc = migrate_pages_open(&source->pages, &source->conn, source->round, err);
		if (rc < 0)
			return rc;
		opts.page_server_fd = source->pages.criu_sock;
		opts.attend = on_saving;
	}
	rc = container_checkpoint(source->rt, &opts, err);
	migrate_pages_close(&source->pages);
	source->report->memory += source->memory.sent;
	migrate_memory_close(&source->memory);
	if (!source->moved)
		return rc < 0 ? rc : wh_fail(err, EPROTO, "CRIU did not say when it was done");
	if (rc < 0) {
		/* It runs there: what cannot be removed here is no failure of the migration. */
		log_warning(
		    "container '%s' runs at the destination; what is left of it here cannot "
		    "be removed: %s",
		    source->opts->id, err->message);
		*err = WH_ERROR_INIT;
		if (container_delete(source->rt, source->opts->id, true, err) < 0)
			log_warning("%s", err->message);
		*err = WH_ERROR_INIT;
	}
	migrate_tell(source, &(struct migrate_event){.type = MIGRATE_EVENT_MOVED,
						     .ns = source->report->downtime_ns});
	return 0;
}
