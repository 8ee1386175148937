/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_bus.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "cgroups/cgroup.h"
#include "cgroups/systemd_call.h"

int systemd_load(struct wh_error *err)
{
	const struct sd_library *lib;

	return sd_library_load(&lib, err);
}

bool systemd_is_loaded(void)
{
	return sd_library_is_loaded();
}

bool systemd_manages_user(void)
{
	struct stat st;

	if (geteuid() != 0)
		return true;
	/* its directory is root's; in a user namespace the host's root is nobody that we know */
	return !cgroup_caller_is_host_root() &&
	       (stat("/run/systemd/system", &st) < 0 || st.st_uid != 0);
}

bool systemd_user_runs(void)
{
	static const char *const sockets[] = {"systemd/private", "bus"};
	const char *directory = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];
	struct stat st;

	if (!directory || !systemd_manages_user())
		return false;
	for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, sockets[i]);
		if (stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
			return false;
	}
	return true;
}

bool systemd_transient_exists(bool user, const char *name)
{
	const char *directory = user ? getenv("XDG_RUNTIME_DIR") : "/run";
	char path[PATH_MAX];
	struct stat st;

	if (!directory || (size_t)snprintf(path, sizeof(path), "%s/systemd/transient/%s", directory,
					   name) >= sizeof(path))
		return true;
	return stat(path, &st) == 0 || errno != ENOENT;
}

static int fail_open(bool user, int rc, struct wh_error *err)
{
	if (user && (rc == -ENOMEDIUM || rc == -ENOENT))
		return wh_fail_kind(
		    err, WH_ERROR_UNSUPPORTED, 0,
		    "the systemd cgroup manager needs the user's own systemd, whose bus "
		    "is not there: XDG_RUNTIME_DIR names no directory with a bus in it "
		    "(log in, or have root run loginctl enable-linger), or use "
		    "--cgroup-manager cgroupfs");
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return wh_fail_kind(
		    err, WH_ERROR_UNSUPPORTED, 0,
		    "the systemd cgroup manager needs systemd, and %s bus cannot be "
		    "reached: is systemd this host's init, and is dbus running? Or use "
		    "--cgroup-manager cgroupfs",
		    user ? "the user's" : "the system");
	if (rc == -ETIMEDOUT)
		return wh_fail(err, -rc, "%s bus did not answer within %d seconds",
			       user ? "the user's" : "the system", SYSTEMD_CALL_TIMEOUT_MS / 1000);
	return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, -rc, "connect to %s bus",
			    user ? "the user's" : "the system");
}

/** libsystemd connects as it goes; its own limit for that is a minute and a half. */
static int await_ready(struct systemd_bus *bus)
{
	int64_t deadline = clock_ms() + SYSTEMD_CALL_TIMEOUT_MS;

	for (;;) {
		int64_t left = deadline - clock_ms();
		int rc = bus->lib->process(bus->bus, NULL);

		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		rc = bus->lib->is_ready(bus->bus);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		if (left <= 0)
			return -ETIMEDOUT;
		rc = bus->lib->wait(bus->bus, (uint64_t)left * 1000);
		if (rc < 0 && rc != -EINTR)
			return rc;
	}
}

int systemd_bus_open(bool user, struct systemd_bus **ret_bus, struct wh_error *err)
{
	struct systemd_bus *bus = calloc(1, sizeof(*bus));
	int rc;

	if (!bus)
		return wh_oom(err);
	bus->user = user;
	rc = sd_library_load(&bus->lib, err);
	if (rc < 0) {
		free(bus);
		return rc;
	}
	rc = user ? bus->lib->open_user(&bus->bus) : bus->lib->open_system(&bus->bus);
	if (rc >= 0)
		rc = await_ready(bus);
	if (rc < 0) {
		systemd_bus_close(bus);
		return fail_open(user, rc, err);
	}
	*ret_bus = bus;
	return 0;
}

void systemd_bus_close(struct systemd_bus *bus)
{
	if (!bus)
		return;
	if (bus->bus)
		bus->lib->close_unref(bus->bus);
	free(bus);
}
