/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include "cgroups/cgroup.h"
#include "cgroups/cgroup_events.h"
#include "cgroups/cgroup_fs.h"

/** How long a signal to all waits for the processes to stand still. */
#define SIGNAL_FREEZE_MS 1000

int cgroup_is_populated(const struct cgroup *cgroup)
{
	return cgroup_events_get(cgroup->dir_fd, "populated");
}

int cgroup_kill(const struct cgroup *cgroup, struct wh_error *err)
{
	int rc = cgroup_fs_write(cgroup->dir_fd, "cgroup.kill", "1");

	/* systemd removes a unit's as soon as it is empty: nobody is in one that is gone */
	if (rc == -ENODEV || (rc == -ENOENT && cgroup_is_populated(cgroup) < 0))
		return 0;
	if (rc == -ENOENT)
		return wh_fail(err, EOPNOTSUPP, "the kernel has no cgroup.kill here");
	return rc < 0 ? wh_fail(err, -rc, "write '1' to cgroup.kill") : 0;
}

static int signal_listed(const struct cgroup *cgroup, int sig, struct arena *arena,
			 struct wh_error *err)
{
	pid_t *pids;
	size_t count;
	int rc;

	rc = cgroup_pids(cgroup, arena, &pids, &count, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		if (kill(pids[i], sig) < 0 && errno != ESRCH)
			rc = wh_fail(err, errno, "send signal %d to process %d", sig, (int)pids[i]);
	return rc;
}

int cgroup_signal_all(const struct cgroup *cgroup, int sig, struct wh_error *err)
{
	struct arena arena = {.fd = -EBADF};
	bool thaw = false;
	int rc;

	if (sig == SIGKILL)
		return cgroup_kill(cgroup, err);
	rc = arena_init(&arena, err);
	if (rc < 0)
		return rc;
	/*
	 * A fork between the listing and the signal would escape. Where freezing fails the signal
	 * is sent all the same.
	 */
	if (cgroup_is_frozen(cgroup) == 0)
		thaw = cgroup_set_frozen(cgroup, true, SIGNAL_FREEZE_MS, NULL) == 0;
	rc = signal_listed(cgroup, sig, &arena, err);
	if (thaw)
		cgroup_fs_write(cgroup->dir_fd, "cgroup.freeze", "0");
	arena_done(&arena);
	return rc;
}

bool cgroup_ran_out_of_memory(const struct cgroup *cgroup)
{
	char text[512];
	uint64_t refused = 0, killed = 0;

	if (cgroup_fs_read(cgroup->dir_fd, "memory.events", text, sizeof(text)) < 0)
		return false;
	cgroup_fs_keyed_value(text, "oom", &refused);
	cgroup_fs_keyed_value(text, "oom_kill", &killed);
	return refused + killed > 0;
}
