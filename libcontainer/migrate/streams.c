/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "libcontainer/checkpoint/external.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/mountinfo.h"

static int describe(pid_t pid, int fd, struct arena *arena, struct migrate_stream *stream,
		    struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);
	char path[48];
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (proc < 0)
		return proc;
	snprintf(path, sizeof(path), "%d/fd/%d", (int)pid, fd);
	n = readlinkat(proc, path, target, sizeof(target) - 1);
	/* the link is the kernel's, and leads to the open file itself */
	if (n < 0 || fstatat(proc, path, &st, 0) < 0)
		return wh_fail(err, errno, "look at fd %d of process %d", fd, (int)pid);
	target[n] = '\0';
	stream->path = target[0] == '/' && st.st_nlink > 0 ? arena_strdup(arena, target) : "";
	stream->mode = st.st_mode & 07777;
	stream->size = (uint64_t)st.st_size;
	return stream->path ? 0 : wh_oom(err);
}

int migrate_streams_find(pid_t pid, struct arena *arena, struct migrate_restore *restore,
			 struct wh_error *err)
{
	struct checkpoint_image image = {0};
	struct mountinfo *mounts;
	size_t n_mounts;
	int rc = mountinfo_read(pid, arena, &mounts, &n_mounts, err);

	if (rc == 0)
		rc = checkpoint_streams_find(pid, mounts, n_mounts, arena, &image, err);
	if (rc < 0)
		return rc;
	restore->streams = arena_array(arena, struct migrate_stream, image.n_stdio + 1);
	if (!restore->streams)
		return wh_oom(err);
	restore->n_streams = image.n_stdio;
	for (size_t i = 0; rc == 0 && i < image.n_stdio; i++) {
		restore->streams[i].path = "";
		if (str_after(image.stdio[i], "file["))
			rc = describe(pid, (int)i, arena, &restore->streams[i], err);
	}
	return rc;
}

/** The file of that name, or a new one. Returns its fd or -errno. */
static int open_file(const struct migrate_stream *stream, struct wh_error *err)
{
	int fd = open(stream->path, O_RDWR | O_APPEND | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	fd = open(stream->path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, stream->mode) < 0 || ftruncate(fd, (off_t)stream->size) < 0) {
		int code = errno;

		fd_close(fd);
		return wh_fail(err, code, "make '%s', which a stream of the container leads to",
			       stream->path);
	}
	return fd;
}

int migrate_streams_open(const struct migrate_restore *restore, struct wh_error *err)
{
	auto_fd null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return wh_fail(err, errno, "open /dev/null");
	for (int i = 0; i <= 2; i++) {
		bool is_file =
		    (size_t)i < restore->n_streams && !str_empty(restore->streams[i].path);
		auto_fd file = is_file ? open_file(&restore->streams[i], err) : -EBADF;

		if (is_file && file < 0)
			return file;
		if (dup2(is_file ? file : null_fd, i) < 0)
			return wh_fail(err, errno, "make fd %d", i);
	}
	return 0;
}
