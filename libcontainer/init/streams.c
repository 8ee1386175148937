/* SPDX-License-Identifier: Apache-2.0 */
/* The standard streams that the container's process is given by the caller. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "libcontainer/init/init.h"

#define NULL_MAJOR 1
#define NULL_MINOR 3

static bool is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(NULL_MAJOR, NULL_MINOR);
}

/**
 * The container's /dev/null, if it is that (CVE-2026-88265). O_NONBLOCK: a FIFO in its place must
 * not hold us. Returns the fd or -errno.
 */
static int open_null(struct wh_error *err)
{
	auto_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd fd = -EBADF;
	struct stat st;

	if (root < 0)
		return wh_fail(err, errno, "open the container's root");
	fd = path_open_in_root(root, "/dev/null", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return wh_fail(err, -fd, "open the container's /dev/null as a standard stream");
	if (fstat(fd, &st) < 0 || !is_null(&st))
		return wh_fail(
		    err, 0,
		    "the container's /dev/null, to be a standard stream, is not the null "
		    "device (CVE-2026-88265)");
	if (fcntl(fd, F_SETFL, 0) < 0)
		return wh_fail(err, errno, "open the container's /dev/null as a standard stream");
	return fd_take(&fd);
}

static int replace_null(int stream, int *null_fd, struct wh_error *err)
{
	if (*null_fd < 0)
		*null_fd = open_null(err);
	if (*null_fd < 0)
		return *null_fd;
	if (dup2(*null_fd, stream) < 0)
		return wh_fail(err, errno, "make /dev/null fd %d", stream);
	return 0;
}

/**
 * Only pipes, which have no other user: a file or a device of the caller's keeps its owner. Where
 * the ids mean nothing to the pipe's owner it stays as it is, as with runc.
 */
static int give_pipe(int stream, const struct stat *st, uid_t uid, struct wh_error *err)
{
	if (!S_ISFIFO(st->st_mode) || st->st_uid == uid)
		return 0;
	if (fchown(stream, uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM &&
	    errno != EROFS)
		return wh_fail(err, errno, "give fd %d to user %u", stream, uid);
	return 0;
}

int init_settle_streams(struct init *init, struct wh_error *err)
{
	auto_fd null_fd = -EBADF;

	for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
		struct stat st;
		int rc;

		if (fstat(stream, &st) < 0)
			return wh_fail(err, errno, "look at fd %d", stream);
		rc = is_null(&st) ? replace_null(stream, &null_fd, err)
				  : give_pipe(stream, &st, init->plan->process.uid, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
