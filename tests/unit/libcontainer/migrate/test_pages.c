/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/pages.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/sys.h"
#include "tests/unit/base/scratch.h"

/** Memory, to CRIU: more than one message of it, and than a socket holds. */
#define LENGTH (3U * MIGRATE_PAGES_MAX + 5)

/** Source and destination with all that they talk to: the tests are CRIU at both ends. */
struct fixture {
	int wire[2];
	struct migrate_conn source;
	struct migrate_conn destination;
	struct migrate_pages pages;
	int rpc[2]; /* of CRIU at the source */
	struct page_server server;
	int server_end;         /* the page server's */
	int fate;               /* by which it is told with which status it is to end */
	enum migrate_type last; /* what the destination received after the pages */
	void *image;            /* a struct scratch */
};

/** A process for the page server, which ends with the byte that is written into @ret_fate. Returns its pidfd. */
static int fork_server(int *ret_fate)
{
	uint8_t status = 0;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &status, 1) == 1 ? status : 77);
	}
	close(ends[0]);
	*ret_fate = ends[1];
	return pid < 0 ? -1 : sys_pidfd_open(pid, 0);
}

/** The page server closes its socket, and ends. */
static void end_server(struct fixture *f, uint8_t status)
{
	f->server_end = fd_close(f->server_end);
	(void)fd_write_all(f->fate, &status, 1);
}

static int setup(void **state)
{
	static struct fixture f;
	int fate = -EBADF;
	/* before there is a socket that it would keep open */
	int pidfd = fork_server(&fate);
	int socks[2];

	f = (struct fixture){.fate = fate};
	*state = &f;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.wire) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, f.rpc) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0 ||
	    scratch_setup(&f.image) < 0)
		return -1;
	if (migrate_conn_init(&f.source, f.wire[0], f.wire[0], "source", "the destination", NULL) <
		0 ||
	    migrate_conn_init(&f.destination, f.wire[1], f.wire[1], "destination", "the source",
			      NULL) < 0)
		return -1;
	f.server = PAGE_SERVER_NONE;
	f.server.pidfd = pidfd;
	f.server.sock = socks[0];
	f.server.image_fd = ((struct scratch *)f.image)->fd;
	f.server_end = socks[1];
	f.pages = MIGRATE_PAGES_NONE;
	return migrate_pages_open(&f.pages, &f.source, 7, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	migrate_pages_close(&f->pages);
	f->fate = fd_close(f->fate);
	page_server_end(&f->server);
	migrate_conn_done(&f->source);
	migrate_conn_done(&f->destination);
	fd_close(f->server_end);
	for (int i = 0; i < 2; i++) {
		fd_close(f->wire[i]);
		fd_close(f->rpc[i]);
	}
	return scratch_teardown(&f->image);
}

/** Meets the request for a page server, and says that it is there. */
static void answer_request(struct fixture *f)
{
	struct migrate_message msg;

	assert_int_equal(migrate_expect(&f->destination, MIGRATE_STREAM, 1000, &msg, NULL), 0);
	assert_int_equal(migrate_get_u64(msg.payload), 7);
	assert_int_equal(migrate_send(&f->destination, MIGRATE_STREAMING, NULL, 0, NULL, 0, NULL),
			 0);
}

static void *destination(void *arg)
{
	struct fixture *f = arg;
	struct migrate_message msg = {0};
	int rc = migrate_pages_receive(&f->destination, &f->server, UINT64_MAX, &msg, NULL);

	f->last = msg.type;
	return (void *)(intptr_t)rc;
}

/** CRIU that dumps: says much, waits for a last word, and says over its other socket that it is done. */
static void *dump(void *arg)
{
	struct fixture *f = arg;
	char *data = calloc(1, LENGTH);
	char answer = 0;
	int rc = fd_write_all(f->pages.criu_sock, data, LENGTH);
	ssize_t n = read(f->pages.criu_sock, &answer, 1);

	free(data);
	(void)send(f->rpc[1], "done", 4, 0);
	return rc == 0 && n == 1 && answer == 'y' ? NULL : arg;
}

/** CRIU's page server: takes so many bytes, and ends with a last word. */
static void *serve(void *arg)
{
	struct fixture *f = arg;
	char buf[65536];
	size_t got = 0;
	ssize_t n = 1;

	while (got < LENGTH && n > 0) {
		n = read(f->server_end, buf, sizeof(buf));
		got += n > 0 ? (size_t)n : 0;
	}
	n = send(f->server_end, "y", 1, MSG_NOSIGNAL);
	end_server(f, 0);
	return got == LENGTH && n == 1 ? NULL : arg;
}

static void test_what_both_say_arrives(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[3];
	void *failed[3];

	answer_request(f);
	assert_int_equal(pthread_create(&threads[0], NULL, destination, f), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, dump, f), 0);
	assert_int_equal(pthread_create(&threads[2], NULL, serve, f), 0);
	assert_int_equal(migrate_pages_attend(&f->pages, &f->source, f->rpc[0], NULL), 0);
	assert_true(f->pages.ready);
	assert_int_equal(f->pages.bytes, LENGTH);
	assert_int_equal(migrate_pages_finish(&f->pages, &f->source, NULL), 0);
	assert_int_equal(migrate_send(&f->source, MIGRATE_COMMIT, NULL, 0, NULL, 0, NULL), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], &failed[i]), 0);
		assert_null(failed[i]);
	}
	assert_int_equal(f->last, MIGRATE_COMMIT);
}

/** CRIU, which would wait for an answer, is cut off as well. */
static void test_a_destination_that_gives_up(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	const struct wh_error reason = {.message = "no room"};
	char byte;

	answer_request(f);
	assert_int_equal(migrate_pages_await(&f->pages, &f->source, NULL), 0);
	assert_true(migrate_send_abort(&f->destination, &reason));
	assert_int_equal(migrate_pages_attend(&f->pages, &f->source, f->rpc[0], &err),
			 -ECONNABORTED);
	assert_string_equal(err.message, "the destination: no room");
	assert_int_equal(read(f->pages.criu_sock, &byte, 1), 0);
}

static void test_more_than_there_is_room_for(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	struct migrate_message msg;
	char got[16];

	answer_request(f);
	assert_int_equal(migrate_pages_await(&f->pages, &f->source, NULL), 0);
	assert_int_equal(write(f->pages.criu_sock, "pagesmore", 9), 9);
	assert_int_equal(migrate_send_pages(&f->source, f->pages.sock, 5, NULL), 0);
	assert_int_equal(migrate_send_pages(&f->source, f->pages.sock, 4, NULL), 0);
	assert_int_equal(migrate_pages_receive(&f->destination, &f->server, 8, &msg, &err), -EFBIG);
	assert_int_equal(read(f->server_end, got, sizeof(got)), 5);
}

static void write_log(const struct fixture *f)
{
	scratch_write(f->image, "page-server.log",
		      "(00.1) Error (criu/image.c:1): No space left\n");
}

/** Memory is on its way that it will not take. Its own words, which are in its log, are the error, and not what comes of it. */
static void test_a_page_server_that_fails(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	struct migrate_message msg;

	answer_request(f);
	assert_int_equal(migrate_pages_await(&f->pages, &f->source, NULL), 0);
	write_log(f);
	end_server(f, 1);
	assert_int_equal(write(f->pages.criu_sock, "pages", 5), 5);
	assert_int_equal(migrate_send_pages(&f->source, f->pages.sock, 5, NULL), 0);
	assert_int_equal(migrate_pages_receive(&f->destination, &f->server, UINT64_MAX, &msg, &err),
			 -EIO);
	assert_non_null(strstr(err.message, "take memory: No space left"));
	assert_null(strstr(err.message, "more in")); /* the log goes with the images */
}

/** Nobody says anything more, and there is something that it has not read. */
static void test_a_page_server_that_fails_in_silence(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	struct migrate_message msg;

	answer_request(f);
	assert_int_equal(migrate_pages_await(&f->pages, &f->source, NULL), 0);
	assert_int_equal(write(f->server.sock, "pages", 5), 5);
	write_log(f);
	end_server(f, 1);
	assert_int_equal(migrate_pages_receive(&f->destination, &f->server, UINT64_MAX, &msg, &err),
			 -EIO);
	assert_non_null(strstr(err.message, "take memory: No space left"));
	/* the source's CRIU is cut off by that word, and by nothing before it */
	assert_true(migrate_send_abort(&f->destination, &err));
	assert_int_equal(migrate_pages_finish(&f->pages, &f->source, &err), -ECONNABORTED);
	assert_non_null(strstr(err.message, "the destination: CRIU could not take memory: No sp"));
	assert_false(f->pages.ended);
}

static void test_a_page_server_that_is_killed(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	struct migrate_message msg;

	answer_request(f);
	f->server_end = fd_close(f->server_end);
	assert_int_equal(sys_pidfd_send_signal(f->server.pidfd, SIGKILL, NULL, 0), 0);
	assert_int_equal(migrate_pages_receive(&f->destination, &f->server, UINT64_MAX, &msg, &err),
			 -EIO);
	assert_string_equal(err.message, "CRIU's page server was ended by signal 9");
}

/** It says that all is well, and is sent more. */
static void test_memory_after_the_end(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	struct migrate_message msg;

	answer_request(f);
	assert_int_equal(migrate_pages_await(&f->pages, &f->source, NULL), 0);
	end_server(f, 0);
	assert_int_equal(write(f->pages.criu_sock, "pages", 5), 5);
	assert_int_equal(migrate_send_pages(&f->source, f->pages.sock, 5, NULL), 0);
	assert_int_equal(migrate_pages_receive(&f->destination, &f->server, UINT64_MAX, &msg, &err),
			 -EPROTO);
	assert_int_equal(migrate_pages_finish(&f->pages, &f->source, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_both_say_arrives, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_destination_that_gives_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_more_than_there_is_room_for, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_page_server_that_fails, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_page_server_that_fails_in_silence, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_a_page_server_that_is_killed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_memory_after_the_end, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
