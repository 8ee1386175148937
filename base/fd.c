/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/sys.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* The most fds that one datagram of ours carries. */
#define FD_MESSAGE_MAX 8

/* Room for one SCM_RIGHTS message, aligned as the CMSG_ macros want it. */
union rights {
	struct cmsghdr header;
	char space[CMSG_SPACE(FD_MESSAGE_MAX * sizeof(int))];
};

/* The same, and for who sent it. */
union received {
	struct cmsghdr header;
	char space[CMSG_SPACE(FD_MESSAGE_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

int fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -EBADF;
}

int fd_set_cloexec(int fd, bool on, struct wh_error *err)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return wh_fail(err, errno, "read the flags of file descriptor %d", fd);
	flags = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
	if (fcntl(fd, F_SETFD, flags) < 0)
		return wh_fail(err, errno, "set the flags of file descriptor %d", fd);
	return 0;
}

ssize_t fd_path(int fd, char *buf, size_t size)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, size);
	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return n;
}

DIR *fd_list(int dir_fd)
{
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir)
		fd_close(copy);
	return dir;
}

ssize_t fd_read_up_to(int fd, void *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, (char *)buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int fd_await(int fd, short events, int timeout_ms)
{
	struct pollfd pollfd = {.fd = fd, .events = events};
	int n = poll(&pollfd, 1, timeout_ms);

	if (n < 0)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *next = data;

	while (len > 0) {
		ssize_t n = write(fd, next, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		/* No file answers 0 to a request for more; do not spin on one that does. */
		if (n == 0)
			return -EIO;
		next += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_open_std(struct wh_error *err)
{
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		if (fcntl(i, F_GETFD) >= 0)
			continue;
		/* Every lower fd is open, so this one lands on @i. */
		if (open("/dev/null", O_RDWR | O_NOCTTY) < 0)
			return wh_fail(err, errno, "open '/dev/null' as file descriptor %d", i);
	}
	return 0;
}

int fd_cloexec_from(int first, struct wh_error *err)
{
	int r = sys_close_range((unsigned int)first, UINT_MAX, CLOSE_RANGE_CLOEXEC);

	if (r < 0)
		return wh_fail(err, -r, "mark file descriptors from %d on close-on-exec", first);
	return 0;
}

int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	struct iovec part = {.iov_base = (void *)data, .iov_len = len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union rights rights = {.space = {0}};
	ssize_t n;

	if (n_fds > FD_MESSAGE_MAX)
		return -E2BIG;
	if (n_fds > 0) {
		rights.header.cmsg_level = SOL_SOCKET;
		rights.header.cmsg_type = SCM_RIGHTS;
		rights.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&rights.header), fds, n_fds * sizeof(int));
		message.msg_control = &rights;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	do {
		n = sendmsg(sock, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The part of that type which came beside the data, or NULL. */
static struct cmsghdr *find_part(struct msghdr *message, int type)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);

	while (header && (header->cmsg_level != SOL_SOCKET || header->cmsg_type != type))
		header = CMSG_NXTHDR(message, header);
	return header;
}

static pid_t sender_of(struct msghdr *message)
{
	struct cmsghdr *header = find_part(message, SCM_CREDENTIALS);
	struct ucred sender = {0};

	if (header)
		memcpy(&sender, CMSG_DATA(header), sizeof(sender));
	return sender.pid;
}

/* Move the fds of @message into @fds and close those beyond @room. Returns how many arrived. */
static size_t take_rights(struct msghdr *message, int *fds, size_t room)
{
	struct cmsghdr *header = find_part(message, SCM_RIGHTS);
	size_t count;

	if (!header)
		return 0;
	count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
		if (i < room)
			fds[i] = fd;
		else
			fd_close(fd);
	}
	return count;
}

ssize_t fd_recv(int sock, void *data, size_t size, int *fds, size_t *n_fds)
{
	return fd_recv_from(sock, data, size, fds, n_fds, NULL);
}

ssize_t fd_recv_from(int sock, void *data, size_t size, int *fds, size_t *n_fds, pid_t *ret_sender)
{
	struct iovec part = {.iov_base = data, .iov_len = size};
	union received beside = {.space = {0}};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &beside,
	    .msg_controllen = sizeof(beside),
	};
	size_t room = n_fds ? *n_fds : 0, arrived;
	ssize_t n;

	if (n_fds)
		*n_fds = 0;
	do {
		n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	arrived = take_rights(&message, fds, room);
	if (arrived > room || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    (n == 0 && arrived)) {
		for (size_t i = 0; i < arrived && i < room; i++)
			fds[i] = fd_close(fds[i]);
		return -EMSGSIZE;
	}
	if (n_fds)
		*n_fds = arrived;
	if (ret_sender)
		*ret_sender = sender_of(&message);
	return n;
}
