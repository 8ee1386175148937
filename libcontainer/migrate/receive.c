/* SPDX-License-Identifier: Apache-2.0 */
/* The destination's rounds of memory, as they come in. */
#include <errno.h>

#include "base/fd.h"
#include "libcontainer/migrate/destination.h"
#include "libcontainer/migrate/images.h"
#include "libcontainer/migrate/pages.h"

/** What the images may hold beyond the memory that was announced: twice as much may be changed, and the rest. */
#define IMAGES_FACTOR  16
#define IMAGES_BESIDES (1ULL << 30)

/** Most rounds that are taken; a source of ours makes a dozen. */
#define ROUNDS_MAX 1000

/** How much more may come, memory on its way to CRIU in it: as much as was agreed on (*@ret_agreed), or as there is room for. */
static uint64_t images_limit(const struct destination *dest, uint64_t *ret_agreed)
{
	uint64_t memory = dest->offer.memory;
	uint64_t room = migrate_images_room(dest->images_fd);
	uint64_t limit =
	    memory > (UINT64_MAX >> 8) ? UINT64_MAX : memory * IMAGES_FACTOR + IMAGES_BESIDES;

	*ret_agreed = limit > dest->conn.received ? limit - dest->conn.received : 0;
	return *ret_agreed < room ? *ret_agreed : room;
}

/** What was received with a limit. The source keeps to what was agreed on: where there is less room, that is the error. */
static int check_room(const struct destination *dest, uint64_t limit, uint64_t agreed, int rc,
		      struct wh_error *err)
{
	if (rc != -EFBIG || limit == agreed)
		return rc;
	return wh_fail(err, ENOSPC, "take more than %llu MiB into '%s'",
		       (unsigned long long)(limit >> 20), dest->images);
}

/** The directory of the round that begins. Each may be the parent of the next one, which restores follow down to the first. */
static int open_round(struct destination *dest, struct wh_error *err)
{
	if (dest->rounds >= ROUNDS_MAX)
		return wh_fail(err, EPROTO, "%s sent more than %d rounds of memory",
			       dest->conn.peer, ROUNDS_MAX);
	dest->round_fd = migrate_images_make_round(dest->images_fd, dest->rounds, err);
	return dest->round_fd < 0 ? dest->round_fd : 0;
}

/** The next round's memory comes from CRIU to CRIU, before the rest of it. */
static int open_pages(struct destination *dest, const struct migrate_message *msg,
		      struct wh_error *err)
{
	int rc;

	if (dest->round_fd >= 0 || migrate_get_u64(msg->payload) != dest->rounds)
		return wh_fail(err, EPROTO, "%s sent memory of a round out of order",
			       dest->conn.peer);
	rc = open_round(dest, err);
	if (rc == 0)
		rc =
		    page_server_start(dest->criu, dest->round_fd, &dest->arena, &dest->server, err);
	return rc < 0 ? rc : migrate_send(&dest->conn, MIGRATE_STREAMING, NULL, 0, NULL, 0, err);
}

static int receive_round(struct destination *dest, const struct migrate_message *msg,
			 struct wh_error *err)
{
	struct migrate_round round;
	uint64_t limit, agreed;
	int rc = dest->round_fd < 0 ? open_round(dest, err) : 0;

	if (rc < 0)
		return rc;
	rc = page_server_result(&dest->server, err);
	if (rc < 0)
		return rc;
	limit = images_limit(dest, &agreed);
	rc = migrate_images_receive(&dest->conn, msg, dest->round_fd, dest->rounds, limit, &round,
				    err);
	rc = check_room(dest, limit, agreed, rc, err);
	dest->round_fd = fd_close(dest->round_fd);
	if (rc < 0)
		return rc;
	dest->rounds++;
	return 0;
}

static int receive_next(struct destination *dest, struct migrate_message *ret_msg,
			struct wh_error *err)
{
	uint64_t limit, agreed;
	int rc;

	if (dest->server.pidfd < 0)
		return migrate_receive(&dest->conn, MIGRATE_WORK_MS, ret_msg, err);
	limit = images_limit(dest, &agreed);
	rc = migrate_pages_receive(&dest->conn, &dest->server, limit, ret_msg, err);
	return check_room(dest, limit, agreed, rc, err);
}

/** Rounds, until what follows them. */
static int receive_rounds(struct destination *dest, struct wh_error *err)
{
	struct migrate_message msg;

	for (;;) {
		int rc = receive_next(dest, &msg, err);

		if (rc == 0 && msg.type == MIGRATE_RESTORE)
			return migrate_document_decode(MIGRATE_DOCUMENT_RESTORE,
						       (const char *)msg.payload, msg.len,
						       &dest->arena, &dest->restore, err);
		if (rc == 0 && msg.type == MIGRATE_STREAM)
			rc = open_pages(dest, &msg, err);
		else if (rc == 0 && msg.type == MIGRATE_ROUND)
			rc = receive_round(dest, &msg, err);
		else if (rc == 0 && (msg.type == MIGRATE_EOF || msg.type == MIGRATE_ABORT))
			rc = wh_fail(err, ECONNABORTED, "%s gave up", dest->conn.peer);
		else if (rc == 0)
			rc = wh_fail(err, EPROTO, "%s sent '%s' between two rounds",
				     dest->conn.peer, migrate_type_name(msg.type));
		if (rc < 0)
			return rc;
	}
}

int migrate_receive_rounds(struct destination *dest, struct wh_error *err)
{
	int rc = receive_rounds(dest, err);

	/* before the images are removed that it writes */
	page_server_end(&dest->server);
	dest->round_fd = fd_close(dest->round_fd);
	return rc;
}
