/* SPDX-License-Identifier: Apache-2.0 */
/* events: watching a container until it ends. */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "cgroups/cgroup_oom.h"
#include "libcontainer/access.h"

struct watch {
	struct access *access;
	const struct event_sink *sink;
	struct cgroup_oom_watch oom;
	int init_fd; /* a pidfd: readable once the container has ended */
};

static int tell_stats(struct watch *watch, struct wh_error *err)
{
	struct arena arena = {.fd = -EBADF};
	struct oci_stats stats;
	int rc = arena_init(&arena, err);

	if (rc < 0)
		return rc;
	rc = access_stats(watch->access, &arena, &stats, err);
	/* it ended meanwhile, which the next look will tell */
	if (rc == -ENODEV || rc == -ENOENT) {
		*err = WH_ERROR_INIT;
		rc = 0;
	} else if (rc == 0) {
		rc = watch->sink->event(watch->sink->context, &stats, err);
	}
	arena_done(&arena);
	return rc;
}

/** One event for all that was killed since the last look, as runc has it. */
static int tell_oom(struct watch *watch, struct wh_error *err)
{
	if (cgroup_oom_watch_read(&watch->oom) == 0)
		return 0;
	return watch->sink->event(watch->sink->context, NULL, err);
}

/** Wait until @deadline_ms at most. Returns 1 when the container has ended, 0, or -errno. */
static int wait_once(const struct watch *watch, int64_t deadline_ms, struct wh_error *err)
{
	struct pollfd fds[] = {
	    {.fd = watch->init_fd,       .events = POLLIN },
	    {.fd = watch->oom.events_fd, .events = POLLPRI},
	    {.fd = watch->oom.above_fd,  .events = POLLPRI},
	};
	int64_t left = deadline_ms - clock_ms();
	int rc = poll(fds, ARRAY_LEN(fds), left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);

	if (rc < 0 && errno != EINTR)
		return wh_fail(err, errno, "wait for events");
	return rc > 0 && fds[0].revents ? 1 : 0;
}

static int watch_until_end(struct watch *watch, int64_t interval_ms, struct wh_error *err)
{
	int64_t deadline = clock_ms() + interval_ms;
	int rc = 0;

	while (rc == 0) {
		int ended = wait_once(watch, deadline, err);

		if (ended < 0)
			return ended;
		/* of a container that the kernel ended, too */
		rc = tell_oom(watch, err);
		if (ended || rc != 0)
			break;
		if (clock_ms() >= deadline) {
			rc = tell_stats(watch, err);
			/* from now on: what was missed (by a stopped caller) is not made up for */
			deadline = clock_ms() + interval_ms;
		}
	}
	return rc;
}

static int watch_opened(struct access *access, int64_t interval_ms, const struct event_sink *sink,
			struct wh_error *err)
{
	struct watch watch = {.access = access, .sink = sink, .init_fd = -EBADF};
	int rc = access_open_cgroup(access, err);

	if (rc < 0)
		return rc;
	watch.init_fd = access_open_init(access, err);
	if (watch.init_fd < 0)
		return watch.init_fd;
	cgroup_oom_watch_init(&watch.oom, access->cgroup_mount_fd, access->record.cgroup_path,
			      &access->cgroup);
	if (watch.oom.events_fd < 0)
		log_warning("the memory controller is not on cgroup v2 here: nobody will tell when "
			    "memory runs out");
	rc = watch_until_end(&watch, interval_ms, err);
	cgroup_oom_watch_done(&watch.oom);
	fd_close(watch.init_fd);
	return rc;
}

int container_events(const struct runtime *rt, const char *id, int64_t interval_ms,
		     const struct event_sink *sink, struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_UNLOCKED, err);

	if (rc == 0)
		rc = watch_opened(&access, interval_ms, sink, err);
	access_done(&access);
	return rc;
}
