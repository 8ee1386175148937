/* SPDX-License-Identifier: Apache-2.0 */
/* The ends of jobs: systemd reports them by the signal JobRemoved to who asked for the job. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "cgroups/systemd_call.h"

/** A report may get lost when systemd is restarted: this often it is asked whether the job is there. */
#define ASK_AGAIN_MS 1000

/** JobRemoved: number, job, unit, result. */
static int on_removed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct systemd_job *job = userdata;
	const struct sd_library *lib = job->bus->lib;
	const char *path, *unit, *result;
	uint32_t number;

	if (lib->message_read_basic(message, 'u', &number) < 0 ||
	    lib->message_read_basic(message, 'o', &path) < 0 ||
	    lib->message_read_basic(message, 's', &unit) < 0 ||
	    lib->message_read_basic(message, 's', &result) < 0)
		return 0;
	/* of another job, once ours is known */
	if (job->path[0] && !streq(job->path, path))
		return 0;
	snprintf(job->ended_path, sizeof(job->ended_path), "%s", path);
	snprintf(job->result, sizeof(job->result), "%s", result);
	return 0;
}

int systemd_job_listen(struct systemd_job *job, struct systemd_bus *bus, struct wh_error *err)
{
	int rc;

	*job = (struct systemd_job){.bus = bus};
	/* without waiting for the bus to agree: it reads in order */
	rc = bus->lib->match_signal_async(bus->bus, NULL, SYSTEMD_NAME, "/org/freedesktop/systemd1",
					  SYSTEMD_NAME ".Manager", "JobRemoved", on_removed, NULL,
					  job);
	return rc < 0 ? wh_fail(err, -rc, "listen to %s", systemd_bus_name(bus)) : 0;
}

int systemd_job_take(struct systemd_job *job, const struct systemd_call *call, struct wh_error *err)
{
	const char *path;
	int rc = job->bus->lib->message_read_basic(call->reply, 'o', &path);

	if (rc < 0)
		return wh_fail(err, -rc, "read the answer of %s", systemd_bus_name(job->bus));
	snprintf(job->path, sizeof(job->path), "%s", path);
	return 0;
}

static bool has_ended(const struct systemd_job *job)
{
	return job->result[0] && streq(job->path, job->ended_path);
}

/** Whether systemd knows the job no longer: its end was reported to nobody. */
static bool is_forgotten(const struct systemd_job *job)
{
	enum systemd_answer answer;
	struct systemd_call call;

	systemd_call_begin_at(&call, job->bus, job->path, DBUS_PROPERTY, "Get");
	systemd_call_text(&call, SYSTEMD_NAME ".Job");
	systemd_call_text(&call, "State");
	systemd_call_send(&call, "", &answer, NULL);
	systemd_call_done(&call);
	return answer == SYSTEMD_NO_OBJECT;
}

/** Take in what the bus has. Returns 0 when something, -EAGAIN when nothing came in time, or -errno. */
static int take_in(const struct systemd_job *job, int timeout_ms)
{
	const struct sd_library *lib = job->bus->lib;
	int rc = lib->process(job->bus->bus, NULL);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = lib->wait(job->bus->bus, (uint64_t)timeout_ms * 1000);
	if (rc == -EINTR || rc > 0)
		return 0;
	return rc < 0 ? rc : -EAGAIN;
}

int systemd_job_wait(struct systemd_job *job, const char *what, struct wh_error *err)
{
	int64_t deadline = clock_ms() + SYSTEMD_JOB_TIMEOUT_MS;

	while (!has_ended(job)) {
		int rc = take_in(job, ASK_AGAIN_MS);

		if (rc < 0 && rc != -EAGAIN)
			return wh_fail(err, -rc, "%s: wait for %s", what,
				       systemd_bus_name(job->bus));
		if (rc == -EAGAIN && is_forgotten(job))
			return 0;
		if (clock_ms() >= deadline)
			return wh_fail(err, ETIMEDOUT,
				       "%s: %s was not done with it within %d seconds", what,
				       systemd_bus_name(job->bus), SYSTEMD_JOB_TIMEOUT_MS / 1000);
	}
	if (!streq(job->result, "done"))
		return wh_fail(err, 0, "%s: the result of %s is '%s', its journal says why", what,
			       systemd_bus_name(job->bus), job->result);
	return 0;
}
