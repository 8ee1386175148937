/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/sys.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_mountinfo.h"

/** Where distributions mount version 2: the whole of it, or beside version 1 (hybrid). */
static const char *const usual_places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

/** Open @path when it is on a cgroup2 file system: the fd, -ENOENT, or -errno. */
static int open_cgroup2(const char *path)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_MAGICLINKS};
	auto_fd fd = sys_openat2(AT_FDCWD, path, &how);
	struct statfs fs;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	return fs.f_type == CGROUP2_SUPER_MAGIC ? fd_take(&fd) : -ENOENT;
}

int cgroup_open_mount(struct wh_error *err)
{
	char path[PATH_MAX];
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(usual_places); i++) {
		int fd = open_cgroup2(usual_places[i]);

		if (fd >= 0)
			return fd;
	}
	rc = cgroup_mountinfo_find(path, sizeof(path), err);
	if (rc == -ENOENT)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "no cgroup v2 hierarchy is mounted: mount one (mount -t "
				    "cgroup2 none /sys/fs/cgroup, or on a "
				    "host with cgroup v1 /sys/fs/cgroup/unified)");
	if (rc < 0)
		return rc;
	rc = open_cgroup2(path);
	return rc < 0 ? wh_fail(err, -rc, "open the cgroup v2 mount '%s'", path) : rc;
}

/** The line of version 2 in /proc/PID/cgroup: "0::/path". */
static const char *find_v2_line(char *text)
{
	for (char *line = text; line && *line;) {
		char *end = strchr(line, '\n');
		const char *path = str_after(line, "0::");

		if (end)
			*end = '\0';
		if (path)
			return path;
		line = end ? end + 1 : NULL;
	}
	return NULL;
}

/** The v2 path in @file, a /proc/PID/cgroup. */
static int read_path(const char *file, char *buf, size_t size, struct wh_error *err)
{
	static const char deleted[] = " (deleted)";
	char text[4 * PATH_MAX];
	const char *path;
	ssize_t n = file_read_small(AT_FDCWD, file, text, sizeof(text));
	size_t len;

	if (n < 0)
		return wh_fail(err, (int)-n, "read %s", file);
	path = find_v2_line(text);
	if (!path)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0, "%s names no cgroup v2 hierarchy",
				    file);
	len = strlen(path);
	/* Above the cgroup namespace's root the kernel writes "/..": no place to make anything. */
	if (str_after(path, "/..") ||
	    (len >= sizeof(deleted) && streq(path + len - (sizeof(deleted) - 1), deleted)))
		path = "";
	if ((size_t)snprintf(buf, size, "%s", path) >= size)
		return wh_fail(err, ENAMETOOLONG, "keep the path of the caller's own cgroup");
	return 0;
}

int cgroup_own_path(char *buf, size_t size, struct wh_error *err)
{
	return read_path("/proc/self/cgroup", buf, size, err);
}

int cgroup_path_of(pid_t pid, char *buf, size_t size, struct wh_error *err)
{
	char file[32];

	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	return read_path(file, buf, size, err);
}

int cgroup_open_of(int mount_fd, pid_t pid, struct cgroup *ret_cgroup, struct wh_error *err)
{
	char path[PATH_MAX];
	int rc = cgroup_path_of(pid, path, sizeof(path), err);

	if (rc < 0)
		return rc;
	/* An empty path would be the root of the mount. */
	if (str_empty(path))
		return wh_fail(err, 0, "the cgroup of process %d is out of reach", (int)pid);
	return cgroup_open(mount_fd, path, ret_cgroup, err);
}
