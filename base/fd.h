/* SPDX-License-Identifier: Apache-2.0 */
/* Owned file descriptors and other handles. An invalid fd is -EBADF; passing an fd lends it unless
 * the name says take. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/error.h"

/** Close @fd unless it is negative; errno is kept. Always returns -EBADF, to be assigned back. */
int fd_close(int fd);

/** Give up ownership: returns *@fd and leaves -EBADF behind. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

static inline void fd_closep(int *fd)
{
	fd_close(*fd);
}

static inline void free_p(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

static inline void dir_closep(DIR **d)
{
	int saved = errno;

	if (*d)
		closedir(*d);
	errno = saved;
}

/** Handles closed at the end of the scope; errno is kept. Declare with a value. */
#define auto_fd   __attribute__((cleanup(fd_closep))) int
#define auto_free __attribute__((cleanup(free_p)))
#define auto_dir  __attribute__((cleanup(dir_closep))) DIR

/** Set or clear FD_CLOEXEC on @fd. Returns 0 or -errno. */
int fd_set_cloexec(int fd, bool on, struct wh_error *err);

/**
 * Read the directory @dir_fd, which may be O_PATH, from its beginning: with a position of its own, so that @dir_fd is lent.
 * Returns the caller's stream (auto_dir), or NULL with errno.
 */
DIR *fd_list(int dir_fd);

/** Read until @size bytes are there or @fd ends, retrying short reads and EINTR. Returns how many bytes, or -errno. */
ssize_t fd_read_up_to(int fd, void *buf, size_t size);

/** Write all @len bytes to @fd, retrying short writes and EINTR. Returns 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);

/** Wait until @fd is ready for @events of poll(2). Returns 0, -ETIMEDOUT, or -errno: -EINTR when a signal has come. */
int fd_await(int fd, short events, int timeout_ms);

/** The path that the kernel shows for @fd, NUL-terminated in @buf. Returns its length or -errno. */
ssize_t fd_path(int fd, char *buf, size_t size);

/**
 * Make sure that fds 0, 1 and 2 are open, opening /dev/null for the missing ones, so that no later
 * open lands there. Returns 0 or -errno.
 */
int fd_open_std(struct wh_error *err);

/** Mark every fd >= @first close-on-exec (close_range(2) CLOSE_RANGE_CLOEXEC). CVE-2024-21626.
 * Returns 0 or -errno. */
int fd_cloexec_from(int first, struct wh_error *err);

/** Send one datagram with up to 8 fds (SCM_RIGHTS) to @sock. The fds are lent. Returns 0 or -errno.
 */
int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds);

/**
 * Receive one datagram and up to *@n_fds fds, which arrive CLOEXEC and are the caller's.
 * Returns the datagram's length, 0 at end of file, or -errno (-EMSGSIZE when it was cut).
 */
ssize_t fd_recv(int sock, void *data, size_t size, int *fds, size_t *n_fds);

/**
 * The same. *@ret_sender: the process that sent it, by its pid in our pid namespace; 0 when it has none
 * there, or @sock had not been asked for it (SO_PASSCRED) when it was sent.
 */
ssize_t fd_recv_from(int sock, void *data, size_t size, int *fds, size_t *n_fds, pid_t *ret_sender);
