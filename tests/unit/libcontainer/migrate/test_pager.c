/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/libcontainer/migrate/pager_fixture.h"

#include <sys/ioctl.h>

static int setup_with(void **state, unsigned int version)
{
	static struct fixture f;

	f = (struct fixture){.page = (size_t)sysconf(_SC_PAGESIZE), .version = version};
	*state = &f;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.wire) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.criu) < 0)
		return -1;
	if (migrate_conn_init(&f.source, f.wire[0], f.wire[0], "source", "the destination", NULL) <
		0 ||
	    migrate_conn_init(&f.receiver, f.wire[1], f.wire[1], "destination", "the source",
			      NULL) < 0)
		return -1;
	f.giver = (struct lazy_pages){.pid = getpid(), .pidfd = sys_pidfd_open(getpid(), 0)};
	return migrate_pager_start(&f.pager, &f.receiver,
				   &(struct migrate_pager_options){.pages = f.criu[1],
								   .criu = &f.giver,
								   .criu_version = version,
								   .left = &f.left,
								   .answer_ms = ANSWER_MS},
				   NULL);
}

static int setup(void **state)
{
	return setup_with(state, 40200);
}

static int setup_narrow(void **state)
{
	return setup_with(state, 40101);
}

static void give(struct fixture *f, uint64_t count)
{
	assert_int_equal(migrate_send_range(&f->source, MIGRATE_GIVEN,
					    &(struct migrate_range){5, 0x10000, count}, NULL),
			 0);
}

static void test_each_hears_what_is_for_it(void **state)
{
	struct fixture *f = *state;
	struct migrate_page_request answer;
	struct migrate_message msg;
	struct migrate_range range;
	const size_t size = migrate_page_request_size(f->version);
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX], sent[512], got[2 * 65536];

	memset(sent, 0x5a, sizeof(sent));
	want(f, PAGE_SERVER_GET, 2);
	assert_int_equal(migrate_expect(&f->source, MIGRATE_WANT, 5000, &msg, NULL), 0);
	range = migrate_get_range(&msg);
	assert_true(range.task == 5 && range.address == 0x10000 && range.count == 2);

	/* fewer than were wanted, in pieces, with another message between: CRIU gets them as one */
	give(f, 1);
	for (size_t done = 0; done < f->page; done += sizeof(sent)) {
		assert_int_equal(
		    migrate_send(&f->source, MIGRATE_GIVEN_DATA, sent, sizeof(sent), NULL, 0, NULL),
		    0);
		if (done == 0)
			assert_int_equal(
			    migrate_send(&f->source, MIGRATE_COMMIT, NULL, 0, NULL, 0, NULL), 0);
	}
	assert_int_equal(recv(f->criu[0], raw, size, MSG_WAITALL), size);
	answer = migrate_page_request_decode(raw, f->version);
	assert_true(answer.command == (PAGE_SERVER_ADD | PAGE_SERVER_PRESENT << 16) &&
		    answer.count == 1 && answer.address == 0x10000 && answer.task == 5);
	assert_int_equal(recv(f->criu[0], got, f->page, MSG_WAITALL), f->page);
	assert_memory_equal(got + f->page - sizeof(sent), sent, sizeof(sent));
	assert_int_equal(migrate_expect(&f->receiver, MIGRATE_COMMIT, 5000, &msg, NULL), 0);

	assert_int_equal(migrate_send(&f->receiver, MIGRATE_CONFIRM, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_expect(&f->source, MIGRATE_CONFIRM, 5000, &msg, NULL), 0);
}

static void test_criu_says_goodbye(void **state)
{
	struct fixture *f = *state;
	struct migrate_message msg;
	int32_t status = -1;

	want(f, PAGE_SERVER_FORCE_CLOSE, 0);
	assert_int_equal(recv(f->criu[0], &status, sizeof(status), MSG_WAITALL), sizeof(status));
	assert_int_equal(status, 0);
	f->criu[0] = fd_close(f->criu[0]);
	f->criu[1] = fd_close(f->criu[1]);
	/* the others go on, and what comes for it is dropped */
	give(f, 1);
	assert_int_equal(migrate_send(&f->receiver, MIGRATE_COMPLETE, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_expect(&f->source, MIGRATE_COMPLETE, 5000, &msg, NULL), 0);
	assert_int_equal(migrate_send(&f->source, MIGRATE_DONE, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_expect(&f->receiver, MIGRATE_DONE, 5000, &msg, NULL), 0);
}

/** As SIGKILL does it, while it has not read all that it was given: the copies are needed until the container is gone. */
static void test_criu_is_killed(void **state)
{
	struct fixture *f = *state;
	struct migrate_message msg;
	char byte;

	want(f, PAGE_SERVER_GET, 1);
	assert_int_equal(migrate_expect(&f->source, MIGRATE_WANT, 5000, &msg, NULL), 0);
	give(f, 1);
	assert_int_equal(recv(f->criu[0], &byte, 1, MSG_PEEK), 1);
	f->criu[0] = fd_close(f->criu[0]);
	f->criu[1] = fd_close(f->criu[1]);
	assert_int_equal(migrate_send(&f->source, MIGRATE_GIVEN_DATA, "x", 1, NULL, 0, NULL), 0);
	assert_int_equal(migrate_send(&f->source, MIGRATE_COMMIT, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_expect(&f->receiver, MIGRATE_COMMIT, 5000, &msg, NULL), 0);
}

/** What is given is more than its socket holds: the pager waits for room in it. */
static void test_criu_is_killed_while_it_is_given_memory(void **state)
{
	enum { PIECES = 16 };
	static const uint8_t data[4096];
	struct fixture *f = *state;
	const int room = 8192;
	struct migrate_message msg;
	int there[2] = {0, -1};

	assert_int_equal(setsockopt(f->criu[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	want(f, PAGE_SERVER_GET, PIECES);
	assert_int_equal(migrate_expect(&f->source, MIGRATE_WANT, 5000, &msg, NULL), 0);
	give(f, PIECES);
	for (int i = 0; i < PIECES; i++)
		assert_int_equal(
		    migrate_send(&f->source, MIGRATE_GIVEN_DATA, data, sizeof(data), NULL, 0, NULL),
		    0);
	/* until it is full */
	while (there[0] == 0 || there[0] != there[1]) {
		there[1] = there[0];
		usleep(50000);
		assert_int_equal(ioctl(f->criu[0], FIONREAD, &there[0]), 0);
	}
	f->criu[0] = fd_close(f->criu[0]);
	f->criu[1] = fd_close(f->criu[1]);
	assert_int_equal(migrate_send(&f->source, MIGRATE_COMMIT, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_expect(&f->receiver, MIGRATE_COMMIT, 5000, &msg, NULL), 0);
}

/** What the receiver says when it has taken its container away gets to the source. */
static void last_word_arrives(struct fixture *f)
{
	const struct wh_error word = {.message = "it is gone"};
	struct wh_error err = WH_ERROR_INIT;
	struct migrate_message msg;
	int rc;

	assert_true(migrate_send_abort(&f->receiver, &word));
	do {
		rc = migrate_expect(&f->source, MIGRATE_COMPLETE, 5000, &msg, &err);
	} while (rc == -EPROTO && msg.type == MIGRATE_WANT);
	assert_int_equal(rc, -ECONNABORTED);
	assert_non_null(strstr(err.message, "it is gone"));
}

/** Nobody reads what does not fit into its socket. */
static void test_criu_does_not_read(void **state)
{
	enum { PIECES = 16 };
	static const uint8_t data[4096];
	struct fixture *f = *state;
	const int room = 8192;
	struct migrate_message msg;

	assert_int_equal(setsockopt(f->criu[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	want(f, PAGE_SERVER_GET, PIECES);
	assert_int_equal(migrate_expect(&f->source, MIGRATE_WANT, 5000, &msg, NULL), 0);
	give(f, PIECES);
	for (int i = 0; i < PIECES; i++)
		assert_int_equal(
		    migrate_send(&f->source, MIGRATE_GIVEN_DATA, data, sizeof(data), NULL, 0, NULL),
		    0);
	ends(f, "'criu lazy-pages' has not read for 4 s what it was given");
	last_word_arrives(f);
}

static void test_the_source_does_not_answer(void **state)
{
	struct fixture *f = *state;

	want(f, PAGE_SERVER_GET, 1);
	ends(f, "the source has not given for 4 s memory that is wanted");
	last_word_arrives(f);
}

/** A pager that hangs is not waited for. */
static void test_its_end_does_not_come(void **state)
{
	struct fixture *f = *state;
	pid_t pid = f->pager.pid;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	f->receiver.in = fd_close(f->receiver.in);
	alarm(3 * MIGRATE_END_MS / 1000);
	migrate_pager_end(&f->pager);
	alarm(0);
	assert_int_equal(kill(pid, 0), -1);
}

static void test_it_ends_with_the_source(void **state)
{
	struct fixture *f = *state;

	want(f, PAGE_SERVER_GET, 1);
	f->wire[0] = fd_close(f->wire[0]);
	ends(f, "the connection to the source was lost");
}

static void test_it_ends_with_what_is_out_of_order(void **state)
{
	static const struct {
		const char *name;
		uint64_t count; /* of GIVEN, 0: none */
		size_t len;     /* of data after it */
		uint64_t again; /* of a second GIVEN, 0: none */
		const char *why;
	} cases[] = {
	    {"data that nobody wants", 0,          8,      0, "memory that nobody wants"},
	    {"more data than it says", 1,          200000, 0, "memory that nobody wants"},
	    {"pages within pages",     2,          8,      2, "pages out of order"      },
	    {"no pages at all",        UINT64_MAX, 0,      0, "pages out of order"      },
	};
	static const uint8_t data[200000];
	struct migrate_message msg;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture *f = *state;

		want(f, PAGE_SERVER_GET, 2);
		assert_int_equal(migrate_expect(&f->source, MIGRATE_WANT, 5000, &msg, NULL), 0);
		if (cases[i].count)
			give(f, cases[i].count);
		if (cases[i].len)
			(void)migrate_send(&f->source, MIGRATE_GIVEN_DATA, data, cases[i].len, NULL,
					   0, NULL);
		if (cases[i].again)
			give(f, cases[i].again);
		ends(f, cases[i].why);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

/** What it says it is not, and would be waited for: a request as an older one has it, and none that asks for pages. */
static void test_it_ends_with_what_is_no_request(void **state)
{
	struct fixture *f = *state;
	const struct migrate_page_request request = {PAGE_SERVER_GET, 1, 0x10000, 5};
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX];

	migrate_page_request_encode(&request, 40101, raw);
	assert_int_equal(send(f->criu[0], raw, 24, 0), 24);
	ends(f, "read from 'criu lazy-pages' what it wants");
	teardown(state);
	assert_int_equal(setup_narrow(state), 0);
	want(f, PAGE_SERVER_GET, 0);
	ends(f, "something else than memory");
}

static void test_it_ends_with_another_command(void **state)
{
	struct fixture *f = *state;

	want(f, PAGE_SERVER_ADD, 1);
	ends(f, "something else than memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_each_hears_what_is_for_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_each_hears_what_is_for_it, setup_narrow, teardown),
	    cmocka_unit_test_setup_teardown(test_criu_says_goodbye, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_criu_is_killed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_criu_is_killed_while_it_is_given_memory, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_criu_does_not_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_source_does_not_answer, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_its_end_does_not_come, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_it_ends_with_the_source, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_it_ends_with_what_is_out_of_order, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_it_ends_with_what_is_no_request, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_it_ends_with_another_command, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
