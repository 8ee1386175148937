/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/protocol.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

/** Bytes in front of a payload. */
#define HEADER 24

struct link {
	int ends[2];
	struct migrate_conn a;
	struct migrate_conn b;
};

static int setup(void **state)
{
	static struct link link;
	struct wh_error err = WH_ERROR_INIT;
	const int room = 1 << 20;

	link = (struct link){0};
	*state = &link;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link.ends) < 0)
		return -1;
	setsockopt(link.ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (migrate_conn_init(&link.a, link.ends[0], link.ends[0], "source", "the destination",
			      &err) < 0 ||
	    migrate_conn_init(&link.b, link.ends[1], link.ends[1], "destination", "the source",
			      &err) < 0)
		return -1;
	return 0;
}

static int teardown(void **state)
{
	struct link *link = *state;

	migrate_conn_done(&link->a);
	migrate_conn_done(&link->b);
	fd_close(link->ends[0]);
	fd_close(link->ends[1]);
	return 0;
}

static void test_a_message_travels_whole(void **state)
{
	struct link *link = *state;
	struct migrate_message msg;
	uint8_t head[8];

	migrate_put_u64(head, 0x1122334455667788);
	assert_int_equal(
	    migrate_send(&link->a, MIGRATE_DATA, head, sizeof(head), "content", 7, NULL), 0);
	assert_int_equal(migrate_send(&link->a, MIGRATE_COMMIT, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_receive(&link->b, 1000, &msg, NULL), 0);
	assert_int_equal(msg.type, MIGRATE_DATA);
	assert_int_equal(msg.len, 15);
	assert_true(migrate_get_u64(msg.payload) == 0x1122334455667788);
	assert_string_equal((const char *)msg.payload + 8, "content");
	assert_int_equal(migrate_expect(&link->b, MIGRATE_COMMIT, 1000, &msg, NULL), 0);
	assert_int_equal(msg.len, 0);
	assert_int_equal(link->a.sent, link->b.received);
	assert_int_equal(link->a.sent, 2 * HEADER + 15);
}

/** A frame as it is on the wire, to be damaged. */
static size_t capture(struct link *link, enum migrate_type type, const char *payload, uint8_t *raw,
		      size_t size)
{
	ssize_t n;

	assert_int_equal(migrate_send(&link->a, type, payload, strlen(payload), NULL, 0, NULL), 0);
	n = read(link->ends[1], raw, size);
	assert_true(n > 0);
	return (size_t)n;
}

static void test_damage_is_found(void **state)
{
	static const struct {
		const char *name;
		size_t at;
		uint8_t flip;
		int want;
	} cases[] = {
	    {"a byte of the payload",     HEADER + 3, 0x01,         -EBADMSG  },
	    {"two bytes change places",   HEADER,     0,            -EBADMSG  },
	    {"the sum",                   9,          0x80,         -EBADMSG  },
	    {"an unknown type",           4,          0x7f,         -EPROTO   },
	    {"no type",                   4,          MIGRATE_FILE, -EPROTO   },
	    {"a size above the most",     3,          0xff,         -EPROTO   },
	    {"a size above what follows", 0,          0x10,         -ETIMEDOUT},
	    {"the reserved bytes",        6,          0x01,         -EPROTO   },
	};
	uint8_t raw[128];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct link *link = *state;
		struct migrate_message msg;
		struct wh_error err = WH_ERROR_INIT;
		size_t len = capture(link, MIGRATE_FILE, "pages-1.img.cor", raw, sizeof(raw));
		int rc;

		if (cases[i].flip) {
			raw[cases[i].at] ^= cases[i].flip;
		} else {
			uint8_t words[8];

			memcpy(words, raw + HEADER, 8);
			memcpy(raw + HEADER, words + 4, 4);
			memcpy(raw + HEADER + 4, words, 4);
		}
		assert_int_equal(write(link->ends[0], raw, len), (ssize_t)len);
		rc = migrate_receive(&link->b, 50, &msg, &err);
		if (rc != cases[i].want)
			fail_msg("%s: %d, %s", cases[i].name, rc, err.message);
		assert_true(link->b.broken);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

static void test_a_cut_is_told_from_an_end(void **state)
{
	struct link *link = *state;
	struct migrate_message msg;
	struct wh_error err = WH_ERROR_INIT;
	uint8_t raw[64];
	size_t len = capture(link, MIGRATE_FILE, "inventory.img", raw, sizeof(raw));

	assert_int_equal(write(link->ends[0], raw, len - 1), (ssize_t)len - 1);
	shutdown(link->ends[0], SHUT_WR);
	assert_int_equal(migrate_receive(&link->b, 1000, &msg, &err), -EPIPE);
	assert_non_null(strstr(err.message, "in the middle of a message"));
	shutdown(link->ends[1], SHUT_WR);
	assert_int_equal(migrate_receive(&link->a, 1000, &msg, NULL), 0);
	assert_int_equal(msg.type, MIGRATE_EOF);
	assert_int_equal(migrate_expect(&link->a, MIGRATE_STARTED, 1000, &msg, NULL), -EPIPE);
}

static void test_abort_is_the_other_sides_error(void **state)
{
	struct link *link = *state;
	struct wh_error sent = WH_ERROR_INIT;
	struct wh_error got = WH_ERROR_INIT;
	struct migrate_message msg;

	wh_fail_kind(&sent, WH_ERROR_UNSUPPORTED, ENOSPC, "write image '%s'", "pages-1.img");
	strcpy(sent.step, "receive memory");
	(void)migrate_send_abort(&link->b, &sent);
	assert_int_equal(migrate_expect(&link->a, MIGRATE_PREPARED, 1000, &msg, &got),
			 -ECONNABORTED);
	assert_int_equal(got.code, ENOSPC);
	assert_int_equal(got.kind, WH_ERROR_UNSUPPORTED);
	assert_string_equal(got.step, "receive memory");
	assert_string_equal(got.message, "the destination: write image 'pages-1.img'");
}

/** Who finds that nobody reads any more learns why. */
static void test_a_sender_learns_why_it_is_cut(void **state)
{
	struct link *link = *state;
	struct wh_error sent = WH_ERROR_INIT;
	struct wh_error got = WH_ERROR_INIT;

	wh_fail(&sent, ENOSPC, "write image 'pages-1.img'");
	(void)migrate_send_abort(&link->b, &sent);
	link->ends[1] = fd_close(link->ends[1]);
	assert_int_equal(migrate_send(&link->a, MIGRATE_FILE, "x", 1, NULL, 0, &got), -EPIPE);
	assert_non_null(strstr(got.message, "the destination: write image 'pages-1.img'"));
	assert_int_equal(migrate_send(&link->a, MIGRATE_COMMIT, NULL, 0, NULL, 0, NULL), -EPIPE);
}

/** They are moved past the buffer, and what nobody takes does not come in the way of the next message. */
static void test_pages_travel_without_a_look(void **state)
{
	struct link *link = *state;
	struct migrate_message msg;
	char got[16] = "";
	int from[2];
	int to[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, from), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to), 0);
	assert_int_equal(write(from[1], "some pages", 10), 10);
	for (int i = 0; i < 2; i++)
		assert_int_equal(migrate_send_pages(&link->a, from[0], 5, NULL), 0);
	assert_int_equal(migrate_send(&link->a, MIGRATE_COMMIT, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_expect(&link->b, MIGRATE_PAGES, 1000, &msg, NULL), 0);
	assert_int_equal(msg.len, 5);
	assert_int_equal(migrate_take_pages(&link->b, to[0], NULL), 0);
	assert_int_equal(read(to[1], got, sizeof(got)), 5);
	assert_string_equal(got, "some ");
	assert_int_equal(migrate_expect(&link->b, MIGRATE_PAGES, 1000, &msg, NULL), 0);
	assert_int_equal(migrate_expect(&link->b, MIGRATE_COMMIT, 1000, &msg, NULL), 0);
	assert_int_equal(link->a.sent, link->b.received);
	for (int i = 0; i < 2; i++) {
		fd_close(from[i]);
		fd_close(to[i]);
	}
}

static void test_sizes_are_bounded_at_the_sender(void **state)
{
	struct link *link = *state;
	char *big = calloc(1, MIGRATE_CHUNK_MAX + 1);

	assert_non_null(big);
	assert_int_equal(migrate_send(&link->a, MIGRATE_COMMIT, "x", 1, NULL, 0, NULL), -EMSGSIZE);
	assert_int_equal(migrate_send(&link->a, MIGRATE_FILE, big, 256, NULL, 0, NULL), -EMSGSIZE);
	assert_int_equal(
	    migrate_send(&link->a, MIGRATE_OFFER, big, MIGRATE_CHUNK_MAX + 1, NULL, 0, NULL),
	    -EMSGSIZE);
	free(big);
}

static void test_unexpected_messages_are_named(void **state)
{
	struct link *link = *state;
	struct migrate_message msg;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(migrate_send(&link->a, MIGRATE_COMMIT, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_expect(&link->b, MIGRATE_RESTORE, 1000, &msg, &err), -EPROTO);
	assert_string_equal(err.message, "the source sent 'commit' where 'restore' was expected");
}

static void *other_hello(void *arg)
{
	struct wh_error err = WH_ERROR_INIT;

	return (void *)(intptr_t)migrate_hello(arg, "wherry 2", &err);
}

static void test_hello(void **state)
{
	struct link *link = *state;
	pthread_t thread;
	void *theirs;

	assert_int_equal(pthread_create(&thread, NULL, other_hello, &link->b), 0);
	assert_int_equal(migrate_hello(&link->a, "wherry 1", NULL), 0);
	assert_int_equal(pthread_join(thread, &theirs), 0);
	assert_null(theirs);
}

static void test_hello_of_something_else(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
	    {"bash: wherry: command not found\n",      "bash: wherry: command not found"},
	    {"Welcome to host b\nLast login: today\n", "Welcome to host b Last login"   },
	    {"",				       "ended without an answer"        },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct link *link = *state;
		struct wh_error err = WH_ERROR_INIT;
		size_t len = strlen(cases[i].text);

		assert_int_equal(write(link->ends[1], cases[i].text, len), (ssize_t)len);
		shutdown(link->ends[1], SHUT_WR);
		assert_true(migrate_hello(&link->a, "wherry 1", &err) < 0);
		if (!strstr(err.message, cases[i].want))
			fail_msg("'%s' is not in: %s", cases[i].want, err.message);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

static void test_hello_of_another_version(void **state)
{
	struct link *link = *state;
	struct wh_error err = WH_ERROR_INIT;
	uint8_t payload[16] = "wherry-m";
	uint8_t version = MIGRATE_PROTOCOL_VERSION + 1;

	payload[8] = version;
	assert_int_equal(
	    migrate_send(&link->b, MIGRATE_HELLO, payload, sizeof(payload), "wherry 9", 8, NULL),
	    0);
	assert_int_equal(migrate_hello(&link->a, "wherry 1", &err), -EINVAL);
	assert_int_equal(err.kind, WH_ERROR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "is wherry wherry 9, which speaks version 7"));
}

/** In parts as long as the kernel gives them, the sum is that of the whole. */
static void test_sum_goes_on(void **state)
{
	uint8_t data[1001];
	struct migrate_sum whole = {0};
	struct migrate_sum parts = {0};

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 3));
	migrate_sum_add(&whole, data, sizeof(data));
	migrate_sum_add(&parts, data, 8);
	migrate_sum_add(&parts, data + 8, sizeof(data) - 8);
	assert_true(whole.plain == parts.plain && whole.weighted == parts.weighted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_message_travels_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damage_is_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_cut_is_told_from_an_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_abort_is_the_other_sides_error, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_sender_learns_why_it_is_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_pages_travel_without_a_look, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_sizes_are_bounded_at_the_sender, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unexpected_messages_are_named, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hello, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hello_of_something_else, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hello_of_another_version, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_sum_goes_on, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
