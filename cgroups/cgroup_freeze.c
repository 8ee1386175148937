/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_events.h"
#include "cgroups/cgroup_fs.h"

int cgroup_is_frozen(const struct cgroup *cgroup)
{
	/*
	 * "frozen" and not cgroup.freeze: it is also true when an ancestor is frozen, and only once
	 * every process has stopped.
	 */
	return cgroup_events_get(cgroup->dir_fd, "frozen");
}

/** Whether somebody has asked for the cgroup @dir_fd to stand still; the root of all has no such file. */
static bool is_asked(int dir_fd)
{
	char text[8];

	return cgroup_fs_read(dir_fd, "cgroup.freeze", text, sizeof(text)) > 0 && text[0] == '1';
}

bool cgroup_freeze_asked(int mount_fd, const char *path)
{
	char above[PATH_MAX];

	/* what is above the mount is not ours to see, but that it is frozen shows in its root */
	if (is_asked(mount_fd) || cgroup_events_get(mount_fd, "frozen") == 1)
		return true;
	for (const char *end = path + 1; *end; end += *end == '/') {
		auto_fd fd = -EBADF;

		end += strcspn(end, "/");
		snprintf(above, sizeof(above), "%.*s", (int)(end - path - 1), path + 1);
		fd = cgroup_fs_open_dir(mount_fd, above);
		if (fd >= 0 && is_asked(fd))
			return true;
	}
	return false;
}

void cgroup_freeze_settle(const struct cgroup *cgroup)
{
	if (cgroup_fs_write(cgroup->dir_fd, "cgroup.freeze", "1") == 0)
		cgroup_fs_write(cgroup->dir_fd, "cgroup.freeze", "0");
}

int cgroup_set_frozen(const struct cgroup *cgroup, bool frozen, int timeout_ms,
		      struct wh_error *err)
{
	int rc = cgroup_fs_write(cgroup->dir_fd, "cgroup.freeze", frozen ? "1" : "0");

	if (rc < 0)
		return wh_fail(err, -rc, "write '%d' to cgroup.freeze", frozen);
	rc = cgroup_events_wait(cgroup->dir_fd, "frozen", frozen, timeout_ms);
	if (rc == 0)
		return 0;
	/* A half frozen container would hang for ever: let the part that has stopped go on. */
	if (frozen)
		cgroup_fs_write(cgroup->dir_fd, "cgroup.freeze", "0");
	if (rc == -ETIMEDOUT && frozen)
		return wh_fail(err, -rc,
			       "not all processes could be frozen within %d ms, they run again",
			       timeout_ms);
	if (rc == -ETIMEDOUT)
		return wh_fail(
		    err, -rc,
		    "the processes are still frozen after %d ms: is a parent cgroup frozen?",
		    timeout_ms);
	return wh_fail(err, -rc, "read cgroup.events");
}
