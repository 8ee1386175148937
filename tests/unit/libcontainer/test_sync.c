/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

struct pair {
	int ends[2];
};

static int setup(void **state)
{
	static struct pair pair;

	*state = &pair;
	return sync_pair(pair.ends, NULL);
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	fd_close(pair->ends[0]);
	fd_close(pair->ends[1]);
	return 0;
}

static void test_error_travels_whole(void **state)
{
	struct pair *pair = *state;
	struct wh_error sent = WH_ERROR_INIT;
	struct sync_message msg;

	wh_fail_kind(&sent, WH_ERROR_PROGRAM, ENOEXEC, "exec: \"%s\"", "/x");
	strcpy(sent.step, "find program");
	assert_int_equal(
	    sync_send_data(pair->ends[0], SYNC_ERROR, &sent, sizeof(sent), -EBADF, NULL), 0);
	assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
	assert_int_equal(msg.type, SYNC_ERROR);
	assert_int_equal(msg.payload.error.code, ENOEXEC);
	assert_int_equal(msg.payload.error.kind, WH_ERROR_PROGRAM);
	assert_string_equal(msg.payload.error.message, "exec: \"/x\"");
	assert_string_equal(msg.payload.error.step, "find program");
}

/** Init's last word counts even when it left a message of ours unread, which resets the connection. */
static void test_error_survives_a_reset(void **state)
{
	struct pair *pair = *state;
	struct wh_error sent = WH_ERROR_INIT;
	struct sync_message msg;

	wh_fail(&sent, EINVAL, "the cause");
	assert_int_equal(sync_send(pair->ends[1], SYNC_PLAN_COMPLETE, NULL), 0);
	assert_int_equal(
	    sync_send_data(pair->ends[0], SYNC_ERROR, &sent, sizeof(sent), -EBADF, NULL), 0);
	pair->ends[0] = fd_close(pair->ends[0]);
	assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
	assert_int_equal(msg.type, SYNC_ERROR);
	assert_string_equal(msg.payload.error.message, "the cause");
	assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
	assert_int_equal(msg.type, SYNC_EOF);
}

static void test_fd_travels(void **state)
{
	struct pair *pair = *state;
	struct sync_message msg;
	int ends[2];
	char c = 0;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(sync_send_data(pair->ends[0], SYNC_CONSOLE, NULL, 0, ends[1], NULL), 0);
	assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
	assert_int_equal(msg.type, SYNC_CONSOLE);
	assert_true(msg.fd >= 0);
	assert_true(fcntl(msg.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(msg.fd, "x", 1), 1);
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	close(msg.fd);
	close(ends[0]);
	close(ends[1]);
}

static void test_end_of_file(void **state)
{
	struct pair *pair = *state;
	struct sync_message msg;
	struct wh_error err = WH_ERROR_INIT;

	pair->ends[0] = fd_close(pair->ends[0]);
	assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
	assert_int_equal(msg.type, SYNC_EOF);
	assert_true(sync_expect(pair->ends[1], SYNC_START, &err) < 0);
	assert_non_null(strstr(err.message, "is gone"));
}

static void test_expect(void **state)
{
	struct pair *pair = *state;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(sync_send(pair->ends[0], SYNC_START, NULL), 0);
	assert_int_equal(sync_send(pair->ends[0], SYNC_READY, NULL), 0);
	assert_int_equal(sync_expect(pair->ends[1], SYNC_START, &err), 0);
	assert_true(sync_expect(pair->ends[1], SYNC_START, &err) < 0);
	assert_non_null(strstr(err.message, "expected 'start', received 'ready'"));
}

/* init is hostile once it has joined the container: nothing malformed gets through. */
static void test_malformed_messages(void **state)
{
	struct pair *pair = *state;
	const struct {
		const char *name;
		uint32_t type;
		size_t payload;
	} cases[] = {
	    {"end of file as a message", SYNC_EOF,        0                            },
	    {"unknown type",             SYNC_TYPE_COUNT, 0                            },
	    {"huge type",                UINT32_MAX,      0                            },
	    {"short error",              SYNC_ERROR,      16                           },
	    {"empty trace",              SYNC_TRACE,      0                            },
	    {"cut trace",                SYNC_TRACE,      sizeof(struct trace_span) + 1},
	    {"ready with payload",       SYNC_READY,      4                            },
	    {"forked with payload",      SYNC_FORKED,     4                            },
	    {"console without fd",       SYNC_CONSOLE,    0                            },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char wire[SYNC_MAX_PAYLOAD + 4] = {0};
		struct sync_message msg;
		struct wh_error err = WH_ERROR_INIT;

		memcpy(wire, &cases[i].type, sizeof(cases[i].type));
		assert_true(send(pair->ends[0], wire, 4 + cases[i].payload, 0) > 0);
		if (sync_receive(pair->ends[1], &msg, &err) >= 0)
			fail_msg("%s was accepted", cases[i].name);
		assert_true(wh_error_set(&err));
	}
	/* shorter than a header, and larger than any message */
	char big[SYNC_MAX_PAYLOAD * 2] = {0};
	struct sync_message msg;

	assert_int_equal(send(pair->ends[0], big, 2, 0), 2);
	assert_true(sync_receive(pair->ends[1], &msg, NULL) < 0);
	assert_int_equal(send(pair->ends[0], big, sizeof(big), 0), (ssize_t)sizeof(big));
	assert_true(sync_receive(pair->ends[1], &msg, NULL) < 0);
}

/** Who sent a message is the kernel's word, with an fd beside it, too. */
static void test_the_sender_is_known(void **state)
{
	struct pair *pair = *state;
	struct sync_message msg;
	pid_t child;

	assert_int_equal(sync_send(pair->ends[0], SYNC_READY, NULL), 0);
	assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
	assert_int_equal(msg.sender, 0); /* nobody has asked */
	assert_int_equal(sync_ask_sender(pair->ends[1], NULL), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(sync_send(pair->ends[0], SYNC_FORKED, NULL) < 0 ||
		      sync_send_data(pair->ends[0], SYNC_CONSOLE, NULL, 0, STDIN_FILENO, NULL) < 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
	assert_int_equal(msg.type, SYNC_FORKED);
	assert_int_equal(msg.sender, child);
	assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
	assert_int_equal(msg.type, SYNC_CONSOLE);
	assert_int_equal(msg.sender, child);
	fd_close(msg.fd);
	assert_int_equal(sync_send(pair->ends[0], SYNC_READY, NULL), 0);
	assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
	assert_int_equal(msg.sender, getpid());
}

static void test_trace_is_sent_in_parts(void **state)
{
	struct pair *pair = *state;
	size_t total = 0;
	size_t left;

	trace_enable();
	for (size_t i = 0; i < SYNC_MAX_SPANS + 3; i++)
		trace_end(trace_begin(), "span");
	assert_int_equal(sync_send_trace(pair->ends[0], NULL), 0);
	trace_spans(&left);
	assert_int_equal(left, 0);
	for (int i = 0; i < 2; i++) {
		struct sync_message msg;

		assert_int_equal(sync_receive(pair->ends[1], &msg, NULL), 0);
		assert_int_equal(msg.type, SYNC_TRACE);
		assert_string_equal(msg.payload.spans[0].name, "span");
		total += msg.len / sizeof(struct trace_span);
	}
	assert_int_equal(total, SYNC_MAX_SPANS + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_error_travels_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_error_survives_a_reset, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_fd_travels, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_end_of_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_expect, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_malformed_messages, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_sender_is_known, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_trace_is_sent_in_parts, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
