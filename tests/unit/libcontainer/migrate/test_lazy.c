/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/lazy.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/sys.h"
#include "tests/unit/base/scratch.h"

/** How often the pager is asked, and how long it may say nothing. */
#define ASK_MS   50
#define LIMIT_MS 500

/** Of a receiver that waits: the pager and the source are here, and CRIU is a process that ends when it is told to. */
struct fixture {
	struct migrate_lazy lazy;
	struct migrate_conn conn;   /* the receiver's, to the source */
	struct migrate_conn source; /* its other end */
	int link[2];
	int criu_end; /* what CRIU waits for */
	pid_t pager;
};

/** A process that ends well once the other end of *@ret_end is closed. */
static pid_t start_criu(int *ret_end)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(ends[0]);
	*ret_end = ends[1];
	return pid;
}

static void connect_ends(struct migrate_conn *one, const char *peer, int ends[2])
{
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), errno);
	assert_int_equal(migrate_conn_init(one, ends[0], ends[0], "destination", peer, NULL), 0);
}

static int setup_any(void **state, bool stored)
{
	static struct fixture f;
	int ends[2];

	f = (struct fixture){.lazy = MIGRATE_LAZY_NONE};
	*state = &f;
	/* before there is anything that it could keep open */
	f.lazy.criu.pid = start_criu(&f.criu_end);
	connect_ends(&f.conn, "the source", ends);
	if (migrate_conn_init(&f.source, ends[1], ends[1], "source", "the destination", NULL) < 0)
		return -1;
	f.link[0] = f.link[1] = -EBADF;
	if (stored)
		connect_ends(&f.lazy.link, "the pager", f.link);
	f.lazy.ask_ms = ASK_MS;
	f.lazy.limit_ms = LIMIT_MS;
	f.lazy.path = "/";
	f.lazy.criu.pidfd = sys_pidfd_open(f.lazy.criu.pid, 0);
	return f.lazy.criu.pidfd < 0 ? -1 : 0;
}

static int setup_stored(void **state)
{
	return setup_any(state, true);
}

static int setup(void **state)
{
	return setup_any(state, false);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pager > 0) {
		kill(f->pager, SIGKILL);
		waitpid(f->pager, NULL, 0);
	}
	lazy_pages_end(&f->lazy.criu);
	fd_close(f->criu_end);
	fd_close(f->link[1]);
	fd_close(f->conn.in);
	fd_close(f->source.in);
	migrate_lazy_done(&f->lazy);
	migrate_conn_done(&f->conn);
	migrate_conn_done(&f->source);
	return 0;
}

/** A pager that has read whenever it is asked, as often as that, and then nothing; with @ends, CRIU then has all of it. */
static void start_pager(struct fixture *f, int reads, bool ends)
{
	struct migrate_conn link;
	struct migrate_message msg;

	f->pager = fork();
	assert_return_code(f->pager, errno);
	if (f->pager > 0) {
		f->link[1] = fd_close(f->link[1]);
		if (ends)
			f->criu_end = fd_close(f->criu_end);
		return;
	}
	fd_close(f->link[0]);
	if (migrate_conn_init(&link, f->link[1], f->link[1], "pager", "the receiver", NULL) < 0)
		_exit(1);
	for (int i = 0; i < reads; i++) {
		if (migrate_expect(&link, MIGRATE_READING, 5000, &msg, NULL) < 0 ||
		    migrate_send(&link, MIGRATE_READING, NULL, 0, NULL, 0, NULL) < 0)
			_exit(1);
	}
	fd_close(f->criu_end);
	pause();
	_exit(0);
}

/** How often the source has heard that memory is being read; it has heard nothing else. */
static int readings(struct fixture *f)
{
	struct migrate_message msg;
	int count = 0;

	shutdown(f->conn.in, SHUT_WR);
	while (migrate_expect(&f->source, MIGRATE_READING, 5000, &msg, NULL) == 0)
		count++;
	assert_int_equal(msg.type, MIGRATE_EOF);
	return count;
}

/** It takes longer than nothing may be read, and the source hears that it goes on. */
static void test_the_source_hears_that_memory_is_read(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	const int reads = 2 * LIMIT_MS / ASK_MS;

	start_pager(f, reads, true);
	assert_int_equal(migrate_lazy_finish(&f->lazy, &f->conn, &err), 0);
	assert_string_equal(err.message, "");
	assert_int_equal(readings(f), reads);
}

static void test_nothing_is_read_any_more(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	const int64_t before = clock_ms();

	start_pager(f, 3, false);
	assert_int_equal(migrate_lazy_finish(&f->lazy, &f->conn, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "no memory was read for"));
	assert_true(clock_ms() - before >= 3 * ASK_MS + LIMIT_MS);
	assert_int_equal(readings(f), 3);
}

/** So short that nobody was asked. */
static void test_it_was_read_at_once(void **state)
{
	struct fixture *f = *state;

	f->criu_end = fd_close(f->criu_end);
	assert_int_equal(migrate_lazy_finish(&f->lazy, &f->conn, NULL), 0);
	assert_int_equal(readings(f), 0);
}

static void test_the_pager_is_gone(void **state)
{
	struct fixture *f = *state;

	f->link[1] = fd_close(f->link[1]);
	assert_int_equal(migrate_lazy_finish(&f->lazy, &f->conn, NULL), -EPIPE);
	assert_int_equal(readings(f), 0);
}

/** That the source is gone changes nothing. */
static void test_the_source_is_gone(void **state)
{
	struct fixture *f = *state;

	f->source.in = fd_close(f->source.in);
	start_pager(f, 3, true);
	assert_int_equal(migrate_lazy_finish(&f->lazy, &f->conn, NULL), 0);
}

/** Post-copy the memory is the source's: to read it is nobody's word, and how long it takes the pager looks after. */
static void test_post_copy_ends_with_a_word_of_the_source(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(migrate_send(&f->source, MIGRATE_READING, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_lazy_finish(&f->lazy, &f->conn, NULL), -EPROTO);
}

static void test_post_copy_has_all_of_it(void **state)
{
	struct fixture *f = *state;

	f->criu_end = fd_close(f->criu_end);
	assert_int_equal(migrate_lazy_finish(&f->lazy, &f->conn, NULL), 0);
	assert_int_equal(readings(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_the_source_hears_that_memory_is_read, setup_stored,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_is_read_any_more, setup_stored, teardown),
	    cmocka_unit_test_setup_teardown(test_it_was_read_at_once, setup_stored, teardown),
	    cmocka_unit_test_setup_teardown(test_the_pager_is_gone, setup_stored, teardown),
	    cmocka_unit_test_setup_teardown(test_the_source_is_gone, setup_stored, teardown),
	    cmocka_unit_test_setup_teardown(test_post_copy_ends_with_a_word_of_the_source, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_post_copy_has_all_of_it, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
