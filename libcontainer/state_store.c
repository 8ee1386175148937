/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/state_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "cgroups/cgroup.h"

static bool id_byte(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '_' || c == '+')
		return true;
	return !first && (c == '-' || c == '.');
}

int container_id_check(const char *id, struct wh_error *err)
{
	size_t len = strlen(id);

	if (len == 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "the container id is empty");
	if (len > CONTAINER_ID_MAX)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "container id '%.32s...' is longer than %d bytes", id,
				    CONTAINER_ID_MAX);
	for (size_t i = 0; i < len; i++) {
		if (!id_byte(id[i], i == 0))
			return wh_fail_kind(err, WH_ERROR_USAGE, 0,
					    "invalid container id: byte %zu of '%s' is none of a-z "
					    "A-Z 0-9 _ + - . (no - or . at the start)",
					    i + 1, id);
	}
	return 0;
}

int runtime_default_root(char *buf, size_t size, struct wh_error *err)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	/* root of a user's own namespace, as rootless Podman calls us, cannot write to /run */
	if (geteuid() == 0 && (!dir || cgroup_caller_is_host_root())) {
		snprintf(buf, size, "/run/wherry");
		return 0;
	}
	if (str_empty(dir) || dir[0] != '/') {
		wh_fail_kind(
		    err, WH_ERROR_USAGE, 0,
		    "XDG_RUNTIME_DIR is not set: set it, or name a state directory with --root");
		return -ENOENT;
	}
	if ((size_t)snprintf(buf, size, "%s/wherry", dir) >= size)
		return wh_fail(err, ENAMETOOLONG, "XDG_RUNTIME_DIR");
	return 0;
}

/** mkdir -p of the caller's own path; only the last component is ours alone. */
static int make_root(const char *path, struct wh_error *err)
{
	char buf[PATH_MAX];
	char *slash;

	if ((size_t)snprintf(buf, sizeof(buf), "%s", path) >= sizeof(buf))
		return wh_fail(err, ENAMETOOLONG, "state directory '%s'", path);
	for (slash = strchr(buf + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(buf, 0755) < 0 && errno != EEXIST)
			return wh_fail(err, errno, "make the state directory '%s'", buf);
		*slash = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return wh_fail(err, errno, "make the state directory '%s'", path);
	return 0;
}

static int check_root(int fd, const char *path, struct wh_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return wh_fail(err, errno, "state directory '%s'", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return wh_fail_kind(
		    err, WH_ERROR_UNSUPPORTED, 0,
		    "state directory '%s' belongs to user %u: use another with --root", path,
		    st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "state directory '%s' can be written by others (mode %04o): "
				    "chmod go-w it, or use another with --root",
				    path, st.st_mode & 07777);
	return 0;
}

int state_root_open(const struct runtime *rt, bool create, struct wh_error *err)
{
	auto_fd fd = open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0 && errno == ENOENT && create) {
		rc = make_root(rt->root, err);
		if (rc < 0)
			return rc;
		fd = open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0 && errno == ENOENT && !create)
		return -ENOENT;
	if (fd < 0)
		return wh_fail(err, errno, "open the state directory '%s'", rt->root);
	rc = check_root(fd, rt->root, err);
	return rc < 0 ? rc : fd_take(&fd);
}

int state_claim(int root_fd, const char *id, struct wh_error *err)
{
	auto_fd fd = -EBADF;
	struct stat st;

	if (mkdirat(root_fd, id, 0700) < 0) {
		if (errno == EEXIST) {
			wh_fail_kind(err, WH_ERROR_EXISTS, 0,
				     "container with given ID already exists: '%s'", id);
			return -EEXIST;
		}
		return wh_fail(err, errno, "make the state of container '%s'", id);
	}
	fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0) {
		int code = errno;

		unlinkat(root_fd, id, AT_REMOVEDIR);
		return wh_fail(err, code, "lock the state of container '%s'", id);
	}
	/* A delete --force may have come between. */
	if (st.st_nlink == 0)
		return wh_fail_kind(err, WH_ERROR_STATE, 0,
				    "container '%s' was deleted while it was being created", id);
	return fd_take(&fd);
}

static int not_found(const char *id, struct wh_error *err)
{
	wh_fail_kind(err, WH_ERROR_NOT_FOUND, 0, "container '%s' does not exist", id);
	return -ENOENT;
}

int state_open(int root_fd, const char *id, enum state_lock lock, struct wh_error *err)
{
	auto_fd fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (fd < 0 && errno == ENOENT)
		return not_found(id, err);
	if (fd < 0)
		return wh_fail(err, errno, "open the state of container '%s'", id);
	if (lock == STATE_UNLOCKED)
		return fd_take(&fd);
	rc = state_lock(fd, id, err);
	return rc < 0 ? rc : fd_take(&fd);
}

int state_remove(int root_fd, const char *id, int dir_fd, struct wh_error *err)
{
	int rc;

	/* The usual four, without listing the directory. The record is the last to go: as long as
	 * it is there, delete can be repeated. */
	unlinkat(dir_fd, STATE_START_SOCKET, 0);
	unlinkat(dir_fd, STATE_CONFIG_FILE, 0);
	unlinkat(dir_fd, STATE_CGROUP_LINK, 0);
	unlinkat(dir_fd, STATE_RECORD_FILE, 0);
	if (unlinkat(root_fd, id, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	rc = path_remove_entries(dir_fd, 1);
	if (rc < 0)
		return wh_fail(err, -rc, "remove the state of container '%s'", id);
	if (unlinkat(root_fd, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return wh_fail(err, errno, "remove the state of container '%s'", id);
	return 0;
}
