/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_events.h"
#include "cgroups/cgroup_fs.h"

/** How long an EBUSY without a visible reason is waited out before the next try. */
#define RETRY_MS 2
/** How many of the remaining pids an error names. */
#define MAX_NAMED_PIDS 8

static int remove_dir(int parent_fd, const char *name)
{
	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

/**
 * Remove what can be removed directly below @dir_fd and count it in *@removed. The first
 * subdirectory that stays is opened: *@ret_child, -EBADF when none is left. Returns 0 or -errno.
 */
static int remove_children(int dir_fd, size_t *removed, int *ret_child)
{
	auto_dir *entries = fd_list(dir_fd);
	const char *name;

	*ret_child = -EBADF;
	if (!entries)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	while ((name = cgroup_fs_next_dir(entries)) != NULL) {
		int rc = remove_dir(dir_fd, name);

		*removed += rc == 0;
		if (rc == -EBUSY)
			rc = cgroup_fs_open_dir(dir_fd, name);
		if (rc > 0) {
			*ret_child = rc;
			return 0;
		}
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	return 0;
}

/**
 * The parent of the cgroup @dir_fd. It cannot lead elsewhere: version 2 has no rename, and the
 * caller is below where it began.
 */
static int open_parent(int dir_fd)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS};

	return sys_openat2(dir_fd, "..", &how);
}

/**
 * Remove everything below @top_fd, deepest first. Holds two fds whatever the depth: a container
 * that owns its cgroup may nest without bound. Returns 0, -EBUSY when a cgroup without children
 * would not go (it holds processes), or -errno.
 */
static int remove_descendants(int top_fd)
{
	auto_fd here = cgroup_fs_open_dir(top_fd, ".");
	size_t depth = 0;
	bool descended = false;

	if (here < 0)
		return here;
	for (;;) {
		size_t removed = 0;
		int next;
		int rc = remove_children(here, &removed, &next);

		if (rc < 0)
			return rc;
		if (next < 0 && depth == 0)
			return 0;
		/* It would not go, yet it has and had no children. */
		if (next < 0 && descended && removed == 0)
			return -EBUSY;
		descended = next >= 0;
		depth += descended ? 1 : -1;
		if (!descended)
			next = open_parent(here);
		if (next < 0)
			return next;
		fd_close(here);
		here = next;
	}
}

/**
 * One round: kill, wait for the last process, remove bottom up. Returns 0, -EBUSY (try again) or
 * -errno.
 */
static int remove_round(const struct cgroup_place *place, const struct cgroup *cgroup, int left_ms)
{
	int rc;

	cgroup_kill(cgroup, NULL); /* what it could not kill shows in the wait */
	rc = cgroup_events_wait(cgroup->dir_fd, "populated", false, left_ms);
	if (rc == -ENODEV || rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc == -ETIMEDOUT ? -EBUSY : rc;
	rc = remove_descendants(cgroup->dir_fd);
	if (rc < 0)
		return rc;
	return remove_dir(place->parent_fd, place->name);
}

static int fail_busy(const struct cgroup *cgroup, const char *path, int timeout_ms,
		     struct wh_error *err)
{
	struct arena arena = {.fd = -EBADF};
	char named[MAX_NAMED_PIDS * 12 + 8] = "";
	size_t count = 0, len = 0;
	pid_t *pids = NULL;

	/* The list is only for the text: without it the error stands. */
	if (arena_init(&arena, NULL) == 0)
		cgroup_pids(cgroup, &arena, &pids, &count, NULL);
	for (size_t i = 0; i < count && i < MAX_NAMED_PIDS; i++)
		len += snprintf(named + len, sizeof(named) - len, " %d", (int)pids[i]);
	if (count > MAX_NAMED_PIDS)
		snprintf(named + len, sizeof(named) - len, " ...");
	arena_done(&arena);
	if (count)
		return wh_fail(err, EBUSY,
			       "remove cgroup '%s': after %d ms these processes are still there:%s",
			       path, timeout_ms, named);
	return wh_fail(err, EBUSY, "remove cgroup '%s': still in use after %d ms", path,
		       timeout_ms);
}

static int remove_busy(const struct cgroup_place *place, const char *path, int timeout_ms,
		       struct wh_error *err)
{
	int64_t deadline = clock_ms() + timeout_ms;
	struct cgroup cgroup = CGROUP_NONE;
	int rc;

	cgroup.dir_fd = cgroup_fs_open_dir(place->parent_fd, place->name);
	if (cgroup.dir_fd == -ENOENT)
		return 0;
	if (cgroup.dir_fd < 0)
		return wh_fail(err, -cgroup.dir_fd, "open cgroup '%s' to remove it", path);
	for (;;) {
		int64_t left = deadline - clock_ms();

		rc = remove_round(place, &cgroup, left > 0 ? (int)left : 0);
		if (rc != -EBUSY || clock_ms() >= deadline)
			break;
		poll(NULL, 0, RETRY_MS);
	}
	if (rc == -EBUSY)
		rc = fail_busy(&cgroup, path, timeout_ms, err);
	else if (rc < 0)
		rc = wh_fail(err, -rc, "remove cgroup '%s'", path);
	cgroup_close(&cgroup);
	return rc;
}

int cgroup_remove(int mount_fd, const char *path, int timeout_ms, struct wh_error *err)
{
	struct cgroup_place place = CGROUP_PLACE_NONE;
	int rc;

	rc = cgroup_place_find(mount_fd, path, &place);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return wh_fail(err, -rc, "open the parent of cgroup '%s'", path);
	rc = remove_dir(place.parent_fd, place.name);
	if (rc == -EBUSY)
		rc = remove_busy(&place, path, timeout_ms, err);
	else if (rc < 0)
		rc = wh_fail(err, -rc, "remove cgroup '%s'", path);
	cgroup_place_done(&place);
	return rc;
}

int cgroup_remove_unused(int mount_fd, const char *path)
{
	struct cgroup_place place = CGROUP_PLACE_NONE;
	int rc = cgroup_place_find(mount_fd, path, &place);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = remove_dir(place.parent_fd, place.name);
	cgroup_place_done(&place);
	return rc;
}

void cgroup_remove_parents(int mount_fd, const char *path, unsigned int made)
{
	char parent[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(parent))
		return;
	memcpy(parent, path, len + 1);
	for (;; made -= made > 1) {
		struct cgroup_place place = CGROUP_PLACE_NONE;
		char *slash = strrchr(parent, '/');
		int rc = -EBUSY;

		if (!slash || slash == parent)
			return;
		*slash = '\0';
		if (cgroup_place_find(mount_fd, parent, &place) < 0)
			return;
		if (made > 1 || cgroup_fs_is_marked(place.parent_fd, place.name))
			rc = remove_dir(place.parent_fd, place.name);
		cgroup_place_done(&place);
		if (rc < 0)
			return;
	}
}
