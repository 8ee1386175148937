/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a cgroup that is a unit of systemd's. */
#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_events.h"
#include "cgroups/systemd_manager.h"
#include "cgroups/unit_name.h"

#define NS_PER_MS 1000000

/**
 * The kernel tells of a cgroup's events at most every 10 ms: of the end of one that is younger than this
 * systemd hears so much later.
 */
#define HEARD_AGE_MS 12
/**
 * As long systemd is given to notice by itself that a unit has ended, and how often that is looked for. An
 * idle host's takes a few milliseconds; to ask it before it got round to that would be more work for it.
 */
#define COLLECT_TIMEOUT_MS 100
#define COLLECT_PAUSE_NS   500000

static int64_t ms_of(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000 + time->tv_nsec / NS_PER_MS;
}

/** Whether the cgroup is old enough for systemd to hear of its end at once. */
static bool is_heard(const struct cgroup *cgroup)
{
	struct timespec now;
	struct stat st;

	return fstat(cgroup->dir_fd, &st) == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
	       ms_of(&now) - ms_of(&st.st_ctim) >= HEARD_AGE_MS;
}

/**
 * What is left in it dies at once, where systemd would ask first and wait. Returns for how many
 * milliseconds it is worth waiting that systemd notices: where it hears late, asking is sooner, but not
 * if libsystemd had to be loaded for that.
 */
static int kill_all(int mount_fd, const char *path, int timeout_ms)
{
	struct cgroup cgroup = CGROUP_NONE;
	bool heard;

	if (cgroup_open(mount_fd, path, &cgroup, NULL) < 0)
		return 0;
	/* what it could not kill shows when the cgroup is removed */
	cgroup_kill(&cgroup, NULL);
	cgroup_events_wait(cgroup.dir_fd, "populated", false, timeout_ms);
	heard = is_heard(&cgroup) || !systemd_is_loaded();
	cgroup_close(&cgroup);
	return heard ? COLLECT_TIMEOUT_MS : 0;
}

/** Whether systemd has removed the cgroup and forgotten the unit, without having been asked. */
static bool is_collected(int mount_fd, const char *path, const char *unit, bool user)
{
	struct cgroup cgroup = CGROUP_NONE;
	int rc = cgroup_open(mount_fd, path, &cgroup, NULL);

	cgroup_close(&cgroup);
	return rc == -ENOENT && !systemd_transient_exists(user, unit);
}

/**
 * A scope without a process has ended: systemd sees it as soon as we do. Where it has, a connection to
 * it, a job, and the wait for that are spared.
 */
static bool await_collected(int mount_fd, const char *path, const char *unit, bool user,
			    int timeout_ms)
{
	const struct timespec pause = {.tv_nsec = COLLECT_PAUSE_NS};
	int64_t deadline = clock_ms() + timeout_ms;

	while (!is_collected(mount_fd, path, unit, user)) {
		if (clock_ms() >= deadline)
			return false;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return true;
}

int cgroup_remove_unit(int mount_fd, const char *path, const char *unit, bool user, int timeout_ms,
		       struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	struct systemd_bus *bus = NULL;
	int rc = kill_all(mount_fd, path, timeout_ms);

	if (await_collected(mount_fd, path, unit, user, unit_name_is_slice(unit) ? 0 : rc))
		return 0;
	rc = systemd_bus_open(user, &bus, &reason);
	if (rc == 0)
		rc = systemd_unit_stop(bus, unit, &reason);
	if (rc < 0)
		log_warning("unit '%s' was not stopped: %s", unit, reason.message);
	systemd_bus_close(bus);
	return cgroup_remove(mount_fd, path, timeout_ms, err);
}
