/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/move.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

/** More than a pipe or a socket holds, and no multiple of a page. */
#define LENGTH ((1U << 20) + 777)

enum kind { PIPE, SOCKET, NONBLOCKING_PIPE, NONBLOCKING_SOCKET };

static void make(enum kind kind, int *ret_read, int *ret_write)
{
	int ends[2];

	if (kind == PIPE || kind == NONBLOCKING_PIPE)
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	else
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*ret_read = ends[0];
	*ret_write = ends[1];
}

static void set_nonblocking(enum kind kind, int fd)
{
	if (kind == NONBLOCKING_PIPE || kind == NONBLOCKING_SOCKET)
		assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 9));
}

static void *writer(void *arg)
{
	int fd = *(int *)arg;
	uint8_t *data = malloc(LENGTH);
	int rc;

	for (size_t i = 0; i < LENGTH; i++)
		data[i] = byte_at(i);
	rc = fd_write_all(fd, data, LENGTH);
	free(data);
	fd_close(fd);
	return (void *)(intptr_t)rc;
}

/** How many bytes came as they were written. */
static void *reader(void *arg)
{
	int fd = *(int *)arg;
	uint8_t buf[4099];
	size_t good = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			good += buf[i] == byte_at(good);
	}
	return (void *)good;
}

static void test_everything_arrives(void **state)
{
	static const struct {
		const char *name;
		enum kind from;
		enum kind to;
	} cases[] = {
	    {"a socket to a pipe",                   SOCKET,             PIPE              },
	    {"a socket to a pipe that may be full",  SOCKET,             NONBLOCKING_PIPE  },
	    {"a pipe that may be empty to a socket", NONBLOCKING_PIPE,   SOCKET            },
	    {"two sockets",                          SOCKET,             SOCKET            },
	    {"two sockets, neither of which waits",  NONBLOCKING_SOCKET, NONBLOCKING_SOCKET},
	    {"two pipes",			    PIPE,               PIPE              },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int from[2], to[2];
		pthread_t threads[2];
		void *rc, *good;
		size_t n;

		make(cases[i].from, &from[0], &from[1]);
		make(cases[i].to, &to[0], &to[1]);
		set_nonblocking(cases[i].from, from[0]);
		set_nonblocking(cases[i].to, to[1]);
		assert_int_equal(pthread_create(&threads[0], NULL, writer, &from[1]), 0);
		assert_int_equal(pthread_create(&threads[1], NULL, reader, &to[0]), 0);
		assert_int_equal(migrate_move(from[0], to[1], LENGTH, 10000, &n), 0);
		if (n != LENGTH)
			fail_msg("%s: %zu", cases[i].name, n);
		fd_close(to[1]);
		assert_int_equal(pthread_join(threads[0], &rc), 0);
		assert_int_equal(pthread_join(threads[1], &good), 0);
		assert_null(rc);
		if ((size_t)good != LENGTH)
			fail_msg("%s: %zu bytes are as they were", cases[i].name, (size_t)good);
		fd_close(from[0]);
		fd_close(to[0]);
	}
}

/** What follows belongs to somebody else. */
static void test_no_more_than_asked_for(void **state)
{
	char rest[16] = "";
	int from[2], to[2];
	size_t n;

	(void)state;
	make(SOCKET, &from[0], &from[1]);
	make(PIPE, &to[0], &to[1]);
	assert_int_equal(write(from[1], "pagesREST", 9), 9);
	assert_int_equal(migrate_move(from[0], to[1], 5, 1000, &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(read(from[0], rest, sizeof(rest)), 4);
	assert_string_equal(rest, "REST");
	for (int i = 0; i < 2; i++) {
		fd_close(from[i]);
		fd_close(to[i]);
	}
}

static void test_ends(void **state)
{
	static const enum kind kinds[] = {PIPE, SOCKET};
	int from[2], to[2];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		make(SOCKET, &from[0], &from[1]);
		make(kinds[i], &to[0], &to[1]);
		assert_int_equal(migrate_move(from[0], to[1], 5, 20, &n), -ETIMEDOUT);
		assert_int_equal(write(from[1], "abc", 3), 3);
		from[1] = fd_close(from[1]);
		assert_int_equal(migrate_move(from[0], to[1], 5, 1000, &n), 0);
		assert_int_equal(n, 3);
		fd_close(from[0]);
		fd_close(to[0]);
		make(SOCKET, &from[0], &from[1]);
		assert_int_equal(write(from[1], "abc", 3), 3);
		assert_int_equal(migrate_move(from[0], to[1], 3, 1000, &n), -EPIPE);
		fd_close(from[0]);
		fd_close(from[1]);
		fd_close(to[1]);
	}
}

/** Somebody takes a part and goes: what is left is exactly what was not counted. */
static void test_a_taker_that_fails(void **state)
{
	static const enum kind kinds[] = {PIPE, SOCKET};
	int from[2], to[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const int room = 1 << 20;
		uint8_t *data = calloc(1, LENGTH);
		size_t taken, left = 0;
		ssize_t n;

		make(kinds[i], &from[0], &from[1]);
		make(SOCKET, &to[0], &to[1]);
		set_nonblocking(NONBLOCKING_PIPE, from[0]);
		set_nonblocking(NONBLOCKING_PIPE, from[1]);
		set_nonblocking(NONBLOCKING_SOCKET, to[1]);
		if (kinds[i] == PIPE)
			(void)fcntl(from[1], F_SETPIPE_SZ, room);
		else
			(void)setsockopt(from[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
		n = write(from[1], data, LENGTH);
		assert_true(n > 0);
		/* more than the taker has room for */
		assert_int_equal(migrate_move(from[0], to[1], (size_t)n + 1, 20, &taken),
				 -ETIMEDOUT);
		assert_true(taken > 0 && taken <= (size_t)n);
		for (ssize_t got = 1; (got = read(from[0], data, LENGTH)) > 0;)
			left += (size_t)got;
		assert_int_equal(left, (size_t)n - taken);
		free(data);
		for (int k = 0; k < 2; k++) {
			fd_close(from[k]);
			fd_close(to[k]);
		}
	}
}

/** A slow reader is waited for as long as it reads at all. */
static void *slow_reader(void *arg)
{
	const int fd = *(int *)arg;
	static uint8_t buf[LENGTH / 8];

	for (size_t done = 0; done < LENGTH;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n <= 0)
			break;
		done += (size_t)n;
		usleep(300000);
	}
	return NULL;
}

static void test_put_waits_for_progress_alone(void **state)
{
	static uint8_t data[LENGTH];
	const int room = 65536;
	pthread_t thread;
	int ends[2];

	(void)state;
	make(SOCKET, &ends[0], &ends[1]);
	assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	assert_int_equal(pthread_create(&thread, NULL, slow_reader, &ends[0]), 0);
	assert_int_equal(migrate_put(ends[1], data, LENGTH, 2000), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(migrate_put(ends[1], data, LENGTH, 200), -ETIMEDOUT);
	fd_close(ends[0]);
	assert_int_equal(migrate_put(ends[1], data, LENGTH, 200), -EPIPE);
	fd_close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_everything_arrives),
	    cmocka_unit_test(test_no_more_than_asked_for),
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_a_taker_that_fails),
	    cmocka_unit_test(test_put_waits_for_progress_alone),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
