/* SPDX-License-Identifier: Apache-2.0 */
/* The destination's memory that comes once the container runs: from the source (post-copy), or from the images here. */
#include <errno.h>
#include <sched.h>

#include "base/log.h"
#include "base/process.h"
#include "libcontainer/migrate/destination.h"
#include "libcontainer/migrate/fault.h"
#include "libcontainer/migrate/migrate.h"
#include "oci-spec/namespace.h"

/**
 * Memory of that many bytes and more is read once the container runs: so much takes some tenths of a second, and to wait for it
 * longer than to prepare for that.
 */
#define DEFERRED_MIN (64ULL << 20)

bool migrate_late_memory(const struct destination *dest)
{
	return dest->offer.post_copy || dest->deferred;
}

struct migrate_conn *migrate_late_conn(struct destination *dest)
{
	return dest->deferred ? &dest->lazy.link : &dest->conn;
}

/**
 * CRIU's restore reads all memory before anything runs. Where it is much, it is read later: unless several processes have it, which
 * may share it as fork(2) left it, and would not any more; or in a user namespace, whose root may not have a userfaultfd.
 */
void migrate_late_choose(struct destination *dest)
{
	struct wh_error reason = WH_ERROR_INIT;
	uint64_t all, most;
	int rc;

	if (dest->offer.post_copy || !dest->restore.early || !dest->host.support.lazy_pages ||
	    oci_namespace_find(dest->spec->linux_, CLONE_NEWUSER))
		return;
	rc = page_index_read(dest->images_fd, dest->rounds, &dest->index, &reason);
	if (rc < 0) {
		log_debug("all memory is read before '%s' runs: %s", dest->offer.id,
			  reason.message);
		return;
	}
	all = page_index_size(&dest->index, &most);
	dest->deferred = most >= DEFERRED_MIN && most >= all - all / 4;
}

int migrate_late_start(struct destination *dest, struct wh_error *err)
{
	const unsigned int version = dest->host.support.criu_version;
	int rc;

	if (dest->deferred)
		rc = migrate_lazy_start_stored(&dest->lazy, dest->criu, dest->image, version,
					       &dest->index, dest->images_fd, err);
	else
		rc = migrate_lazy_start(&dest->lazy, dest->criu, dest->image, version, &dest->conn,
					err);
	if (rc < 0)
		return rc;
	/* who takes away what we leave ends it, too */
	dest->record.pager.pid = dest->lazy.criu.pid;
	rc = process_stat(dest->record.pager.pid, &dest->record.pager.start_time, NULL);
	if (rc < 0)
		wh_fail(err, -rc, "look at process %d", (int)dest->record.pager.pid);
	else
		rc = migrate_receiver_set_phase(dest, MIGRATE_PHASE_RECEIVING, err);
	if (rc < 0)
		lazy_pages_end(&dest->lazy.criu);
	return rc;
}

int migrate_late_change_image(const struct destination *dest, int image_fd, struct wh_error *err)
{
	return dest->deferred ? page_index_defer(&dest->index, image_fd, err) : 0;
}

/**
 * The source is gone, or gave up, or the pager has, and with it the memory that the restore may wait for. No code of the container
 * has run: without CRIU's process it goes on with zeros, as far as our question, which is then answered with no.
 */
void migrate_late_lost(struct destination *dest)
{
	lazy_pages_end(&dest->lazy.criu);
}

static int fetch(struct destination *dest, struct wh_error *err)
{
	int rc = migrate_lazy_finish(&dest->lazy, &dest->conn, err);

	/* post-copy it hears that on its way to the source */
	if (rc == 0 && dest->deferred)
		(void)migrate_send(&dest->lazy.link, MIGRATE_COMPLETE, NULL, 0, NULL, 0, NULL);
	if (rc < 0)
		migrate_pager_cause(&dest->lazy.pager, migrate_late_conn(dest), err);
	if (rc < 0 && dest->deferred)
		wh_error_prefix(err, "memory could not be read while the container runs, which a "
				     "migration with --whole does not need");
	else if (rc < 0 && !dest->lazy.criu.pid)
		wh_error_prefix(err, "memory could not be fetched on access, which a migration "
				     "without --lazy does not need");
	return rc;
}

/**
 * Until all memory is here the source keeps its container: post-copy, it has what is missing. What runs here without it
 * must be gone before the source learns that.
 */
int migrate_late_fetch(struct destination *dest, struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	int rc = fetch(dest, err);

	migrate_fault("destination", "fetched", NULL);
	if (rc == 0)
		rc = migrate_receiver_set_phase(dest, MIGRATE_PHASE_RUNNING, err);
	migrate_fault("destination", "whole", NULL);
	if (rc == 0) {
		(void)migrate_send(&dest->conn, MIGRATE_COMPLETE, NULL, 0, NULL, 0, NULL);
		return 0;
	}
	if (container_delete(dest->rt, dest->offer.id, true, &reason) < 0) {
		log_warning("container '%s' runs here without all of its memory, and cannot be "
			    "removed: %s",
			    dest->offer.id, reason.message);
		dest->left = true;
		dest->conn.broken = true;
	}
	return rc;
}
