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

int migrate_lazy_start(struct migrate_lazy *lazy, const char *criu, const char *path,
		       unsigned int version, struct migrate_conn *conn, struct wh_error *err)
{
	struct lazy_ranges left = {0};
	struct migrate_pager_options opts = {.criu = &lazy->criu,
					     .criu_version = version,
					     .left = &left,
					     .answer_ms = MIGRATE_ANSWER_MS};
	const int room = SOCKET_ROOM;
	int ends[2];
	int rc;

	lazy->path = path;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return wh_fail(err, errno, "make a socket pair");
	/* an ordinary size will do for some hundred processes */
	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	opts.pages = ends[1];
	rc = read_left(path, &left, err);
	if (rc == 0)
		rc = lazy_pages_start(&lazy->criu, criu, path, ends, err);
	if (rc == 0)
		rc = migrate_pager_start(&lazy->pager, conn, &opts, err);
	if (rc < 0)
		lazy_pages_end(&lazy->criu);
	lazy_ranges_done(&left);
	fd_close(ends[0]);
	fd_close(ends[1]);
	return rc;
}

/** The source has nothing to say until it hears that we are done: anything is the end. */
static int hear_source(struct migrate_conn *conn, struct wh_error *err)
{
	struct migrate_message msg;
	int rc = migrate_expect(conn, MIGRATE_DONE, MIGRATE_ANSWER_MS, &msg, err);

	return rc < 0 ? rc
		      : wh_fail(err, EPROTO, "%s says that it is done before it is", conn->peer);
}

int migrate_lazy_finish(struct migrate_lazy *lazy, struct migrate_conn *conn, struct wh_error *err)
{
	struct pollfd fds[] = {
	    {.fd = lazy->criu.pidfd, .events = POLLIN},
	    {.fd = conn->in,         .events = POLLIN},
	};
	int n;
	int rc;

	do {
		n = poll(fds, ARRAY_LEN(fds), -1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return wh_fail(err, errno, "wait for memory");
	/* what is complete stays so, whatever became of the connection */
	if (!fds[0].revents)
		return hear_source(conn, err);
	rc = lazy_pages_result(&lazy->criu, lazy->path, err);
	if (rc < 0)
		wh_error_prefix(err, "memory could not be fetched on access, which a migration "
				     "without --lazy does not need");
	return rc;
}
