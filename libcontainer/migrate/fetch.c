/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/fetch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcontainer/migrate/move.h"

static_assert((MIGRATE_AHEAD_ROOM & (MIGRATE_AHEAD_ROOM - 1)) == 0, "a place for each address");

/** The first CRIU that counts pages in 64 bits. */
#define WIDE_COUNT_CRIU 40200U

/** So many requests for something else, and nobody is expected any more to go on with what was asked for ahead. */
#define PASSED_MAX 8

/** A request on the socket, in the order of bytes of the host. */
struct narrow_request {
	uint32_t command;
	uint32_t count;
	uint64_t address;
	uint64_t task;
};
struct wide_request {
	uint32_t command;
	uint32_t unused;
	uint64_t count;
	uint64_t address;
	uint64_t task;
};
static_assert(sizeof(struct narrow_request) == 24, "as CRIU has it");
static_assert(sizeof(struct wide_request) == MIGRATE_PAGE_REQUEST_MAX, "as CRIU has it");

size_t migrate_page_request_size(unsigned int version)
{
	return version < WIDE_COUNT_CRIU ? sizeof(struct narrow_request)
					 : sizeof(struct wide_request);
}

void migrate_page_request_encode(const struct migrate_page_request *request, unsigned int version,
				 void *raw)
{
	const struct narrow_request narrow = {.command = request->command,
					      .count = (uint32_t)request->count,
					      .address = request->address,
					      .task = request->task};
	const struct wide_request wide = {.command = request->command,
					  .count = request->count,
					  .address = request->address,
					  .task = request->task};

	if (version < WIDE_COUNT_CRIU)
		memcpy(raw, &narrow, sizeof(narrow));
	else
		memcpy(raw, &wide, sizeof(wide));
}

struct migrate_page_request migrate_page_request_decode(const void *raw, unsigned int version)
{
	struct narrow_request narrow;
	struct wide_request wide;

	if (version < WIDE_COUNT_CRIU) {
		memcpy(&narrow, raw, sizeof(narrow));
		return (struct migrate_page_request){narrow.command, narrow.count, narrow.address,
						     narrow.task};
	}
	memcpy(&wide, raw, sizeof(wide));
	return (struct migrate_page_request){wide.command, wide.count, wide.address, wide.task};
}

/* Requests */

static struct migrate_pending *pending_at(struct migrate_pending_queue *queue, size_t i)
{
	return &queue->items[(queue->first + i) % MIGRATE_FETCH_PENDING_MAX];
}

static void push(struct migrate_pending_queue *queue, const struct migrate_range *range, bool ahead)
{
	assert(queue->count < MIGRATE_FETCH_PENDING_MAX);
	*pending_at(queue, queue->count++) =
	    (struct migrate_pending){.range = *range, .ahead = ahead};
}

static void pop(struct migrate_pending_queue *queue)
{
	assert(queue->count > 0);
	queue->first = (queue->first + 1) % MIGRATE_FETCH_PENDING_MAX;
	queue->count--;
}

static int ask(struct migrate_fetch *fetch, const struct migrate_range *range, bool ahead,
	       struct wh_error *err)
{
	push(&fetch->asked, range, ahead);
	return migrate_send_range(fetch->source, MIGRATE_WANT, range, err);
}

/* Memory that is asked for ahead */

static uint64_t page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool is_ahead(const struct migrate_ahead *ahead, const struct migrate_range *range)
{
	return range->task == ahead->task && range->address >= ahead->start &&
	       range->address < ahead->asked;
}

/** Whether CRIU waits for something out of the room. */
static bool room_is_wanted(struct migrate_fetch *fetch)
{
	for (size_t i = 0; i < fetch->wanted.count; i++) {
		if (pending_at(&fetch->wanted, i)->ahead)
			return true;
	}
	return false;
}

/** CRIU wants more than the one page that somebody touched, and nobody has it: from there it will go on. */
static void begin_ahead(struct migrate_fetch *fetch, const struct migrate_range *range)
{
	struct migrate_ahead *ahead = &fetch->ahead;
	uint64_t start = range->address + range->count * page_size();

	if (room_is_wanted(fetch))
		return;
	if (ahead->start < ahead->limit && ++ahead->passed < PASSED_MAX)
		return;
	for (size_t i = 0; i < fetch->asked.count; i++)
		pending_at(&fetch->asked, i)->stale = pending_at(&fetch->asked, i)->ahead;
	*ahead = (struct migrate_ahead){
	    .task = range->task,
	    .start = start,
	    .end = start,
	    .asked = start,
	    .limit = lazy_ranges_end(&fetch->left, range->task, start),
	};
}

/** Ask for what is not on its way yet, as long as not too much is, and as there is room for it. */
static int ask_ahead(struct migrate_fetch *fetch, struct wh_error *err)
{
	struct migrate_ahead *ahead = &fetch->ahead;
	int rc = 0;

	while (rc == 0 && ahead->asked < ahead->limit &&
	       ahead->asked - ahead->end < MIGRATE_AHEAD_FLIGHT &&
	       ahead->asked - ahead->start <= MIGRATE_AHEAD_ROOM - MIGRATE_AHEAD_PIECE &&
	       fetch->asked.count < MIGRATE_FETCH_PENDING_MAX / 2) {
		uint64_t len = ahead->limit - ahead->asked;

		if (len > MIGRATE_AHEAD_PIECE)
			len = MIGRATE_AHEAD_PIECE;
		rc = ask(fetch,
			 &(struct migrate_range){.task = ahead->task,
						 .address = ahead->asked,
						 .count = len / page_size()},
			 true, err);
		ahead->asked += len;
	}
	return rc;
}

/** Where @address has its place in the room; *@len is cut at the room's end. */
static uint8_t *place_of(const struct migrate_fetch *fetch, uint64_t address, size_t *len)
{
	size_t offset = (size_t)(address & (MIGRATE_AHEAD_ROOM - 1));

	if (*len > MIGRATE_AHEAD_ROOM - offset)
		*len = MIGRATE_AHEAD_ROOM - offset;
	return fetch->room + offset;
}

static void put_ahead(struct migrate_fetch *fetch, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t part = len;
		uint8_t *place = place_of(fetch, fetch->ahead.end, &part);

		memcpy(place, data, part);
		fetch->ahead.end += part;
		data += part;
		len -= part;
	}
}

/** @range was given to CRIU: what lies before its end is not wanted any more, unless CRIU waits for it already. */
static void let_go(struct migrate_fetch *fetch, const struct migrate_range *range)
{
	uint64_t start = range->address + range->count * page_size();

	/* a page that was touched says nothing of how far CRIU is with the rest */
	if (range->count == 1 && range->address != fetch->ahead.start)
		return;
	for (size_t i = 0; i < fetch->wanted.count; i++) {
		const struct migrate_pending *pending = pending_at(&fetch->wanted, i);

		if (pending->ahead && pending->range.address < start)
			start = pending->range.address;
	}
	if (start > fetch->ahead.start)
		fetch->ahead.start = start;
}

/* CRIU */

int migrate_fetch_say(struct migrate_fetch *fetch, const void *data, size_t len,
		      struct wh_error *err)
{
	int rc = migrate_put(fetch->criu, data, len, fetch->answer_ms);

	/* it is gone, and has left something unread */
	if (rc == -ECONNRESET)
		rc = -EPIPE;
	if (rc == -ETIMEDOUT)
		return wh_fail(err, ETIMEDOUT,
			       "'criu lazy-pages' has not read for %d s what it was given",
			       fetch->answer_ms / 1000);
	return rc < 0 ? wh_fail(err, -rc, "give memory to 'criu lazy-pages'") : 0;
}

int migrate_fetch_answer(struct migrate_fetch *fetch, const struct migrate_range *range,
			 struct wh_error *err)
{
	const struct migrate_page_request head = {
	    .command = PAGE_SERVER_ADD | PAGE_SERVER_PRESENT << 16,
	    .count = range->count,
	    .address = range->address,
	    .task = range->task,
	};
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX];

	migrate_page_request_encode(&head, fetch->version, raw);
	return migrate_fetch_say(fetch, raw, migrate_page_request_size(fetch->version), err);
}

static int give_ahead(struct migrate_fetch *fetch, const struct migrate_range *range,
		      struct wh_error *err)
{
	uint64_t address = range->address;
	size_t len = (size_t)(range->count * page_size());
	int rc = migrate_fetch_answer(fetch, range, err);

	while (rc == 0 && len > 0) {
		size_t part = len;
		const uint8_t *place = place_of(fetch, address, &part);

		rc = migrate_fetch_say(fetch, place, part, err);
		address += part;
		len -= part;
	}
	return rc;
}

/** Answer what CRIU wants out of the room, as far as it is there, and not before what it wanted earlier. */
static int serve(struct migrate_fetch *fetch, struct wh_error *err)
{
	while (fetch->wanted.count > 0 && pending_at(&fetch->wanted, 0)->ahead) {
		struct migrate_range range = pending_at(&fetch->wanted, 0)->range;
		uint64_t end = fetch->ahead.end;
		uint64_t there = end > range.address ? (end - range.address) / page_size() : 0;
		int rc;

		if (there == 0)
			return 0;
		/* fewer than it wants will do */
		if (range.count > there)
			range.count = there;
		rc = give_ahead(fetch, &range, err);
		if (rc < 0)
			return rc;
		pop(&fetch->wanted);
		let_go(fetch, &range);
	}
	return 0;
}

/* What both say */

int migrate_fetch_init(struct migrate_fetch *fetch, struct wh_error *err)
{
	fetch->room = malloc(MIGRATE_AHEAD_ROOM);
	return fetch->room ? 0 : wh_oom(err);
}

void migrate_fetch_done(struct migrate_fetch *fetch)
{
	free(fetch->room);
	fetch->room = NULL;
}

bool migrate_fetch_has_room(const struct migrate_fetch *fetch)
{
	return fetch->wanted.count < MIGRATE_FETCH_PENDING_MAX &&
	       fetch->asked.count < MIGRATE_FETCH_PENDING_MAX;
}

int migrate_fetch_want(struct migrate_fetch *fetch, const struct migrate_range *range,
		       struct wh_error *err)
{
	bool ahead = is_ahead(&fetch->ahead, range);
	int rc = 0;

	push(&fetch->wanted, range, ahead);
	if (ahead)
		fetch->ahead.passed = 0;
	else
		rc = ask(fetch, range, false, err);
	if (rc == 0 && !ahead && range->count > 1)
		begin_ahead(fetch, range);
	if (rc == 0)
		rc = serve(fetch, err);
	return rc < 0 ? rc : ask_ahead(fetch, err);
}

/** The head of an answer: it has to be that to what was asked for first. What is for the room has to be all of it. */
static int on_given(struct migrate_fetch *fetch, const struct migrate_range *range,
		    struct wh_error *err)
{
	const struct migrate_pending *pending = pending_at(&fetch->asked, 0);

	if (fetch->coming > 0 || fetch->asked.count == 0 || range->task != pending->range.task ||
	    range->address != pending->range.address || range->count == 0 ||
	    range->count > pending->range.count ||
	    (pending->ahead && range->count != pending->range.count))
		return wh_fail(err, EPROTO, "the source sent pages out of order");
	fetch->coming = range->count * page_size();
	return pending->ahead ? 0 : migrate_fetch_answer(fetch, range, err);
}

static int on_data(struct migrate_fetch *fetch, const uint8_t *data, size_t len,
		   struct wh_error *err)
{
	const struct migrate_pending *pending = pending_at(&fetch->asked, 0);
	int rc = 0;

	if (len > fetch->coming)
		return wh_fail(err, EPROTO, "the source sent memory that nobody wants");
	fetch->coming -= len;
	if (!pending->ahead)
		rc = migrate_fetch_say(fetch, data, len, err);
	else if (!pending->stale)
		put_ahead(fetch, data, len);
	if (rc < 0 || fetch->coming > 0)
		return rc;
	/* what CRIU wanted before was asked for before, and is answered */
	if (!pending->ahead)
		pop(&fetch->wanted);
	pop(&fetch->asked);
	rc = serve(fetch, err);
	return rc < 0 ? rc : ask_ahead(fetch, err);
}

int migrate_fetch_given(struct migrate_fetch *fetch, const struct migrate_message *msg,
			struct wh_error *err)
{
	struct migrate_range range;

	if (msg->type == MIGRATE_GIVEN_DATA)
		return on_data(fetch, msg->payload, msg->len, err);
	range = migrate_get_range(msg);
	return on_given(fetch, &range, err);
}

void migrate_fetch_stop(struct migrate_fetch *fetch)
{
	fetch->criu = -EBADF;
	fetch->wanted.count = 0;
	fetch->asked.count = 0;
	fetch->ahead.limit = 0;
}
