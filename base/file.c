/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* What is set aside for a file that does not tell its size (procfs and its like). */
#define FILE_UNKNOWN_SIZE 4096
/* How many names are tried for the temporary file of file_replace(). */
#define FILE_TEMP_TRIES 64

/* Open @path and check that it is a regular file of at most @max bytes. Returns the fd or -errno.
 */
static int open_regular(int dir_fd, const char *path, size_t max, size_t *ret_size,
			struct wh_error *err)
{
	/* O_NONBLOCK: a FIFO put there must not hold us; it means nothing to regular files. */
	auto_fd fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return wh_fail(err, errno, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return wh_fail(err, errno, "stat '%s'", path);
	if (S_ISDIR(st.st_mode))
		return wh_fail(err, EISDIR, "read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return wh_fail(err, 0, "'%s' is not a regular file", path);
	if ((uint64_t)st.st_size > max)
		return wh_fail(err, EFBIG, "'%s' is larger than %zu bytes", path, max);
	*ret_size = (size_t)st.st_size;
	return fd_take(&fd);
}

/* Read @fd to its end; it is thought to hold @size bytes. */
static int read_all(int fd, const char *name, size_t size, size_t max, struct arena *arena,
		    char **ret_data, size_t *ret_len, struct wh_error *err)
{
	char *data = NULL;
	size_t len = 0;

	/* One byte more than expected is asked for: a short answer is the end of the file. */
	size = (size ? size : FILE_UNKNOWN_SIZE) + 1;
	for (;;) {
		char *larger = arena_alloc(arena, size + 1);
		ssize_t n;

		if (!larger)
			return wh_oom(err);
		if (len)
			memcpy(larger, data, len);
		data = larger;
		n = fd_read_up_to(fd, data + len, size - len);
		if (n < 0)
			return wh_fail(err, (int)-n, "read '%s'", name);
		len += (size_t)n;
		if (len > max)
			return wh_fail(err, EFBIG, "'%s' is larger than %zu bytes", name, max);
		if (len < size)
			break;
		size *= 2;
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_len = len;
	return 0;
}

int file_read(int dir_fd, const char *path, size_t max, struct arena *arena, char **ret_data,
	      size_t *ret_len, struct wh_error *err)
{
	size_t size = 0;
	auto_fd fd = open_regular(dir_fd, path, max, &size, err);

	return fd < 0 ? fd : read_all(fd, path, size, max, arena, ret_data, ret_len, err);
}

int file_read_stream(int fd, const char *name, size_t max, struct arena *arena, char **ret_data,
		     size_t *ret_len, struct wh_error *err)
{
	return read_all(fd, name, 0, max, arena, ret_data, ret_len, err);
}

ssize_t file_read_small(int dir_fd, const char *path, char *buf, size_t size)
{
	auto_fd fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fd_read_up_to(fd, buf, size);
	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EFBIG;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

/* Create a file next to @name that nobody else has. @temp receives its name. Returns the fd or
 * -errno. */
static int open_temp(int dir_fd, const char *name, mode_t mode, char *temp, size_t size)
{
	for (unsigned int i = 0; i < FILE_TEMP_TRIES; i++) {
		int n = snprintf(temp, size, "%s.%d.%u.tmp", name, (int)getpid(), i);
		int fd;

		if (n < 0 || (size_t)n >= size)
			return -ENAMETOOLONG;
		fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    mode);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? -errno : fd;
	}
	return -EEXIST;
}

/*
 * Write and close the file *@fd. It is not synced: what is written here speaks of processes, which
 * do not outlive a crash of the host either. Returns 0 or -errno.
 */
static int fill_and_close(int *fd, const void *data, size_t len)
{
	int r = fd_write_all(*fd, data, len);

	if (r < 0)
		return r;
	/* Quotas and network file systems report here what write(2) took. */
	return close(fd_take(fd)) < 0 ? -errno : 0;
}

int file_replace(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
		 struct wh_error *err)
{
	char temp[PATH_MAX];
	auto_fd fd = open_temp(dir_fd, name, mode, temp, sizeof(temp));
	int r;

	if (fd < 0)
		return wh_fail(err, -fd, "create a file to replace '%s'", name);
	r = fill_and_close(&fd, data, len);
	if (r < 0) {
		unlinkat(dir_fd, temp, 0);
		return wh_fail(err, -r, "write '%s'", name);
	}
	if (renameat(dir_fd, temp, dir_fd, name) < 0) {
		r = wh_fail(err, errno, "replace '%s'", name);
		unlinkat(dir_fd, temp, 0);
		return r;
	}
	return 0;
}

int file_create(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
		struct wh_error *err)
{
	auto_fd fd =
	    openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return wh_fail(err, errno, "create '%s'", name);
	r = fill_and_close(&fd, data, len);
	if (r < 0) {
		unlinkat(dir_fd, name, 0);
		return wh_fail(err, -r, "write '%s'", name);
	}
	return 0;
}

int file_write_existing(int dir_fd, const char *path, const char *text)
{
	auto_fd fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}
