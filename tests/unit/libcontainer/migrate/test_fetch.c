/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/fetch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

#define PAGE          4096U
#define PIECE_PAGES   (MIGRATE_AHEAD_PIECE / PAGE)
#define FLIGHT_PIECES (MIGRATE_AHEAD_FLIGHT / MIGRATE_AHEAD_PIECE)

/** The test is CRIU, and the source, whose every page has its own number in it. */
struct fixture {
	int wire[2];
	int criu[2];
	struct migrate_conn near;
	struct migrate_conn source;
	struct migrate_fetch fetch;
	struct lazy_range ranges[2];
};

static int setup(void **state)
{
	static struct fixture f;
	const int room = 16 << 20;

	f = (struct fixture){
	    .ranges = {{5, 0x1000 * PAGE, 0x3000 * PAGE}, {6, 0x1000 * PAGE, 0x2000 * PAGE}}
        };
	*state = &f;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.wire) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.criu) < 0 ||
	    migrate_conn_init(&f.near, f.wire[0], f.wire[0], "destination", "the source", NULL) <
		0 ||
	    migrate_conn_init(&f.source, f.wire[1], f.wire[1], "source", "the destination", NULL) <
		0)
		return -1;
	/* nobody reads while the other writes */
	for (int i = 0; i < 2; i++) {
		(void)setsockopt(f.criu[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
		(void)setsockopt(f.wire[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	}
	f.fetch = (struct migrate_fetch){
	    .source = &f.near,
	    .criu = f.criu[1],
	    .version = 40200,
	    .answer_ms = 5000,
	    .left = {f.ranges, 2}
        };
	return migrate_fetch_init(&f.fetch, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	migrate_fetch_done(&f->fetch);
	migrate_conn_done(&f->near);
	migrate_conn_done(&f->source);
	for (int i = 0; i < 2; i++) {
		fd_close(f->wire[i]);
		fd_close(f->criu[i]);
	}
	return 0;
}

/** @page and @count in pages. */
static void want(struct fixture *f, uint64_t task, uint64_t page, uint64_t count)
{
	const struct migrate_range range = {.task = task, .address = page * PAGE, .count = count};

	assert_int_equal(migrate_fetch_want(&f->fetch, &range, NULL), 0);
}

/** The source has been asked for this next. */
static void is_asked(struct fixture *f, uint64_t task, uint64_t page, uint64_t count)
{
	struct migrate_message msg;
	struct migrate_range range;

	assert_int_equal(migrate_expect(&f->source, MIGRATE_WANT, 1000, &msg, NULL), 0);
	range = migrate_get_range(&msg);
	assert_int_equal(range.task, task);
	assert_int_equal(range.address / PAGE, page);
	assert_int_equal(range.count, count);
}

static void is_asked_nothing(struct fixture *f)
{
	char byte;

	assert_int_equal(recv(f->wire[1], &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
}

/** One message of the source's gets there. Returns what became of it. */
static int deliver(struct fixture *f)
{
	struct migrate_message msg;

	assert_int_equal(migrate_receive(&f->near, 1000, &msg, NULL), 0);
	return migrate_fetch_given(&f->fetch, &msg, NULL);
}

static int give_head(struct fixture *f, uint64_t task, uint64_t page, uint64_t count)
{
	const struct migrate_range range = {.task = task, .address = page * PAGE, .count = count};

	assert_int_equal(migrate_send_range(&f->source, MIGRATE_GIVEN, &range, NULL), 0);
	return deliver(f);
}

/** The source answers in pieces that are no pages. */
static void give(struct fixture *f, uint64_t task, uint64_t page, uint64_t count)
{
	size_t len = count * PAGE;
	uint8_t *data = calloc(1, len);

	for (uint64_t i = 0; i < count; i++)
		*(uint64_t *)(void *)(data + i * PAGE) = task << 32 | (page + i);
	assert_int_equal(give_head(f, task, page, count), 0);
	for (size_t done = 0; done < len;) {
		size_t part = len - done < 100000 ? len - done : 100000;

		assert_int_equal(
		    migrate_send(&f->source, MIGRATE_GIVEN_DATA, data + done, part, NULL, 0, NULL),
		    0);
		assert_int_equal(deliver(f), 0);
		done += part;
	}
	free(data);
}

/** CRIU gets this next, with all of its pages. */
static void gets(struct fixture *f, uint64_t task, uint64_t page, uint64_t count)
{
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX], data[PAGE];
	struct migrate_page_request answer;

	assert_int_equal(recv(f->criu[0], raw, sizeof(raw), MSG_DONTWAIT), sizeof(raw));
	answer = migrate_page_request_decode(raw, f->fetch.version);
	assert_int_equal(answer.command, PAGE_SERVER_ADD | PAGE_SERVER_PRESENT << 16);
	assert_int_equal(answer.task, task);
	assert_int_equal(answer.address / PAGE, page);
	assert_int_equal(answer.count, count);
	for (uint64_t i = 0; i < count; i++) {
		assert_int_equal(recv(f->criu[0], data, PAGE, MSG_WAITALL), PAGE);
		assert_true(*(uint64_t *)(void *)data == (task << 32 | (page + i)));
	}
}

static void gets_nothing(struct fixture *f)
{
	char byte;

	assert_int_equal(recv(f->criu[0], &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
}

/** CRIU wants 16 pages, and what follows them is asked for, and has come. */
static uint64_t begin(struct fixture *f)
{
	uint64_t at = 0x1000;

	want(f, 5, at, 16);
	is_asked(f, 5, at, 16);
	at += 16;
	for (uint64_t i = 0; i < FLIGHT_PIECES; i++)
		is_asked(f, 5, at + i * PIECE_PAGES, PIECE_PAGES);
	is_asked_nothing(f);
	give(f, 5, 0x1000, 16);
	gets(f, 5, 0x1000, 16);
	give(f, 5, at, PIECE_PAGES);
	is_asked(f, 5, at + FLIGHT_PIECES * PIECE_PAGES, PIECE_PAGES);
	return at;
}

static void test_what_follows_is_here_already(void **state)
{
	struct fixture *f = *state;
	uint64_t at = begin(f);

	want(f, 5, at, 16);
	gets(f, 5, at, 16);
	/* fewer than it wants, where no more has come */
	want(f, 5, at + 16, 1024);
	gets(f, 5, at + 16, PIECE_PAGES - 16);
	/* on its way: it comes when it comes, and goes to CRIU at once */
	want(f, 5, at + PIECE_PAGES, 32);
	gets_nothing(f);
	give(f, 5, at + PIECE_PAGES, PIECE_PAGES);
	gets(f, 5, at + PIECE_PAGES, 32);
}

/** No further than there is room, nor than was left. */
static void test_how_far_it_goes(void **state)
{
	struct fixture *f = *state;
	uint64_t at = begin(f);
	const uint64_t room = MIGRATE_AHEAD_ROOM / PAGE;
	uint64_t given = at + PIECE_PAGES;
	uint64_t asked = at + (FLIGHT_PIECES + 1) * PIECE_PAGES;

	for (; asked < at + room; asked += PIECE_PAGES, given += PIECE_PAGES) {
		give(f, 5, given, PIECE_PAGES);
		is_asked(f, 5, asked, PIECE_PAGES);
	}
	for (; given < asked; given += PIECE_PAGES)
		give(f, 5, given, PIECE_PAGES);
	is_asked_nothing(f);
	/* what CRIU has taken makes room, around the end of it */
	for (; at < 0x3000; at += PIECE_PAGES) {
		uint64_t count = 0x3000 - at < PIECE_PAGES ? 0x3000 - at : PIECE_PAGES;

		want(f, 5, at, PIECE_PAGES);
		gets(f, 5, at, count);
		if (asked < 0x3000) {
			uint64_t more = 0x3000 - asked < PIECE_PAGES ? 0x3000 - asked : PIECE_PAGES;

			is_asked(f, 5, asked, more);
			give(f, 5, asked, more);
			asked += more;
		}
	}
	is_asked_nothing(f);
	gets_nothing(f);
}

/** A page that was touched: out of the room, where it is, and behind what was wanted before it, where it is not. */
static void test_pages_that_are_touched(void **state)
{
	struct fixture *f = *state;
	uint64_t at = begin(f);

	want(f, 5, at + 20, 1);
	gets(f, 5, at + 20, 1);
	/* what lies before it is still here */
	want(f, 5, at, 20);
	gets(f, 5, at, 20);
	want(f, 5, at + PIECE_PAGES, 8);
	want(f, 5, 0x2fff, 1);
	want(f, 5, at + 21, 2);
	is_asked(f, 5, 0x2fff, 1);
	gets_nothing(f);
	give(f, 5, at + PIECE_PAGES, PIECE_PAGES);
	is_asked(f, 5, at + 3 * PIECE_PAGES, PIECE_PAGES);
	gets(f, 5, at + PIECE_PAGES, 8);
	gets_nothing(f);
	give(f, 5, at + 2 * PIECE_PAGES, PIECE_PAGES);
	is_asked(f, 5, at + 4 * PIECE_PAGES, PIECE_PAGES);
	gets_nothing(f);
	give(f, 5, 0x2fff, 1);
	gets(f, 5, 0x2fff, 1);
	gets(f, 5, at + 21, 2);
}

/** Another process does not take the room away from one that uses it, and gets it from one that does not. */
static void test_two_processes(void **state)
{
	struct fixture *f = *state;
	uint64_t at = begin(f);
	uint64_t there = 0x1000;

	want(f, 6, there, 16);
	is_asked(f, 6, there, 16);
	is_asked_nothing(f);
	want(f, 5, at, 16);
	gets_nothing(f);
	for (int i = 1; i <= 7; i++) {
		want(f, 6, there + i * 16U, 16);
		is_asked(f, 6, there + i * 16U, 16);
	}
	is_asked_nothing(f);
	/* in the order in which they were asked for */
	give(f, 5, at + PIECE_PAGES, PIECE_PAGES);
	give(f, 5, at + 2 * PIECE_PAGES, PIECE_PAGES);
	gets_nothing(f);
	for (int i = 0; i <= 7; i++) {
		give(f, 6, there + i * 16U, 16);
		gets(f, 6, there + i * 16U, 16);
		if (i == 0)
			gets(f, 5, at, 16);
	}
}

/** What is on its way for nobody any more is passed by. */
static void test_a_process_that_stops_asking(void **state)
{
	struct fixture *f = *state;
	uint64_t at = begin(f);
	uint64_t there = 0x1000;

	for (int i = 0; i < 8; i++) {
		want(f, 6, there + i * 16U, 16);
		is_asked(f, 6, there + i * 16U, 16);
	}
	is_asked(f, 6, there + 128, PIECE_PAGES);
	is_asked(f, 6, there + 128 + PIECE_PAGES, PIECE_PAGES);
	is_asked_nothing(f);
	give(f, 5, at + PIECE_PAGES, PIECE_PAGES);
	give(f, 5, at + 2 * PIECE_PAGES, PIECE_PAGES);
	for (int i = 0; i < 8; i++) {
		give(f, 6, there + i * 16U, 16);
		gets(f, 6, there + i * 16U, 16);
	}
	give(f, 6, there + 128, PIECE_PAGES);
	want(f, 6, there + 128, 16);
	gets(f, 6, there + 128, 16);
	/* the first asks anew */
	want(f, 5, at, 1);
	is_asked(f, 6, there + 128 + 2 * PIECE_PAGES, PIECE_PAGES);
	is_asked(f, 5, at, 1);
}

static void test_what_was_not_asked_for(void **state)
{
	struct fixture *f = *state;
	const struct migrate_range cases[] = {
	    {6, 0x1000, 16},
            {5, 0x1001, 15},
            {5, 0x1000, 17},
            {5, 0x1000, 0 }
        };

	want(f, 5, 0x1000, 16);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(give_head(f, cases[i].task, cases[i].address, cases[i].count),
				 -EPROTO);
	/* fewer do for CRIU, and not for the room */
	give(f, 5, 0x1000, 15);
	gets(f, 5, 0x1000, 15);
	assert_int_equal(give_head(f, 5, 0x1010, PIECE_PAGES - 1), -EPROTO);
	assert_int_equal(migrate_send(&f->source, MIGRATE_GIVEN_DATA, "x", 1, NULL, 0, NULL), 0);
	assert_int_equal(deliver(f), -EPROTO);
	/* one after the other */
	assert_int_equal(give_head(f, 5, 0x1010, PIECE_PAGES), 0);
	assert_int_equal(give_head(f, 5, 0x1010, PIECE_PAGES), -EPROTO);
}

static void test_criu_is_gone(void **state)
{
	struct fixture *f = *state;
	uint64_t at = begin(f);
	const struct migrate_range range = {.task = 5, .address = at * PAGE, .count = 1};

	f->criu[0] = fd_close(f->criu[0]);
	assert_int_equal(migrate_fetch_want(&f->fetch, &range, NULL), -EPIPE);
	assert_false(f->near.broken);
	migrate_fetch_stop(&f->fetch);
	assert_int_equal(f->fetch.asked.count, 0);
}

/** So many that CRIU is not heard for the time. */
static void test_many_at_once(void **state)
{
	struct fixture *f = *state;
	uint64_t page = 0x1000;

	for (; migrate_fetch_has_room(&f->fetch); page++)
		want(f, 6, page, 1);
	assert_int_equal(page - 0x1000, MIGRATE_FETCH_PENDING_MAX);
	for (uint64_t i = 0x1000; i < page; i++) {
		is_asked(f, 6, i, 1);
		give(f, 6, i, 1);
		gets(f, 6, i, 1);
		assert_true(migrate_fetch_has_room(&f->fetch));
	}
}

/** As in CRIU's source: struct page_server_iov, on a little-endian machine. */
static void test_how_each_criu_says_it(void **state)
{
	static const struct {
		unsigned int version;
		size_t size;
		uint8_t raw[MIGRATE_PAGE_REQUEST_MAX];
	} cases[] = {
	    {40000, 24, {7, 0, 0, 0, 2, 1, 0, 0, 0, 0x30, 0, 0, 0, 0x7f, 0, 0, 9}        },
	    {40101, 24, {7, 0, 0, 0, 2, 1, 0, 0, 0, 0x30, 0, 0, 0, 0x7f, 0, 0, 9}        },
	    {40200, 32, {7, 0, 0, 0, 0,    0, 0, 0, 2,    1, 0, 0, 0,
			 0, 0, 0, 0, 0x30, 0, 0, 0, 0x7f, 0, 0, 9}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t raw[MIGRATE_PAGE_REQUEST_MAX] = {0};
		const struct migrate_page_request request =
		    migrate_page_request_decode(cases[i].raw, cases[i].version);

		assert_int_equal(migrate_page_request_size(cases[i].version), cases[i].size);
		assert_true(request.command == PAGE_SERVER_GET && request.count == 0x102 &&
			    request.address == 0x7f0000003000 && request.task == 9);
		migrate_page_request_encode(&request, cases[i].version, raw);
		assert_memory_equal(raw, cases[i].raw, cases[i].size);
	}
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FIXTURE(test_what_follows_is_here_already),
	    WITH_FIXTURE(test_how_far_it_goes),
	    WITH_FIXTURE(test_pages_that_are_touched),
	    WITH_FIXTURE(test_two_processes),
	    WITH_FIXTURE(test_a_process_that_stops_asking),
	    WITH_FIXTURE(test_what_was_not_asked_for),
	    WITH_FIXTURE(test_criu_is_gone),
	    WITH_FIXTURE(test_many_at_once),
	    cmocka_unit_test(test_how_each_criu_says_it),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
