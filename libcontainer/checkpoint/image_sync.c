/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "libcontainer/checkpoint/image.h"

/** Returns 0, or -errno. */
typedef int (*file_fn)(int fd);

/**
 * All files are on their way before the first is waited for: a journal is then written once, instead of for each of
 * the many small ones. Not every file system knows it, and a failure is fsync()'s to tell.
 */
static int begin_writing(int fd)
{
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

static int wait_written(int fd)
{
	return fsync(fd) < 0 ? -errno : 0;
}

static int for_file(int dir_fd, const char *name, file_fn fn)
{
	auto_fd fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	/* a link is another image's file (--parent-path), whose checkpoint has seen to it */
	if (fd < 0)
		return errno == ELOOP || errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? fn(fd) : 0;
}

static int for_files(int dir_fd, file_fn fn)
{
	auto_dir *dir = fd_list(dir_fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return -errno;
	while (rc == 0 && (errno = 0, entry = readdir(dir)))
		rc = for_file(dir_fd, entry->d_name, fn);
	return rc < 0 ? rc : -errno;
}

static int sync_directory(int dir_fd, const char *name)
{
	auto_fd fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : wait_written(fd);
}

int checkpoint_image_sync(int dir_fd, const char *path, struct wh_error *err)
{
	int rc = for_files(dir_fd, begin_writing);

	if (rc == 0)
		rc = for_files(dir_fd, wait_written);
	if (rc == 0)
		rc = sync_directory(dir_fd, ".");
	if (rc == 0)
		rc = sync_directory(dir_fd, "..");
	return rc < 0 ? wh_fail(err, -rc, "write image '%s' to the disk", path) : 0;
}
