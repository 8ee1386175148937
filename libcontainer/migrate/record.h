/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What either end of a migration has written down, so that a kill -9 at any moment leaves a container whose
 * owner is known.
 *
 *	ROOT/ID/migrate.json                  source: in the state of the container itself, gone with it
 *	ROOT/.migrate/NUMBER/migrate.json     destination: there before the container is, locked by the
 *	                                      receiver (flock(2) on the directory) for as long as it lives
 *
 * Nothing is synced to disk: what a loss of power takes away, it takes the processes with.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/container.h"
#include "libcontainer/migrate/document.h"

#define MIGRATE_RECORD_FILE "migrate.json"
#define MIGRATE_RECORDS_DIR ".migrate"

/** Replace the record in @dir_fd. Returns 0 or -errno. */
int migrate_record_write(int dir_fd, const struct migrate_record *record, struct arena *arena,
			 struct wh_error *err);
/** Read the record in @dir_fd. Returns 0, -ENOENT (no text) when there is none, or -errno. */
int migrate_record_read(int dir_fd, struct arena *arena, struct migrate_record *ret_record,
			struct wh_error *err);
/** Remove it; a missing one is no error. Returns 0 or -errno. */
int migrate_record_remove(int dir_fd, struct wh_error *err);

/** Fill in what every record has: number, boot id, time, and us as the worker. Returns 0 or -errno. */
int migrate_record_begin(struct migrate_record *record, const char *number, const char *id,
			 struct arena *arena, struct wh_error *err);
/** Whether the worker of @record still lives. */
bool migrate_record_worker_alive(const struct migrate_record *record);

/** A new migration's number in @number. Returns 0 or -errno. */
int migrate_number_make(char number[MIGRATE_NUMBER_SIZE], struct wh_error *err);

/**
 * Destination: make (and lock) the directory of migration @number below the state root. Returns its fd, the
 * caller's, or -errno.
 */
int migrate_receipt_make(int root_fd, const char *number, struct wh_error *err);
/**
 * Destination: open the directory of migration @number and wait for its lock, that is for the end of the
 * receiver that may still be at it, but with a @timeout_ms of -1, which is to look only. Returns its fd; -ENOENT (no text) when there is none; -EBUSY; or -errno.
 */
int migrate_receipt_open(int root_fd, const char *number, int timeout_ms, struct wh_error *err);
/** Remove it with all in it. Only with the lock held. Returns 0 or -errno. */
int migrate_receipt_remove(int root_fd, const char *number, int dir_fd, struct wh_error *err);
