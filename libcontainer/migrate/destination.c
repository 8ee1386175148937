/* SPDX-License-Identifier: Apache-2.0 */
/* The destination's side: from an offer to a running container, or to nothing. */
#include "libcontainer/migrate/destination.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/step.h"
#include "base/str.h"
#include "cgroups/systemd_bus.h"
#include "config.build.h"
#include "libcontainer/checkpoint/restore_access.h"
#include "libcontainer/config_load.h"
#include "libcontainer/migrate/fault.h"
#include "libcontainer/migrate/host.h"
#include "libcontainer/migrate/images.h"
#include "libcontainer/migrate/migrate.h"
#include "libcontainer/migrate/obstacles.h"
#include "libcontainer/migrate/receipt.h"
#include "libcontainer/migrate/rootfs.h"
#include "libcontainer/migrate/streams.h"
#include "libcontainer/state_store.h"

/** How long a source that asks waits here for the end of the old receiver. */
#define SETTLE_TIMEOUT_MS 20000

/** The guard's work, in its own process: nothing of a container that never ran may stay. */
static void recover(void *ctx)
{
	const struct destination *dest = ctx;
	enum migrate_fate fate;

	(void)migrate_receipt_settle(dest->rt, dest->offer.number, dest->offer.id,
				     SETTLE_TIMEOUT_MS, &fate, NULL);
	/* made before there was a receipt */
	migrate_images_remove_all(dest->offer.number, "destination");
}

static void undo_guard(void *ctx)
{
	struct destination *dest = ctx;

	if (!dest->left)
		migrate_guard_end(&dest->guard);
}

static int step_offer(void *ctx, struct wh_error *err)
{
	struct destination *dest = ctx;
	int rc;

	rc = migrate_document_decode(MIGRATE_DOCUMENT_OFFER, (const char *)dest->first.payload,
				     dest->first.len, &dest->arena, &dest->offer, err);
	return rc < 0 ? rc : migrate_guard_start(&dest->guard, recover, dest, err);
}

/** The configuration, and the place for it and for the images. */
static int step_config(void *ctx, struct wh_error *err)
{
	struct destination *dest = ctx;
	struct migrate_message msg = {0};
	int rc;

	rc = migrate_host_look(dest->criu, &dest->arena, &dest->host, err);
	if (rc == 0)
		rc = migrate_expect(&dest->conn, MIGRATE_CONFIG, MIGRATE_ANSWER_MS, &msg, err);
	if (rc < 0)
		return rc;
	dest->images_fd = migrate_images_make(dest->offer.number, "destination", dest->offer.memory,
					      dest->images, err);
	if (dest->images_fd < 0)
		return dest->images_fd;
	dest->config = arena_memdup(&dest->arena, msg.payload, msg.len);
	dest->config_len = msg.len;
	rc = dest->config ? file_create(dest->images_fd, STATE_CONFIG_FILE, dest->config,
					dest->config_len, 0600, err)
			  : wh_oom(err);
	if (rc == 0)
		rc = state_config_read(dest->images_fd, &dest->arena, &dest->spec, err);
	if (rc < 0)
		migrate_images_remove(dest->images);
	return rc;
}

static void undo_config(void *ctx)
{
	struct destination *dest = ctx;

	migrate_images_remove(dest->images);
}

static int step_check(void *ctx, struct wh_error *err)
{
	struct destination *dest = ctx;
	struct migrate_obstacles obstacles = {.arena = &dest->arena};
	struct migrate_verdict verdict = {.obstacles = obstacles.list};

	dest->root_fd = state_root_open(dest->rt, true, err);
	if (dest->root_fd < 0)
		return dest->root_fd;
	migrate_find_in_hosts(&dest->offer, &dest->host, &obstacles);
	migrate_find_here(&dest->offer, dest->spec, dest->root_fd, dest->images_fd, &obstacles);
	if (dest->rt->cgroup_manager == CGROUP_MANAGER_SYSTEMD)
		migrate_find_systemd(&obstacles);
	verdict.n_obstacles = obstacles.count;
	verdict.bundle = dest->offer.bundle;
	verdict.rootfs = dest->offer.rootfs;
	verdict.same_host = streq(dest->offer.boot_id, dest->host.boot_id);
	verdict.criu_version = dest->host.support.criu_version;
	verdict.post_copy = dest->host.support.lazy_pages;
	return migrate_send_document(&dest->conn, MIGRATE_VERDICT, MIGRATE_DOCUMENT_VERDICT,
				     &verdict, &dest->arena, err);
}

/** The source starts, or has learnt what it wanted to know. */
static int step_await_start(void *ctx, struct wh_error *err)
{
	struct destination *dest = ctx;
	struct migrate_message msg;
	int rc = migrate_receive(&dest->conn, MIGRATE_WORK_MS, &msg, err);

	if (rc < 0)
		return rc;
	if (msg.type == MIGRATE_START)
		dest->wanted = true;
	else if (msg.type != MIGRATE_EOF && msg.type != MIGRATE_ABORT)
		return wh_fail(err, EPROTO, "%s sent '%s' where 'start' was expected",
			       dest->conn.peer, migrate_type_name(msg.type));
	return 0;
}

static int is_wanted(const void *ctx)
{
	const struct destination *dest = ctx;

	return dest->wanted;
}

/** Intent first, and locked: whoever asks for this migration waits for us. */
static int step_claim(void *ctx, struct wh_error *err)
{
	struct destination *dest = ctx;
	int rc;

	if (dest->offer.rootfs_copied) {
		rc = migrate_rootfs_prepare(&dest->offer, dest->config, dest->config_len, err);
		if (rc < 0)
			return rc;
	}
	rc = migrate_record_begin(&dest->record, dest->offer.number, dest->offer.id, &dest->arena,
				  err);
	if (rc < 0)
		return rc;
	dest->record.phase = MIGRATE_PHASE_RECEIVING;
	dest->record.images = dest->images;
	dest->receipt_fd = migrate_receipt_make(dest->root_fd, dest->offer.number, err);
	if (dest->receipt_fd < 0)
		return dest->receipt_fd;
	rc = migrate_record_write(dest->receipt_fd, &dest->record, &dest->arena, err);
	if (rc == 0)
		rc = migrate_send(&dest->conn, MIGRATE_STARTED, NULL, 0, NULL, 0, err);
	if (rc < 0)
		(void)migrate_receipt_remove(dest->root_fd, dest->offer.number, dest->receipt_fd,
					     NULL);
	return rc;
}

static void undo_claim(void *ctx)
{
	struct destination *dest = ctx;

	if (!dest->left)
		(void)migrate_receipt_remove(dest->root_fd, dest->offer.number, dest->receipt_fd,
					     NULL);
}

static int step_receive(void *ctx, struct wh_error *err)
{
	return migrate_receive_rounds(ctx, err);
}

int migrate_receiver_set_phase(struct destination *dest, enum migrate_phase phase,
			       struct wh_error *err)
{
	dest->record.phase = phase;
	return migrate_record_write(dest->receipt_fd, &dest->record, &dest->arena, err);
}

/** Everything is restored and held. Only the source's word lets it go. */
static int on_restored(void *ctx, pid_t pid, struct wh_error *err)
{
	struct destination *dest = ctx;
	struct migrate_message msg;
	uint8_t how[8];
	int rc;

	migrate_fault("destination", "restored", NULL);
	dest->record.init.pid = pid;
	rc = process_stat(pid, &dest->record.init.start_time, NULL);
	if (rc < 0)
		return wh_fail(err, -rc, "look at the restored process %d", (int)pid);
	migrate_put_u64(how, dest->deferred ? MIGRATE_PREPARED_DEFERRED : 0);
	rc = dest->deferred ? migrate_lazy_prepared(&dest->lazy, err) : 0;
	if (rc == 0)
		rc = migrate_send(&dest->conn, MIGRATE_PREPARED, how, sizeof(how), NULL, 0, err);
	if (rc == 0)
		rc = migrate_expect(&dest->conn, MIGRATE_COMMIT, MIGRATE_ANSWER_MS, &msg, err);
	if (rc == 0)
		rc = migrate_receiver_set_phase(dest,
						migrate_late_memory(dest) ? MIGRATE_PHASE_FETCHING
									  : MIGRATE_PHASE_COMMITTED,
						err);
	migrate_fault("destination", "committed", NULL);
	dest->committed = rc == 0;
	return rc;
}

/**
 * It runs. Once that is written down there is no way back: a source that does not hear it asks, and finds it. If it
 * cannot be written down the container is taken away again, and the source's goes on. That it runs changes nothing as long as
 * it is not whole.
 */
static int on_resumed(void *ctx, pid_t pid, struct wh_error *err)
{
	struct destination *dest = ctx;
	int rc;

	migrate_fault("destination", "resumed", NULL);
	rc = migrate_late_memory(dest)
		 ? 0
		 : migrate_receiver_set_phase(dest, MIGRATE_PHASE_RUNNING, err);
	if (rc < 0)
		return rc;
	migrate_fault("destination", "running", NULL);
	(void)migrate_send(&dest->conn, MIGRATE_CONFIRM, NULL, 0, NULL, 0, NULL);
	return 0;
}

/** The restore lets the root of a user namespace into the last round's directory, and here are those that it leads to. */
static int let_root_pass(const struct destination *dest, struct wh_error *err)
{
	const struct oci_linux *linux_ = dest->spec->linux_;
	gid_t gid = restore_gid_of_root(linux_->gid_mappings, linux_->n_gid_mappings);

	return gid == (gid_t)-1
		   ? 0
		   : migrate_images_let_pass(dest->images_fd, dest->rounds - 1, gid, err);
}

/** Everything that can be received before the restore was. */
static int step_image(void *ctx, struct wh_error *err)
{
	struct destination *dest = ctx;

	if (dest->rounds == 0 || dest->restore.rounds != dest->rounds)
		return wh_fail(err, EPROTO, "%llu rounds were received of the %llu sent",
			       (unsigned long long)dest->rounds,
			       (unsigned long long)dest->restore.rounds);
	snprintf(dest->image, sizeof(dest->image), "%s/%llu", dest->images,
		 (unsigned long long)dest->rounds - 1);
	return dest->rounds > 1 ? let_root_pass(dest, err) : 0;
}

/** What of the memory can wait. */
static int step_defer(void *ctx, struct wh_error *err)
{
	migrate_late_choose(ctx);
	return 0;
}

static int wants_pager(const void *ctx)
{
	const struct destination *dest = ctx;

	return dest->wanted && migrate_late_memory(dest);
}

static int step_pager(void *ctx, struct wh_error *err)
{
	return migrate_late_start(ctx, err);
}

static void undo_pager(void *ctx)
{
	struct destination *dest = ctx;

	if (!dest->left)
		lazy_pages_end(&dest->lazy.criu);
}

static int on_checked(void *ctx, int image_fd, struct wh_error *err)
{
	return migrate_late_change_image(ctx, image_fd, err);
}

static void on_lost(void *ctx)
{
	migrate_late_lost(ctx);
}

static int step_restore(void *ctx, struct wh_error *err)
{
	struct destination *dest = ctx;
	char config[PATH_MAX + 16];
	const struct restore_options opts = {
	    .create = {.id = dest->offer.id,
		       .bundle = dest->offer.bundle,
		       .config = config,
		       .detach = true                        },
	    .criu = { .criu = dest->criu,
		       .image_path = dest->image,
		       .log_goes = true,
		       .lazy_pages = migrate_late_memory(dest),
		       .tcp_established = dest->restore.tcp,
		       .tcp_close = !dest->restore.tcp,
		       .ext_unix_sk = dest->restore.ext_unix_sk,
		       .file_locks = dest->restore.file_locks,
		       .link_remap = dest->restore.link_remap},
	    .fast_check = true,
	    .outlives_us = true,
	    .watch_fd = migrate_late_memory(dest) ? migrate_late_conn(dest)->in : 0,
	    .watched = on_lost,
	    .checked = on_checked,
	    .restored = on_restored,
	    .resumed = on_resumed,
	    .ctx = dest,
	};
	int status;
	int rc;

	snprintf(config, sizeof(config), "%s/" STATE_CONFIG_FILE, dest->images);
	/* from here on 0 and 1 are the container's, and no longer the connection */
	rc = migrate_streams_open(&dest->restore, err);
	/* CRIU keeps the lock, too: who asks what became of the container waits for the end of both. */
	if (rc == 0)
		rc = fd_set_cloexec(dest->receipt_fd, false, err);
	if (rc == 0)
		rc = container_restore(dest->rt, &opts, &status, err);
	(void)fd_set_cloexec(dest->receipt_fd, true, NULL);
	if (rc < 0)
		migrate_pager_cause(&dest->lazy.pager, migrate_late_conn(dest), err);
	return rc;
}

static int step_fetch(void *ctx, struct wh_error *err)
{
	return migrate_late_fetch(ctx, err);
}

/** The source has removed its own; without that word the receipt stays, since it may come and ask. */
static int step_done(void *ctx, struct wh_error *err)
{
	struct destination *dest = ctx;
	struct migrate_message msg;
	int rc;

	/* while the source's tasks are ended, which takes as long */
	migrate_images_remove(dest->images);
	rc = migrate_receive(&dest->conn, MIGRATE_WORK_MS, &msg, NULL);
	if (rc == 0 && msg.type == MIGRATE_DONE)
		(void)migrate_receipt_remove(dest->root_fd, dest->offer.number, dest->receipt_fd,
					     NULL);
	return 0;
}

static const struct step destination_steps[] = {
    {"read the offer",         step_offer,       undo_guard,  NULL       },
    {"read the configuration", step_config,      undo_config, NULL       },
    {"check",		  step_check,       NULL,        NULL       },
    {"await the start",        step_await_start, NULL,        NULL       },
    {"claim",		  step_claim,       undo_claim,  is_wanted  },
    {"receive images",         step_receive,     NULL,        is_wanted  },
    {"choose the image",       step_image,       NULL,        is_wanted  },
    {"choose what can wait",   step_defer,       NULL,        is_wanted  },
    {"post a pager",           step_pager,       undo_pager,  wants_pager},
    {"restore",		step_restore,     NULL,        is_wanted  },
    {"fetch memory",           step_fetch,       NULL,        wants_pager},
    {"await the end",          step_done,        NULL,        is_wanted  },
};

/** A source that lost us before: what became of its container? */
static int answer_query(struct destination *dest, struct wh_error *err)
{
	struct migrate_query query = {0};
	struct migrate_message msg;
	enum migrate_fate fate = MIGRATE_FATE_ABSENT;
	int rc;

	rc = migrate_document_decode(MIGRATE_DOCUMENT_QUERY, (const char *)dest->first.payload,
				     dest->first.len, &dest->arena, &query, err);
	if (rc == 0)
		rc = migrate_receipt_settle(dest->rt, query.number, query.id, SETTLE_TIMEOUT_MS,
					    &fate, err);
	if (rc == 0)
		rc = migrate_send_document(&dest->conn, MIGRATE_ANSWER, MIGRATE_DOCUMENT_ANSWER,
					   &(struct migrate_answer){.fate = fate}, &dest->arena,
					   err);
	if (rc == 0 && migrate_receive(&dest->conn, MIGRATE_WORK_MS, &msg, NULL) == 0 &&
	    msg.type == MIGRATE_DONE && fate != MIGRATE_FATE_ABSENT && fate != MIGRATE_FATE_READING)
		migrate_receipt_forget(dest->rt, query.number);
	return rc;
}

static int converse(struct destination *dest, struct wh_error *err)
{
	int rc = migrate_hello(&dest->conn, "wherry " WHERRY_VERSION, err);

	if (rc == 0)
		rc = migrate_receive(&dest->conn, MIGRATE_WORK_MS, &dest->first, err);
	if (rc < 0)
		return rc;
	if (dest->first.type == MIGRATE_QUERY)
		return answer_query(dest, err);
	if (dest->first.type == MIGRATE_OFFER) {
		rc = steps_run(destination_steps, ARRAY_LEN(destination_steps), dest, err);
		if (rc == 0) {
			undo_config(dest);
			undo_guard(dest);
		}
		return rc;
	}
	if (dest->first.type == MIGRATE_EOF || dest->first.type == MIGRATE_ABORT)
		return 0;
	return wh_fail(err, EPROTO, "%s began with '%s'", dest->conn.peer,
		       migrate_type_name(dest->first.type));
}

int container_migrate_receive(const struct runtime *rt, const char *criu, int in, int out,
			      bool *ret_told, struct wh_error *err)
{
	struct destination dest = {
	    .rt = rt,
	    .criu = criu,
	    .arena = {.fd = -EBADF},
	    .guard = MIGRATE_GUARD_NONE,
	    .lazy = MIGRATE_LAZY_NONE,
	    .images_fd = -EBADF,
	    .round_fd = -EBADF,
	    .server = PAGE_SERVER_NONE,
	    .root_fd = -EBADF,
	    .receipt_fd = -EBADF,
	};
	/* away from 0 and 1, which the container is given others for */
	auto_fd own_in = fcntl(in, F_DUPFD_CLOEXEC, 3);
	auto_fd own_out = fcntl(out, F_DUPFD_CLOEXEC, 3);
	int rc;

	*ret_told = false;
	/* before the first message, since the twin knows of none; what is missing the check finds again, and says */
	if (rt->cgroup_manager == CGROUP_MANAGER_SYSTEMD)
		(void)systemd_load(NULL);
	if (own_in < 0 || own_out < 0)
		return wh_fail(err, errno, "keep the connection apart");
	/* its own from here on: a pager may take them over */
	rc = migrate_conn_init(&dest.conn, fd_take(&own_in), fd_take(&own_out), "destination",
			       "the source", err);
	if (rc == 0)
		rc = arena_init(&dest.arena, err);
	if (rc == 0)
		rc = converse(&dest, err);
	if (rc < 0)
		*ret_told = dest.conn.given_up || migrate_send_abort(&dest.conn, err);
	fd_close(dest.images_fd);
	fd_close(dest.receipt_fd);
	fd_close(dest.root_fd);
	if (dest.conn.out != dest.conn.in)
		fd_close(dest.conn.out);
	fd_close(dest.conn.in);
	migrate_conn_done(&dest.conn);
	migrate_lazy_done(&dest.lazy);
	page_index_done(&dest.index);
	arena_done(&dest.arena);
	return rc;
}
