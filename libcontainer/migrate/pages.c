/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/pages.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

/** What may be under way in a socket: with the kernel's default each side would wake for a few pages. */
#define SOCKET_ROOM (4 << 20)

/** Most that a page server says at once: a byte for each part of the memory. */
#define ANSWER_MAX 4096

/* The source */

int migrate_pages_open(struct migrate_pages *pages, struct migrate_conn *conn, uint64_t number,
		       struct wh_error *err)
{
	const int room = SOCKET_ROOM;
	uint8_t value[8];
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return wh_fail(err, errno, "make a socket pair");
	/* an ordinary size will do, too */
	(void)setsockopt(socks[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	*pages = (struct migrate_pages){.sock = socks[0], .criu_sock = socks[1]};
	migrate_put_u64(value, number);
	return migrate_send(conn, MIGRATE_STREAM, value, sizeof(value), NULL, 0, err);
}

void migrate_pages_close(struct migrate_pages *pages)
{
	pages->sock = fd_close(pages->sock);
	pages->criu_sock = fd_close(pages->criu_sock);
}

int migrate_pages_await(struct migrate_pages *pages, struct migrate_conn *conn,
			struct wh_error *err)
{
	struct migrate_message msg;
	int rc = pages->ready
		     ? 0
		     : migrate_expect(conn, MIGRATE_STREAMING, MIGRATE_ANSWER_MS, &msg, err);

	pages->ready = rc == 0;
	return rc;
}

/** What the destination has to say while CRIU saves. */
static int hear(struct migrate_pages *pages, struct migrate_conn *conn, struct wh_error *err)
{
	struct migrate_message msg;
	int rc;

	if (!pages->ready)
		return migrate_pages_await(pages, conn, err);
	rc = migrate_expect(conn, MIGRATE_PAGES, MIGRATE_WORK_MS, &msg, err);
	if (rc < 0)
		return rc;
	if (msg.len > 0)
		return migrate_take_pages(conn, pages->sock, err);
	/* CRIU must not wait for an answer that will not come */
	shutdown(pages->sock, SHUT_RDWR);
	pages->ended = true;
	return 0;
}

int migrate_pages_finish(struct migrate_pages *pages, struct migrate_conn *conn,
			 struct wh_error *err)
{
	int rc = 0;

	while (rc == 0 && !pages->ended)
		rc = hear(pages, conn, err);
	return rc;
}

/** What CRIU has to say to the page server. */
static int speak(struct migrate_pages *pages, struct migrate_conn *conn, struct wh_error *err)
{
	int there = 0;
	int rc;

	if (ioctl(pages->sock, SIOCINQ, &there) < 0)
		return wh_fail(err, errno, "look for pages from CRIU");
	if (there <= 0)
		return 0;
	if ((size_t)there > MIGRATE_PAGES_MAX)
		there = MIGRATE_PAGES_MAX;
	rc = migrate_send_pages(conn, pages->sock, (size_t)there, err);
	pages->bytes += rc == 0 ? (uint64_t)there : 0;
	return rc;
}

int migrate_pages_attend(struct migrate_pages *pages, struct migrate_conn *conn, int rpc,
			 struct wh_error *err)
{
	struct pollfd fds[] = {
	    {.fd = rpc,         .events = POLLIN},
	    {.fd = conn->in,    .events = POLLIN},
	    {.fd = pages->sock, .events = POLLIN},
	};
	int rc = 0;

	while (rc == 0) {
		int n = poll(fds, ARRAY_LEN(fds), MIGRATE_WORK_MS);

		if (n < 0)
			rc = wh_fail(err, errno, "wait for CRIU");
		else if (n == 0)
			rc = wh_fail(err, ETIMEDOUT, "CRIU has saved nothing for %d s",
				     MIGRATE_WORK_MS / 1000);
		else if (fds[1].revents)
			rc = hear(pages, conn, err);
		else if (fds[2].revents)
			rc = speak(pages, conn, err);
		else
			break;
		if (fds[2].revents & POLLHUP)
			fds[2].fd = -1; /* it has ended */
	}
	if (rc < 0)
		shutdown(pages->sock, SHUT_RDWR);
	return rc;
}

/* The destination */

/** What the page server has to say. Its end is passed on, too; unless it has failed, which is told as the error that it is. */
static int pass_answer(struct migrate_conn *conn, struct page_server *server, struct wh_error *err)
{
	char answer[ANSWER_MAX];
	ssize_t n = read(server->sock, answer, sizeof(answer));

	/* the latter when it has left something unread */
	if (n < 0 && errno != ECONNRESET)
		return wh_fail(err, errno, "read from CRIU's page server");
	if (n <= 0) {
		int rc = page_server_result(server, err);

		if (rc < 0)
			return rc;
		n = 0;
	}
	return migrate_send(conn, MIGRATE_PAGES, NULL, 0, answer, (size_t)n, err);
}

static bool has_hung_up(int sock)
{
	struct pollfd pollfd = {.fd = sock};

	return poll(&pollfd, 1, 0) > 0;
}

/** The payload of a PAGES. */
static int give_pages(struct migrate_conn *conn, struct page_server *server, struct wh_error *err)
{
	int rc = server->sock < 0 ? -EPIPE : migrate_take_pages(conn, server->sock, err);

	if (rc == 0 || (server->sock >= 0 && !has_hung_up(server->sock)))
		return rc;
	rc = page_server_result(server, err);
	return rc < 0 ? rc
		      : wh_fail(err, EPROTO, "CRIU's page server ended before %s had sent all",
				conn->peer);
}

/** One message. Returns 0 with a PAGES passed on, or another as *@ret_msg; or -errno. */
static int take_message(struct migrate_conn *conn, struct page_server *server, uint64_t *limit,
			struct migrate_message *ret_msg, struct wh_error *err)
{
	int rc = migrate_receive(conn, MIGRATE_WORK_MS, ret_msg, err);

	if (rc < 0 || ret_msg->type != MIGRATE_PAGES)
		return rc;
	if (ret_msg->len > *limit)
		return wh_fail(err, EFBIG,
			       "%s sent more memory than there was agreed on or is room for",
			       conn->peer);
	*limit -= ret_msg->len;
	return give_pages(conn, server, err);
}

int migrate_pages_receive(struct migrate_conn *conn, struct page_server *server, uint64_t limit,
			  struct migrate_message *ret_msg, struct wh_error *err)
{
	int rc = 0;

	*ret_msg = (struct migrate_message){.type = MIGRATE_PAGES};
	while (rc == 0 && ret_msg->type == MIGRATE_PAGES) {
		struct pollfd fds[] = {
		    {.fd = conn->in,     .events = POLLIN},
		    {.fd = server->sock, .events = POLLIN},
		};
		int n = poll(fds, ARRAY_LEN(fds), MIGRATE_WORK_MS);

		if (n <= 0)
			rc = wh_fail(err, n < 0 ? errno : ETIMEDOUT, "wait for %s", conn->peer);
		else if (fds[1].revents)
			rc = pass_answer(conn, server, err);
		else
			rc = take_message(conn, server, &limit, ret_msg, err);
	}
	return rc;
}
