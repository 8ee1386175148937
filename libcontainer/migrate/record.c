/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/timestamp.h"
#include "libcontainer/state_store.h"

/** A record is a few hundred bytes; more than this is not ours. */
#define RECORD_MAX (64UL << 10)

int migrate_record_write(int dir_fd, const struct migrate_record *record, struct arena *arena,
			 struct wh_error *err)
{
	const char *json;
	size_t len;
	int rc = migrate_document_encode(MIGRATE_DOCUMENT_RECORD, record, arena, &json, &len, err);

	if (rc == 0)
		rc = file_replace(dir_fd, MIGRATE_RECORD_FILE, json, len, 0600, err);
	if (rc < 0)
		wh_error_prefix(err, "record of the migration of '%s'", record->id);
	return rc;
}

int migrate_record_read(int dir_fd, struct arena *arena, struct migrate_record *ret_record,
			struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	struct migrate_record record = {0};
	char *text;
	size_t len;
	int rc = file_read(dir_fd, MIGRATE_RECORD_FILE, RECORD_MAX, arena, &text, &len, &reason);

	if (rc == -ENOENT)
		return rc;
	if (rc == 0)
		rc = migrate_document_decode(MIGRATE_DOCUMENT_RECORD, text, len, arena, &record,
					     &reason);
	if (rc < 0) {
		wh_fail_kind(err, WH_ERROR_STATE, 0, "the record of a migration cannot be read: %s",
			     reason.message);
		return -EBADMSG;
	}
	*ret_record = record;
	return 0;
}

int migrate_record_remove(int dir_fd, struct wh_error *err)
{
	if (unlinkat(dir_fd, MIGRATE_RECORD_FILE, 0) < 0 && errno != ENOENT)
		return wh_fail(err, errno, "remove the record of a migration");
	return 0;
}

static const char *now_text(struct arena *arena)
{
	char text[TIMESTAMP_SIZE];

	timestamp_now(text);
	return arena_strdup(arena, text);
}

int migrate_record_begin(struct migrate_record *record, const char *number, const char *id,
			 struct arena *arena, struct wh_error *err)
{
	char boot_id[BOOT_ID_SIZE];
	int rc = process_boot_id(boot_id, err);

	if (rc < 0)
		return rc;
	*record = (struct migrate_record){
	    .number = number,
	    .id = id,
	    .destination = "",
	    .rsh = "",
	    .remote = "",
	    .criu = "",
	    .images = "",
	    .boot_id = arena_strdup(arena, boot_id),
	    .started = now_text(arena),
	    .worker = {.pid = getpid()},
	};
	if (!record->boot_id || !record->started)
		return wh_oom(err);
	rc = process_stat(record->worker.pid, &record->worker.start_time, NULL);
	return rc < 0 ? wh_fail(err, -rc, "read this process's start time") : 0;
}

bool migrate_record_worker_alive(const struct migrate_record *record)
{
	char boot_id[BOOT_ID_SIZE];
	auto_fd pidfd = -EBADF;

	if (process_boot_id(boot_id, NULL) < 0 || !streq(boot_id, record->boot_id))
		return false;
	pidfd = process_open(&record->worker);
	return pidfd >= 0;
}

int migrate_number_make(char number[MIGRATE_NUMBER_SIZE], struct wh_error *err)
{
	uint8_t random[(MIGRATE_NUMBER_SIZE - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return wh_fail(err, errno, "get random bytes");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(number + 2 * i, 3, "%02x", random[i]);
	return 0;
}

/** The directory of all receipts, made when it is missing. */
static int open_receipts(int root_fd, bool create, struct wh_error *err)
{
	int fd;

	if (create && mkdirat(root_fd, MIGRATE_RECORDS_DIR, 0700) < 0 && errno != EEXIST)
		return wh_fail(err, errno, "make '" MIGRATE_RECORDS_DIR "' in the state directory");
	fd = openat(root_fd, MIGRATE_RECORDS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !create)
		return -ENOENT;
	if (fd < 0)
		return wh_fail(err, errno, "open '" MIGRATE_RECORDS_DIR "' in the state directory");
	return fd;
}

int migrate_receipt_make(int root_fd, const char *number, struct wh_error *err)
{
	auto_fd receipts = open_receipts(root_fd, true, err);

	return receipts < 0 ? receipts : state_claim(receipts, number, err);
}

int migrate_receipt_open(int root_fd, const char *number, int timeout_ms, struct wh_error *err)
{
	auto_fd receipts = open_receipts(root_fd, false, err);
	auto_fd fd = -EBADF;
	int rc;

	if (receipts < 0)
		return receipts;
	fd = openat(receipts, number, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return wh_fail(err, errno, "open the record of migration %s", number);
	rc = timeout_ms < 0 ? 0 : state_lock_within(fd, timeout_ms);
	if (rc == -ENOENT)
		return rc;
	if (rc < 0)
		return wh_fail(err, -rc, "migration %s is still being received", number);
	return fd_take(&fd);
}

int migrate_receipt_remove(int root_fd, const char *number, int dir_fd, struct wh_error *err)
{
	auto_fd receipts = open_receipts(root_fd, false, err);

	if (receipts == -ENOENT)
		return 0;
	if (receipts < 0)
		return receipts;
	if (unlinkat(dir_fd, MIGRATE_RECORD_FILE, 0) < 0 && errno != ENOENT)
		return wh_fail(err, errno, "remove the record of migration %s", number);
	if (unlinkat(receipts, number, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return wh_fail(err, errno, "remove the record of migration %s", number);
	/* The last one takes the directory of all along. */
	(void)unlinkat(root_fd, MIGRATE_RECORDS_DIR, AT_REMOVEDIR);
	return 0;
}
