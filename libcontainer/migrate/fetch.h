/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destination, post-copy: what `criu lazy-pages` wants, what the source is asked for, and what is here before it is wanted.
 *
 * CRIU asks for one piece of memory and waits for it before it asks for the next, and for small pieces where the container
 * touches memory that is missing. So what follows such a piece is asked for as well, as far as it was left at the source and
 * without a gap, and CRIU finds it here. It may be: the source stands still, and its memory does not change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "libcontainer/checkpoint/pagemap.h"
#include "libcontainer/migrate/protocol.h"

/** What `criu lazy-pages` and a page server say to each other; after an answer come as many pages. */
struct migrate_page_request {
	uint32_t command;
	uint64_t count; /* of pages */
	uint64_t address;
	uint64_t task;
};

enum {
	PAGE_SERVER_ADD = 6, /* an answer; with PAGE_SERVER_PRESENT << 16 */
	PAGE_SERVER_GET = 7,
	PAGE_SERVER_CLOSE = 0x1023,
	PAGE_SERVER_FORCE_CLOSE = 0x1024,
};
#define PAGE_SERVER_PRESENT 4U

/** How long one is on the socket at the most. */
#define MIGRATE_PAGE_REQUEST_MAX 32

/**
 * How long one is as CRIU @version (major * 10000 + minor * 100 + sublevel) has it. Up to 4.1 the number of pages has 32
 * bits, since then 64: struct page_server_iov in CRIU's criu/page-xfer.c.
 */
size_t migrate_page_request_size(unsigned int version);
/** Put it into @raw (MIGRATE_PAGE_REQUEST_MAX bytes); @request->count is one that fits. */
void migrate_page_request_encode(const struct migrate_page_request *request, unsigned int version,
				 void *raw);
/** Read it from the migrate_page_request_size() bytes at @raw. */
struct migrate_page_request migrate_page_request_decode(const void *raw, unsigned int version);

/** Most requests of CRIU's, and of ours, that may be without an answer. */
#define MIGRATE_FETCH_PENDING_MAX 256U
/** What is asked for ahead at once, may be on its way, and may be here before it is wanted; the last is a power of two. */
#define MIGRATE_AHEAD_PIECE  (256U << 10)
#define MIGRATE_AHEAD_FLIGHT (512U << 10)
#define MIGRATE_AHEAD_ROOM   (4U << 20)

/** A request without an answer. */
struct migrate_pending {
	struct migrate_range range;
	bool
	    ahead; /* CRIU's: what it wants is, or will be, in the room. Ours: it is for the room */
	bool stale; /* ours: nobody wants it any more */
};

struct migrate_pending_queue {
	struct migrate_pending items[MIGRATE_FETCH_PENDING_MAX];
	size_t first;
	size_t count;
};

/** Memory of one process that is asked for ahead: from @start to @end it is in the room, to @asked on its way. */
struct migrate_ahead {
	uint64_t task;
	uint64_t start;
	uint64_t end;
	uint64_t asked;
	uint64_t limit;      /* where it will end */
	unsigned int passed; /* requests for something else since it was used last */
};

struct migrate_fetch {
	struct migrate_conn *source; /* lent */
	int criu;                    /* its socket; lent. -EBADF: it is gone */
	unsigned int version;        /* of it */
	int answer_ms;               /* how long it may leave unread what it wants */
	struct lazy_ranges left;     /* at the source; lent */
	uint8_t *room;
	struct migrate_ahead ahead;
	struct migrate_pending_queue wanted; /* by CRIU, which is answered in this order */
	struct migrate_pending_queue asked;  /* of the source, which answers in this order */
	uint64_t coming;                     /* bytes of the answer that is being received */
};

/** Allocate the room; the lent fields are set. Returns 0 or -ENOMEM. Undone by migrate_fetch_done(). */
int migrate_fetch_init(struct migrate_fetch *fetch, struct wh_error *err);
/** Free the room. */
void migrate_fetch_done(struct migrate_fetch *fetch);

/** Whether more can be wanted now. */
bool migrate_fetch_has_room(const struct migrate_fetch *fetch);
/** Say @len bytes to CRIU. Returns 0, -EPIPE when it is gone, -ETIMEDOUT when it does not read, or -errno. */
int migrate_fetch_say(struct migrate_fetch *fetch, const void *data, size_t len,
		      struct wh_error *err);
/** Say to CRIU that the pages of @range follow, all of which have to be said next. Returns as migrate_fetch_say(). */
int migrate_fetch_answer(struct migrate_fetch *fetch, const struct migrate_range *range,
			 struct wh_error *err);
/** CRIU wants @range. Returns 0, or -errno: -EPIPE with a source that is not broken when CRIU is gone. */
int migrate_fetch_want(struct migrate_fetch *fetch, const struct migrate_range *range,
		       struct wh_error *err);
/** GIVEN or GIVEN_DATA has come from the source. Returns the same, and -EPROTO for what was not asked for. */
int migrate_fetch_given(struct migrate_fetch *fetch, const struct migrate_message *msg,
			struct wh_error *err);
/** CRIU is gone: nothing is wanted any more. What still comes may be passed by. */
void migrate_fetch_stop(struct migrate_fetch *fetch);
