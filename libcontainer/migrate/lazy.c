/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

int migrate_lazy_finish(struct migrate_lazy *lazy, struct migrate_conn *conn, int timeout_ms,
			struct wh_error *err)
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
	if (n == 0)
		return -ETIMEDOUT;
	/* what is complete stays so, whatever became of the connection */
	return fds[0].revents ? lazy_pages_result(&lazy->criu, lazy->path, err)
			      : hear_other(conn, err);
}
