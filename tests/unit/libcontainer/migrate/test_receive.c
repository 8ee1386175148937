/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/migrate/destination.h"
#include "tests/unit/base/scratch.h"

/** The test is the source. */
struct fixture {
	struct scratch *images;
	struct destination dest;
	struct migrate_conn source;
};

static int setup(void **state)
{
	static struct fixture f;
	void *images;
	int ends[2];

	if (scratch_setup(&images) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	f = (struct fixture){
	    .images = images,
	    .dest = {.round_fd = -EBADF, .server = PAGE_SERVER_NONE, .offer.memory = 1 << 20}
        };
	f.dest.images_fd = f.images->fd;
	*state = &f;
	if (arena_init(&f.dest.arena, NULL) < 0 ||
	    migrate_conn_init(&f.source, ends[0], ends[0], "source", "the destination", NULL) < 0)
		return -1;
	return migrate_conn_init(&f.dest.conn, ends[1], ends[1], "destination", "the source", NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *images = f->images;

	fd_close(f->source.in);
	fd_close(f->dest.conn.in);
	migrate_conn_done(&f->source);
	migrate_conn_done(&f->dest.conn);
	arena_done(&f->dest.arena);
	return scratch_teardown(&images);
}

static void send_number(struct fixture *f, enum migrate_type type, uint64_t number)
{
	uint8_t raw[8];

	migrate_put_u64(raw, number);
	assert_int_equal(migrate_send(&f->source, type, raw, sizeof(raw), NULL, 0, NULL), 0);
}

/** A round without files. */
static void send_round(struct fixture *f, uint64_t number)
{
	send_number(f, MIGRATE_ROUND, number);
	send_number(f, MIGRATE_ROUND_END, 0);
}

static void send_restore(struct fixture *f, uint64_t rounds)
{
	const struct migrate_restore restore = {.rounds = rounds};

	assert_int_equal(migrate_send_document(&f->source, MIGRATE_RESTORE,
					       MIGRATE_DOCUMENT_RESTORE, &restore, &f->dest.arena,
					       NULL),
			 0);
}

static void test_rounds_up_to_the_restore(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;

	for (uint64_t i = 0; i < 3; i++)
		send_round(f, i);
	send_restore(f, 3);
	assert_int_equal(migrate_receive_rounds(&f->dest, &err), 0);
	assert_string_equal(err.message, "");
	assert_int_equal(f->dest.rounds, 3);
	assert_int_equal(f->dest.restore.rounds, 3);
	assert_int_equal(faccessat(f->images->fd, "2", F_OK, 0), 0);
}

/** With memory of its own in front of it, too, each may be the parent of the next. */
static void test_rounds_without_an_end(void **state)
{
	for (int streams = 0; streams < 2; streams++) {
		struct fixture *f = *state;
		struct wh_error err = WH_ERROR_INIT;

		f->dest.rounds = 998;
		send_round(f, 998);
		send_round(f, 999);
		if (streams)
			send_number(f, MIGRATE_STREAM, 1000);
		else
			send_round(f, 1000);
		shutdown(f->source.in, SHUT_WR);
		assert_int_equal(migrate_receive_rounds(&f->dest, &err), -EPROTO);
		assert_string_equal(err.message, "the source sent more than 1000 rounds of memory");
		assert_int_equal(f->dest.rounds, 1000);
		assert_int_equal(f->dest.round_fd, -EBADF);
		assert_int_equal(faccessat(f->images->fd, "1000", F_OK, 0), -1);
		if (streams == 0) {
			teardown(state);
			assert_int_equal(setup(state), 0);
		}
	}
}

static void test_what_does_not_belong_there(void **state)
{
	static const struct {
		enum migrate_type type;
		uint64_t number;
		int rc;
		const char *why;
	} cases[] = {
	    {MIGRATE_ROUND,    1, -EPROTO,       "a round out of order"              },
	    {MIGRATE_STREAM,   1, -EPROTO,       "memory of a round out of order"    },
	    {MIGRATE_PREPARED, 0, -EPROTO,       "sent 'prepared' between two rounds"},
	    {MIGRATE_EOF,      0, -ECONNABORTED, "the source gave up"                },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture *f = *state;
		struct wh_error err = WH_ERROR_INIT;

		if (cases[i].type == MIGRATE_EOF)
			shutdown(f->source.in, SHUT_WR);
		else
			send_number(f, cases[i].type, cases[i].number);
		assert_int_equal(migrate_receive_rounds(&f->dest, &err), cases[i].rc);
		assert_non_null(strstr(err.message, cases[i].why));
		assert_int_equal(f->dest.rounds, 0);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_rounds_up_to_the_restore, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rounds_without_an_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_does_not_belong_there, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
