/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/move.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/** What is copied at once where nothing can be moved. */
#define COPY_SIZE (64U << 10)

static int await(int fd, short events, int timeout_ms)
{
	struct pollfd pollfd = {.fd = fd, .events = events};
	int n = poll(&pollfd, 1, timeout_ms);

	if (n < 0)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

/** Between sockets: receive once, which *@taken counts, and send all of that. Returns what was received, 0 at the end, or -errno. */
static ssize_t copy(int from, int to, size_t len, int timeout_ms, size_t *taken)
{
	char buf[COPY_SIZE];
	ssize_t n = recv(from, buf, len < sizeof(buf) ? len : sizeof(buf), MSG_DONTWAIT);
	ssize_t done = 0;

	if (n < 0)
		return -errno;
	*taken += (size_t)n;
	while (done < n) {
		ssize_t sent =
		    send(to, buf + done, (size_t)(n - done), MSG_DONTWAIT | MSG_NOSIGNAL);
		int rc = 0;

		if (sent >= 0)
			done += sent;
		else
			rc = errno == EAGAIN ? await(to, POLLOUT, timeout_ms) : -errno;
		if (rc < 0)
			return rc;
	}
	return n;
}

/** Once; *@taken grows by what is gone from @from. Returns what was moved, 0 at the end, -EAGAIN when one of the two is not ready, or -errno. */
static ssize_t move_once(int from, int to, size_t len, int timeout_ms, bool *can_splice,
			 size_t *taken)
{
	ssize_t n;

	if (*can_splice) {
		n = splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n >= 0)
			*taken += (size_t)n;
		if (n >= 0 || errno != EINVAL)
			return n < 0 ? -errno : n;
		*can_splice = false; /* neither is a pipe */
	}
	return copy(from, to, len, timeout_ms, taken);
}

int migrate_move(int from, int to, size_t len, int timeout_ms, size_t *ret_taken)
{
	bool can_splice = true;

	*ret_taken = 0;
	while (*ret_taken < len) {
		ssize_t n =
		    move_once(from, to, len - *ret_taken, timeout_ms, &can_splice, ret_taken);
		int rc = 0;

		if (n == 0)
			break;
		if (n == -EAGAIN)
			rc = await(from, POLLIN, timeout_ms);
		else if (n < 0)
			return (int)n;
		if (rc == 0 && n == -EAGAIN)
			rc = await(to, POLLOUT, timeout_ms);
		if (rc < 0)
			return rc;
	}
	return 0;
}
