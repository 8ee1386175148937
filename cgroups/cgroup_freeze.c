/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

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
