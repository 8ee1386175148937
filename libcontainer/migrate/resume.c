/* SPDX-License-Identifier: Apache-2.0 */
/* What an interrupted migration has left at the source, and finding out what became of the container. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "config.build.h"
#include "libcontainer/access.h"
#include "libcontainer/migrate/fault.h"
#include "libcontainer/migrate/host.h"
#include "libcontainer/migrate/migrate.h"
#include "libcontainer/migrate/record.h"
#include "libcontainer/migrate/source.h"

/** How often the guard or a person's --resume asks. */
#define ASK_ATTEMPTS 3

/** The first pause between two attempts, doubled each time. */
#define ASK_PAUSE_MS 250

#define THAW_TIMEOUT_MS 10000

static int ask_over(struct migrate_conn *conn, const struct migrate_record *record,
		    struct arena *arena, enum migrate_fate *ret_fate, struct wh_error *err)
{
	const struct migrate_query query = {.number = record->number, .id = record->id};
	struct migrate_answer answer = {0};
	int rc = migrate_hello(conn, "wherry " WHERRY_VERSION, err);

	if (rc == 0)
		rc = migrate_send_document(conn, MIGRATE_QUERY, MIGRATE_DOCUMENT_QUERY, &query,
					   arena, err);
	/* it waits for the end of the old receiver */
	if (rc == 0)
		rc = migrate_expect_document(conn, MIGRATE_ANSWER, 2 * MIGRATE_ANSWER_MS,
					     MIGRATE_DOCUMENT_ANSWER, arena, &answer, err);
	/* it forgets what it has answered for good */
	if (rc == 0 && answer.fate != MIGRATE_FATE_READING)
		(void)migrate_send(conn, MIGRATE_DONE, NULL, 0, NULL, 0, NULL);
	if (rc == 0)
		*ret_fate = (enum migrate_fate)answer.fate;
	return rc;
}

static int ask_once(const struct migrate_record *record, struct arena *arena,
		    enum migrate_fate *ret_fate, struct wh_error *err)
{
	struct migrate_transport transport = MIGRATE_TRANSPORT_NONE;
	struct migrate_destination destination;
	const char *argv[MIGRATE_WORDS_MAX];
	struct migrate_conn conn = {0};
	int rc;

	rc = migrate_destination_parse(record->destination, arena, &destination, err);
	destination.systemd = rc == 0 && record->systemd;
	if (rc == 0)
		rc = migrate_command_build(
		    &destination, str_empty(record->rsh) ? NULL : record->rsh,
		    str_empty(record->remote) ? NULL : record->remote,
		    str_empty(record->criu) ? NULL : record->criu, arena, argv, err);
	if (rc == 0)
		rc = migrate_transport_open(argv, &transport, err);
	if (rc < 0)
		return rc;
	rc = migrate_conn_init(&conn, transport.from, transport.to, "source", "the destination",
			       err);
	if (rc == 0)
		rc = ask_over(&conn, record, arena, ret_fate, err);
	(void)migrate_transport_close(&transport);
	migrate_conn_done(&conn);
	return rc;
}

static void pause_for(long ms)
{
	const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

/** Ask once, and again while it still reads, which is an answer. Returns -EBUSY when it does for too long. */
static int ask_until_read(const struct migrate_record *record, struct arena *arena,
			  int64_t until_ms, enum migrate_fate *ret_fate, struct wh_error *err)
{
	for (;;) {
		int rc = ask_once(record, arena, ret_fate, err);

		if (rc < 0 || *ret_fate != MIGRATE_FATE_READING)
			return rc;
		if (clock_ms() >= until_ms)
			return wh_fail(err, EBUSY, "the memory of '%s' is still being read there",
				       record->id);
		pause_for(ASK_PAUSE_MS);
	}
}

int migrate_ask(const struct migrate_record *record, unsigned int attempts,
		enum migrate_fate *ret_fate, struct wh_error *err)
{
	const int64_t until_ms = clock_ms() + MIGRATE_WORK_MS;
	struct wh_error reason = WH_ERROR_INIT;
	struct arena arena;
	long pause_ms = ASK_PAUSE_MS;
	int rc = arena_init(&arena, err);

	if (rc < 0)
		return rc;
	migrate_fault_end();
	for (unsigned int i = 0; i < attempts; i++) {
		if (i > 0)
			pause_for(pause_ms);
		pause_ms *= i > 0 ? 2 : 1;
		reason = WH_ERROR_INIT;
		rc = ask_until_read(record, &arena, until_ms, ret_fate, &reason);
		if (rc == 0 || rc == -EBUSY)
			break;
	}
	arena_done(&arena);
	if (rc < 0 && err)
		*err = reason;
	return rc;
}

int migrate_check_ours(int dir_fd, const char *id, struct wh_error *err)
{
	struct migrate_record record;
	struct arena arena;
	int rc = arena_init(&arena, err);

	if (rc < 0)
		return rc;
	rc = migrate_record_read(dir_fd, &arena, &record, err);
	if (rc == 0 && record.phase != MIGRATE_PHASE_SENDING) {
		wh_fail_kind(err, WH_ERROR_STATE, 0,
			     "container '%s' was handed over to '%s': 'wherry migrate --resume %s' "
			     "finds out where it is",
			     id, record.destination, id);
		rc = -EBUSY;
	}
	arena_done(&arena);
	return rc == -ENOENT ? 0 : rc;
}

/** Whether its cgroup may be frozen, so that it runs at one place only. */
static bool is_held(const struct migrate_record *record)
{
	return record->phase == MIGRATE_PHASE_HANDED_OVER || record->phase == MIGRATE_PHASE_SERVING;
}

/** Let it go on here, and forget the migration. */
static int go_on(struct access *access, const struct migrate_record *record, struct wh_error *err)
{
	int rc = 0;

	if (is_held(record)) {
		rc = access_open_cgroup(access, err);
		if (rc == 0)
			rc = cgroup_set_frozen(&access->cgroup, false, THAW_TIMEOUT_MS, err);
	}
	if (rc < 0)
		return rc;
	migrate_images_remove(record->images);
	return migrate_record_remove(access->dir_fd, err);
}

/** Whether the destination can have been told: it is told only once the container is held. */
static bool was_told(struct access *access, const struct migrate_record *record)
{
	return is_held(record) && access_open_cgroup(access, NULL) == 0 &&
	       cgroup_is_frozen(&access->cgroup) == 1;
}

static int resume_opened(const struct runtime *rt, struct access *access, bool take_back,
			 enum migrate_fate *ret_fate, enum migrate_where *ret_where,
			 struct wh_error *err)
{
	const char *id = access->record.id;
	struct migrate_record record;
	int rc = migrate_record_read(access->dir_fd, &access->arena, &record, err);

	if (rc == -ENOENT)
		wh_fail_kind(err, WH_ERROR_STATE, 0,
			     "no migration of container '%s' was interrupted", id);
	if (rc < 0)
		return rc;
	if (migrate_record_worker_alive(&record))
		return wh_fail_kind(err, WH_ERROR_STATE, 0,
				    "container '%s' is still being moved, by process %d", id,
				    (int)record.worker.pid);
	*ret_fate = MIGRATE_FATE_ABSENT;
	if (record.phase == MIGRATE_PHASE_MOVED) {
		/* known: it is asked only so that it forgets */
		(void)migrate_ask(&record, 1, ret_fate, NULL);
		*ret_fate = MIGRATE_FATE_RUNNING;
	} else if (!take_back && was_told(access, &record)) {
		rc = migrate_ask(&record, ASK_ATTEMPTS, ret_fate, err);
	}
	if (rc < 0) {
		*ret_where = MIGRATE_IN_DOUBT;
		wh_error_prefix(err,
				"container '%s' is held here, since it may run at '%s', which "
				"cannot be asked",
				id, record.destination);
		return rc;
	}
	if (*ret_fate == MIGRATE_FATE_ABSENT) {
		/* so that it leaves nothing of what it has received */
		if (record.phase == MIGRATE_PHASE_SENDING)
			(void)migrate_ask(&record, 1, &(enum migrate_fate){0}, NULL);
		return go_on(access, &record, err);
	}
	migrate_images_remove(record.images);
	state_unlock(access->dir_fd);
	return container_delete(rt, id, true, err);
}

int container_migrate_resume(const struct runtime *rt, const char *id, bool take_back,
			     enum migrate_fate *ret_fate, enum migrate_where *ret_where,
			     struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_LOCKED, err);

	*ret_where = MIGRATE_HERE;
	if (rc == 0)
		rc = resume_opened(rt, &access, take_back, ret_fate, ret_where, err);
	access_done(&access);
	return rc;
}
