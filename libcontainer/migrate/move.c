/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/move.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

/** What is copied at once where nothing can be moved. */
#define COPY_SIZE (64U << 10)

/** A Unix socket says that there is room when most of it is free; there may be some before. */
#define LOOK_AGAIN_MS 100

int migrate_put(int to, const void *data, size_t len, int timeout_ms)
{
	const char *next = data;
	int64_t progress_ms = clock_ms();

	while (len > 0) {
		ssize_t n = send(to, next, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		int rc;

		if (n >= 0) {
			next += n;
			len -= (size_t)n;
			progress_ms = clock_ms();
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (clock_ms() - progress_ms >= timeout_ms)
			return -ETIMEDOUT;
		rc = fd_await(to, POLLOUT, LOOK_AGAIN_MS);
		if (rc < 0 && rc != -ETIMEDOUT && rc != -EINTR)
			return rc;
	}
	return 0;
}

/** Between sockets: receive once, which *@taken counts, and send all of that. Returns what was received, 0 at the end, or -errno. */
static ssize_t copy(int from, int to, size_t len, int timeout_ms, size_t *taken)
{
	char buf[COPY_SIZE];
	ssize_t n = recv(from, buf, len < sizeof(buf) ? len : sizeof(buf), MSG_DONTWAIT);
	int rc;

	if (n < 0)
		return -errno;
	*taken += (size_t)n;
	rc = migrate_put(to, buf, (size_t)n, timeout_ms);
	return rc < 0 ? rc : n;
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
			rc = fd_await(from, POLLIN, timeout_ms);
		else if (n < 0)
			return (int)n;
		if (rc == 0 && n == -EAGAIN)
			rc = fd_await(to, POLLOUT, timeout_ms);
		if (rc < 0)
			return rc;
	}
	return 0;
}
