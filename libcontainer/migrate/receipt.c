/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/receipt.h"

#include <errno.h>
#include <signal.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/access.h"
#include "libcontainer/migrate/host.h"
#include "libcontainer/migrate/record.h"

/** A receipt's directory, locked, with its record. */
struct receipt {
	int root_fd;
	int dir_fd;
	struct arena arena;
	struct migrate_record record;
};

/** @timeout_ms: for the lock; -1: without it */
static int open_receipt(struct receipt *receipt, const struct runtime *rt, const char *number,
			int timeout_ms, struct wh_error *err)
{
	int rc;

	*receipt = (struct receipt){.root_fd = -EBADF, .dir_fd = -EBADF, .arena = {.fd = -EBADF}};
	receipt->root_fd = state_root_open(rt, false, err);
	if (receipt->root_fd < 0)
		return receipt->root_fd;
	receipt->dir_fd = migrate_receipt_open(receipt->root_fd, number, timeout_ms, err);
	if (receipt->dir_fd < 0)
		return receipt->dir_fd;
	rc = arena_init(&receipt->arena, err);
	return rc < 0
		   ? rc
		   : migrate_record_read(receipt->dir_fd, &receipt->arena, &receipt->record, err);
}

static void close_receipt(struct receipt *receipt)
{
	fd_close(receipt->dir_fd);
	fd_close(receipt->root_fd);
	arena_done(&receipt->arena);
}

/** Whether the container of that id is the one which this migration's receiver made. */
static bool is_its_container(const struct receipt *receipt, const struct access *access)
{
	const struct process_id *creator = &access->record.creator;
	const struct process_id *worker = &receipt->record.worker;

	return creator->pid == worker->pid && creator->start_time == worker->start_time &&
	       streq(access->record.boot_id, receipt->record.boot_id);
}

/** Take away what the receiver has left of a container that never ran. */
static int remove_rest(const struct receipt *receipt, const struct runtime *rt, const char *id,
		       struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_UNLOCKED, NULL);
	bool its = rc == 0 ? is_its_container(receipt, &access) : rc == -EBADMSG;

	access_done(&access);
	return its ? container_delete(rt, id, true, err) : 0;
}

/** The process that gave memory to what is gone now. */
static void end_pager(const struct migrate_record *record)
{
	auto_fd pidfd = record->pager.pid > 0 ? process_open(&record->pager) : -ESRCH;

	if (pidfd >= 0)
		sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
}

static bool still_runs(const struct runtime *rt, const char *id)
{
	struct access access;
	bool runs = access_open(&access, rt, id, STATE_UNLOCKED, NULL) == 0 &&
		    access.status != OCI_STATUS_STOPPED;

	access_done(&access);
	return runs;
}

static int settle(struct receipt *receipt, const struct runtime *rt, const char *id,
		  enum migrate_fate *ret_fate, struct wh_error *err)
{
	bool runs = still_runs(rt, id);
	bool let_go = migrate_images_were_let_go(receipt->record.images);
	int rc;

	migrate_images_remove(receipt->record.images);
	if (receipt->record.phase == MIGRATE_PHASE_RUNNING) {
		*ret_fate = runs ? MIGRATE_FATE_RUNNING : MIGRATE_FATE_ENDED;
		return 0;
	}
	/* CRIU, which has ended with the lock, kills what the receiver's last word did not let go. */
	if (receipt->record.phase == MIGRATE_PHASE_COMMITTED && runs && let_go) {
		*ret_fate = MIGRATE_FATE_RUNNING;
		receipt->record.phase = MIGRATE_PHASE_RUNNING;
		return migrate_record_write(receipt->dir_fd, &receipt->record, &receipt->arena,
					    err);
	}
	/* RECEIVING: it never ran. FETCHING: it did, and the memory that it lacks will not come any more. */
	rc = remove_rest(receipt, rt, id, err);
	if (rc < 0)
		return rc;
	end_pager(&receipt->record);
	*ret_fate = MIGRATE_FATE_ABSENT;
	return migrate_receipt_remove(receipt->root_fd, receipt->record.number, receipt->dir_fd,
				      err);
}

/**
 * A receiver that is gone may have left a CRIU that waits for memory which will never come, with the lock. Before the
 * commit it goes on without the process that gives memory, since nothing runs; later it ends with the container.
 */
static int free_lock(const struct runtime *rt, const char *number, const char *id,
		     struct wh_error *err)
{
	struct receipt receipt;
	int rc = open_receipt(&receipt, rt, number, -1, err);

	if (rc == 0 && receipt.record.pager.pid > 0 && streq(receipt.record.id, id) &&
	    !migrate_record_worker_alive(&receipt.record)) {
		if (receipt.record.phase == MIGRATE_PHASE_FETCHING)
			rc = remove_rest(&receipt, rt, id, err);
		if (rc == 0 && receipt.record.phase != MIGRATE_PHASE_RUNNING)
			end_pager(&receipt.record);
	}
	close_receipt(&receipt);
	return rc == -ENOENT ? 0 : rc;
}

/** Whether the receiver, which holds the lock, has only to read the memory of a container that runs. */
static bool still_reads(const struct runtime *rt, const char *number, const char *id)
{
	struct receipt receipt;
	bool reads = open_receipt(&receipt, rt, number, -1, NULL) == 0 &&
		     receipt.record.phase == MIGRATE_PHASE_FETCHING &&
		     streq(receipt.record.id, id) && migrate_record_worker_alive(&receipt.record);

	close_receipt(&receipt);
	return reads;
}

int migrate_receipt_settle(const struct runtime *rt, const char *number, const char *id,
			   int timeout_ms, enum migrate_fate *ret_fate, struct wh_error *err)
{
	struct receipt receipt;
	int rc = free_lock(rt, number, id, err);

	if (rc < 0)
		return rc;
	rc = open_receipt(&receipt, rt, number, timeout_ms, err);
	if (rc == 0 && !streq(receipt.record.id, id))
		rc = wh_fail(err, EINVAL, "migration %s is of container '%s'", number,
			     receipt.record.id);
	else if (rc == 0)
		rc = settle(&receipt, rt, id, ret_fate, err);
	else if (rc == -ENOENT) {
		/* It never came to a claim, or has undone itself. */
		*ret_fate = MIGRATE_FATE_ABSENT;
		rc = 0;
	} else if (rc == -EBUSY && still_reads(rt, number, id)) {
		*ret_fate = MIGRATE_FATE_READING;
		if (err)
			*err = WH_ERROR_INIT;
		rc = 0;
	}
	close_receipt(&receipt);
	return rc;
}

void migrate_receipt_forget(const struct runtime *rt, const char *number)
{
	struct wh_error err = WH_ERROR_INIT;
	struct receipt receipt;

	if (open_receipt(&receipt, rt, number, 0, &err) == 0)
		(void)migrate_receipt_remove(receipt.root_fd, number, receipt.dir_fd, &err);
	if (wh_error_set(&err))
		log_warning("%s", err.message);
	close_receipt(&receipt);
}
