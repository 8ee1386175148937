/* SPDX-License-Identifier: Apache-2.0 */
#include "base/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"

/* The root directory of every procfs. */
#define PROCFS_ROOT_INODE 1

/* A procfs that was never mounted anywhere, so nothing can be mounted over parts of it. Returns an
 * fd or -errno. */
static int open_new(bool whole)
{
	auto_fd fs = sys_fsopen("proc", FSOPEN_CLOEXEC);
	int r;

	if (fs < 0)
		return fs;
	if (!whole) {
		r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "subset", "pid", 0);
		if (r < 0)
			return r;
	}
	r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return r;
	return sys_fsmount(fs, FSMOUNT_CLOEXEC,
			   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

static bool is_procfs_root(int fd)
{
	struct statfs fs;
	struct stat st;

	return fstatfs(fd, &fs) == 0 && fstat(fd, &st) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
	       st.st_ino == PROCFS_ROOT_INODE;
}

/*
 * The /proc of the caller's mount namespace, if it is one and knows the caller. What is mounted
 * over parts of it is refused later, by RESOLVE_NO_XDEV.
 */
static int open_existing(void)
{
	auto_fd fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char self[16];

	if (fd < 0)
		return -errno;
	if (!is_procfs_root(fd) || readlinkat(fd, "self", self, sizeof(self)) <= 0)
		return -ENOENT;
	return fd_take(&fd);
}

int procfs_open(bool whole, struct wh_error *err)
{
	int fd = open_existing();

	if (fd < 0)
		fd = open_new(whole);
	if (fd < 0)
		return wh_fail(
		    err, -fd,
		    "'/proc' is not a procfs of this pid namespace, and none can be made");
	return fd;
}

/*
 * The two links that every procfs has are no magic ones, but a name in the procfs's own pid
 * namespace: it is read, and then the file is opened without following any link.
 */
static int resolve_self(int proc_fd, const char *path, char *buf, size_t size)
{
	const char *link = str_after(path, "self/")          ? "self"
			   : str_after(path, "thread-self/") ? "thread-self"
							     : NULL;
	char name[64];
	ssize_t n;

	if (!link)
		return (size_t)snprintf(buf, size, "%s", path) < size ? 0 : -ENAMETOOLONG;
	n = readlinkat(proc_fd, link, name, sizeof(name));
	if (n < 0)
		return -errno;
	if ((size_t)snprintf(buf, size, "%.*s%s", (int)n, name, path + strlen(link)) >= size)
		return -ENAMETOOLONG;
	return 0;
}

int procfs_open_file(int proc_fd, const char *path, int flags, struct wh_error *err)
{
	char name[256];
	int fd = resolve_self(proc_fd, path, name, sizeof(name));

	if (fd == 0)
		fd = path_open_beneath(proc_fd, name, flags, 0);
	if (fd < 0)
		return wh_fail(err, -fd, "open '/proc/%s'", path);
	return fd;
}

int procfs_write(int proc_fd, const char *path, const char *value, struct wh_error *err)
{
	auto_fd fd = procfs_open_file(proc_fd, path, O_WRONLY, err);
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, value, len);
	if (n < 0)
		return wh_fail(err, errno, "write '%s' to '/proc/%s'", value, path);
	if ((size_t)n != len)
		return wh_fail(err, EIO, "write '%s' to '/proc/%s'", value, path);
	return 0;
}

ssize_t procfs_read(int proc_fd, const char *path, char *buf, size_t size, struct wh_error *err)
{
	auto_fd fd = procfs_open_file(proc_fd, path, O_RDONLY, err);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = fd_read_up_to(fd, buf, size - 1);
	if (len < 0)
		return wh_fail(err, (int)-len, "read '/proc/%s'", path);
	buf[len] = '\0';
	return len;
}

int procfs_each_fd(int proc_fd, pid_t pid, procfs_fd_fn visit, void *ctx, struct wh_error *err)
{
	char path[32];
	auto_dir *dir = NULL;
	struct dirent *entry;
	int rc = 0;
	int fd;

	snprintf(path, sizeof(path), "%d/fd", (int)pid);
	fd = procfs_open_file(proc_fd, path, O_RDONLY | O_DIRECTORY, err);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		fd_close(fd);
		return wh_oom(err);
	}
	while (rc == 0 && (entry = readdir(dir))) {
		char link[PROCFS_LINK_MAX + 1];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		rc = visit(ctx, (int)strtol(entry->d_name, NULL, 10), link);
	}
	return rc;
}
