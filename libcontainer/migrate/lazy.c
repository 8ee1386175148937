/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/checkpoint/pagemap.h"

/**
 * What may be under way in the socket. CRIU asks for memory of each process before it hears an answer, and neither it nor the
 * pager reads while it writes: there has to be room for as many requests as there are processes, and the kernel counts
 * most of a KiB for each.
 */
#define SOCKET_ROOM (8 << 20)

/** What the image at @path was made without. */
static int read_left(const char *path, struct lazy_ranges *ret_left, struct wh_error *err)
{
	auto_fd dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return dir_fd < 0 ? wh_fail(err, errno, "open '%s'", path)
			  : lazy_ranges_read(dir_fd, ret_left, err);
}

/** CRIU's process, and the pager at the other end of its socket. @opts: without what they have to do with each other. */
static int start(struct migrate_lazy *lazy, const char *criu, const char *path,
		 struct migrate_pager_options *opts, struct migrate_conn *conn,
		 struct wh_error *err)
{
	const int room = SOCKET_ROOM;
	int ends[2];
	int rc;

	lazy->path = path;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return wh_fail(err, errno, "make a socket pair");
	/* an ordinary size will do for some hundred processes */
	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	opts->criu = &lazy->criu;
	opts->pages = ends[1];
	opts->answer_ms = MIGRATE_ANSWER_MS;
	rc = lazy_pages_start(&lazy->criu, criu, path, ends, err);
	if (rc == 0)
		rc = migrate_pager_start(&lazy->pager, conn, opts, err);
	if (rc < 0)
		lazy_pages_end(&lazy->criu);
	fd_close(ends[0]);
	fd_close(ends[1]);
	return rc;
}

int migrate_lazy_start(struct migrate_lazy *lazy, const char *criu, const char *path,
		       unsigned int version, struct migrate_conn *conn, struct wh_error *err)
{
	struct lazy_ranges left = {0};
	struct migrate_pager_options opts = {.criu_version = version, .left = &left};
	int rc = read_left(path, &left, err);

	if (rc == 0)
		rc = start(lazy, criu, path, &opts, conn, err);
	lazy_ranges_done(&left);
	return rc;
}

int migrate_lazy_start_stored(struct migrate_lazy *lazy, const char *criu, const char *path,
			      unsigned int version, const struct page_index *index, int images_fd,
			      struct wh_error *err)
{
	struct migrate_pager_options opts = {
	    .criu_version = version, .index = index, .images_fd = images_fd};
	struct migrate_conn ends = {.in = -EBADF, .out = -EBADF};
	int rc = start(lazy, criu, path, &opts, &ends, err);

	if (rc < 0)
		return rc;
	rc = migrate_conn_init(&lazy->link, ends.in, ends.out, "receiver", "the pager", err);
	if (rc < 0) {
		lazy_pages_end(&lazy->criu);
		migrate_lazy_done(lazy);
	}
	return rc;
}

void migrate_lazy_done(struct migrate_lazy *lazy)
{
	if (lazy->link.in >= 0) {
		lazy->link.in = fd_close(lazy->link.in);
		migrate_conn_done(&lazy->link);
	}
	migrate_pager_end(&lazy->pager);
}

int migrate_lazy_prepared(struct migrate_lazy *lazy, struct wh_error *err)
{
	struct pollfd criu = {.fd = lazy->criu.pidfd, .events = POLLIN};
	struct migrate_message msg;
	int rc = migrate_send(&lazy->link, MIGRATE_PREPARED, NULL, 0, NULL, 0, err);

	if (rc == 0)
		rc = migrate_expect(&lazy->link, MIGRATE_PREPARED, MIGRATE_ANSWER_MS, &msg, err);
	/* of one that ended before there may be no copies */
	if (rc == 0 && poll(&criu, 1, 0) != 0)
		rc = wh_fail(err, ECHILD, "'criu lazy-pages' has ended");
	return rc;
}

/** The other side has nothing to say until it hears that we are done: anything is the end. */
static int hear_other(struct migrate_conn *conn, struct wh_error *err)
{
	struct migrate_message msg;
	int rc = migrate_expect(conn, MIGRATE_DONE, MIGRATE_ANSWER_MS, &msg, err);

	return rc < 0 ? rc
		      : wh_fail(err, EPROTO, "%s says that it is done before it is", conn->peer);
}

/** The pager has read since it said so last, and has nothing else to say: the source hears it, too. */
static int hear_pager(struct migrate_lazy *lazy, struct migrate_conn *source, struct wh_error *err)
{
	struct migrate_message msg;
	int rc = migrate_expect(&lazy->link, MIGRATE_READING, MIGRATE_ANSWER_MS, &msg, err);

	/* that it cannot be told changes nothing here */
	if (rc == 0)
		(void)migrate_send(source, MIGRATE_READING, NULL, 0, NULL, 0, NULL);
	return rc;
}

/** Who has ended, or has something to say. */
enum { NOBODY, CRIU, OTHER };

/** Wait for CRIU's end, and for a word from the other end of @conn. Returns which it was, NOBODY after @timeout_ms, or -errno. */
static int await_word(const struct migrate_lazy *lazy, const struct migrate_conn *conn,
		      int timeout_ms, struct wh_error *err)
{
	struct pollfd fds[] = {
	    {.fd = lazy->criu.pidfd, .events = POLLIN},
	    {.fd = conn->in,         .events = POLLIN},
	};
	int n;

	do {
		n = poll(fds, ARRAY_LEN(fds), timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return wh_fail(err, errno, "wait for memory");
	/* what is complete stays so, whatever became of the connection */
	if (fds[0].revents)
		return CRIU;
	return n == 0 ? NOBODY : OTHER;
}

static int finish_stored(struct migrate_lazy *lazy, struct migrate_conn *source,
			 struct wh_error *err)
{
	int64_t heard_ms = clock_ms();
	int rc;

	for (;;) {
		int who = await_word(lazy, &lazy->link, lazy->ask_ms, err);

		if (who < 0)
			return who;
		if (who == CRIU)
			return lazy_pages_result(&lazy->criu, lazy->path, err);
		if (who == OTHER) {
			rc = hear_pager(lazy, source, err);
			heard_ms = clock_ms();
		} else if (clock_ms() - heard_ms >= lazy->limit_ms) {
			rc = wh_fail(err, ETIMEDOUT,
				     "no memory was read for %d s, and some is missing",
				     lazy->limit_ms / 1000);
		} else {
			rc = migrate_send(&lazy->link, MIGRATE_READING, NULL, 0, NULL, 0, err);
		}
		if (rc < 0)
			return rc;
	}
}

int migrate_lazy_finish(struct migrate_lazy *lazy, struct migrate_conn *conn, struct wh_error *err)
{
	int who;

	if (lazy->link.in >= 0)
		return finish_stored(lazy, conn, err);
	who = await_word(lazy, conn, -1, err);
	if (who < 0)
		return who;
	return who == CRIU ? lazy_pages_result(&lazy->criu, lazy->path, err)
			   : hear_other(conn, err);
}
