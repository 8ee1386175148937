/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_manager.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cgroups/systemd_call.h"

/** "start unit 'NAME'", for errors. */
#define WHAT_SIZE 320

/** How often, and how far apart, a unit is asked for whose name a dead one has not given up yet. */
#define EXISTS_TRIES    20
#define EXISTS_PAUSE_MS 25

/** Read the one variant of the reply, a string; it lives as long as the call. */
static int read_text_variant(const struct systemd_call *call, const char **ret_text,
			     struct wh_error *err)
{
	const struct sd_library *lib = call->bus->lib;
	int rc = lib->message_enter_container(call->reply, 'v', "s");

	if (rc >= 0)
		rc = lib->message_read_basic(call->reply, 's', ret_text);
	return rc < 0 ? wh_fail(err, -rc, "read the answer of %s", systemd_bus_name(call->bus)) : 0;
}

#define MANAGER_SCOPE "/init.scope"

/** The host's systemd is process 1: where that is says it without a call. Returns 0 or -errno. */
static int look_at_manager(const struct systemd_bus *bus, struct arena *arena,
			   const char **ret_path)
{
	char path[PATH_MAX];
	size_t len;

	if (bus->user || cgroup_path_of(1, path, sizeof(path), NULL) < 0)
		return -ENOENT;
	len = strlen(path);
	if (len < strlen(MANAGER_SCOPE) ||
	    !streq(path + len - strlen(MANAGER_SCOPE), MANAGER_SCOPE))
		return -ENOENT;
	*ret_path = arena_strndup(arena, path, len - strlen(MANAGER_SCOPE));
	return *ret_path ? 0 : -ENOMEM;
}

static int ask_manager(struct systemd_bus *bus, struct arena *arena, const char **ret_path,
		       struct wh_error *err)
{
	enum systemd_answer answer;
	struct systemd_call call;
	const char *path = "";
	int rc;

	systemd_call_begin_at(&call, bus, "/org/freedesktop/systemd1", DBUS_PROPERTY, "Get");
	systemd_call_text(&call, SYSTEMD_NAME ".Manager");
	systemd_call_text(&call, "ControlGroup");
	rc = systemd_call_send(&call, "ask for the manager's cgroup", &answer, err);
	if (rc == 0)
		rc = read_text_variant(&call, &path, err);
	if (rc == 0) {
		*ret_path = arena_strdup(arena, streq(path, "/") ? "" : path);
		rc = *ret_path ? 0 : wh_oom(err);
	}
	systemd_call_done(&call);
	return rc;
}

int systemd_manager_cgroup(struct systemd_bus *bus, struct arena *arena, const char **ret_path,
			   struct wh_error *err)
{
	int rc = look_at_manager(bus, arena, ret_path);

	if (rc == -ENOMEM)
		return wh_oom(err);
	return rc < 0 ? ask_manager(bus, arena, ret_path, err) : 0;
}

/** A call with nothing but the unit's name, whose answer is no job. */
static int call_unit(struct systemd_bus *bus, const char *method, const char *name,
		     enum systemd_answer *ret_answer, struct wh_error *err)
{
	char what[WHAT_SIZE];
	struct systemd_call call;
	int rc;

	snprintf(what, sizeof(what), "%s '%s'", method, name);
	systemd_call_begin(&call, bus, method);
	systemd_call_text(&call, name);
	rc = systemd_call_send(&call, what, ret_answer, err);
	systemd_call_done(&call);
	return rc;
}

/** Start or stop the unit (@method) and wait for the end of that job. */
static int run_job(struct systemd_bus *bus, struct systemd_job *job, const char *method,
		   const char *name, enum systemd_answer *ret_answer, struct wh_error *err)
{
	char what[WHAT_SIZE];
	struct systemd_call call;
	int rc;

	snprintf(what, sizeof(what), "%s '%s'", method, name);
	systemd_call_begin(&call, bus, method);
	systemd_call_text(&call, name);
	systemd_call_text(&call, "replace");
	rc = systemd_call_send(&call, what, ret_answer, err);
	if (rc == 0)
		rc = systemd_job_take(job, &call, err);
	systemd_call_done(&call);
	return rc < 0 ? rc : systemd_job_wait(job, what, err);
}

/** One StartTransientUnit: the job it makes is taken. */
static int start_transient(struct systemd_bus *bus, const struct systemd_unit *unit, pid_t pid,
			   const char *what, struct systemd_job *job,
			   enum systemd_answer *ret_answer, bool *ret_repeated,
			   struct wh_error *err)
{
	struct systemd_call call;
	int rc;

	systemd_call_begin(&call, bus, "StartTransientUnit");
	systemd_call_text(&call, unit->name.name);
	systemd_call_text(&call, "fail");
	systemd_call_properties(&call, &unit->properties, pid);
	systemd_call_no_units(&call);
	rc = systemd_call_send(&call, what, ret_answer, err);
	if (rc == 0)
		rc = systemd_job_take(job, &call, err);
	*ret_repeated = call.repeated;
	systemd_call_done(&call);
	return rc;
}

/** Whether systemd has put @pid into the scope @name. */
static bool is_in_scope(pid_t pid, const char *name)
{
	char path[PATH_MAX];
	const char *last;

	if (cgroup_path_of(pid, path, sizeof(path), NULL) < 0)
		return false;
	last = strrchr(path, '/');
	return last && streq(last + 1, name);
}

static int fail_exists(const char *what, struct wh_error *err)
{
	return wh_fail(err, EEXIST,
		       "%s: there is such a unit, and it is in use: another container's?", what);
}

/**
 * Asked for twice, the unit is there: of the first time, when systemd was restarted before it could
 * answer, or another container's. Wait for what is under way, and see whose it is.
 */
static int start_again(struct systemd_bus *bus, struct systemd_job *job, const char *name,
		       pid_t pid, const char *what, struct wh_error *err)
{
	enum systemd_answer answer;
	int rc = run_job(bus, job, "StartUnit", name, &answer, err);

	if (rc == 0 && !is_in_scope(pid, name))
		rc = fail_exists(what, err);
	return rc;
}

static int start_unit(struct systemd_bus *bus, const struct systemd_unit *unit, pid_t pid,
		      struct systemd_job *job, struct wh_error *err)
{
	const char *name = unit->name.name;
	struct wh_error reason = WH_ERROR_INIT;
	enum systemd_answer answer, ignored;
	char what[WHAT_SIZE];
	bool repeated;
	int rc;

	snprintf(what, sizeof(what), "start unit '%s'", name);
	rc = start_transient(bus, unit, pid, what, job, &answer, &repeated, &reason);
	for (int i = 0; answer == SYSTEMD_UNIT_EXISTS && i < EXISTS_TRIES; i++) {
		if (unit->name.is_slice)
			return 0;
		if (repeated)
			return start_again(bus, job, name, pid, what, err);
		call_unit(bus, "ResetFailedUnit", name, &ignored, NULL);
		poll(NULL, 0, EXISTS_PAUSE_MS);
		rc = start_transient(bus, unit, pid, what, job, &answer, &repeated, &reason);
	}
	if (answer == SYSTEMD_UNIT_EXISTS)
		return fail_exists(what, err);
	if (rc < 0) {
		*err = reason;
		return rc;
	}
	return systemd_job_wait(job, what, err);
}

int systemd_unit_start(struct systemd_bus *bus, const struct systemd_unit *unit, pid_t pid,
		       struct wh_error *err)
{
	struct systemd_job job;
	int rc = systemd_job_listen(&job, bus, err);

	if (rc == 0)
		rc = start_unit(bus, unit, unit->name.is_slice ? 0 : pid, &job, err);
	return rc;
}

int systemd_unit_set(struct systemd_bus *bus, const char *name,
		     const struct bus_properties *properties, struct wh_error *err)
{
	enum systemd_answer answer;
	struct systemd_call call;
	char what[WHAT_SIZE];
	int rc;

	snprintf(what, sizeof(what), "change unit '%s'", name);
	systemd_call_begin(&call, bus, "SetUnitProperties");
	systemd_call_text(&call, name);
	systemd_call_bool(&call, true);
	systemd_call_properties(&call, properties, 0);
	rc = systemd_call_send(&call, what, &answer, err);
	systemd_call_done(&call);
	return rc;
}

int systemd_unit_attach(struct systemd_bus *bus, const char *name, const char *sub, pid_t pid,
			struct wh_error *err)
{
	enum systemd_answer answer;
	struct systemd_call call;
	char what[WHAT_SIZE];
	int rc;

	snprintf(what, sizeof(what), "move process %d to unit '%s'", (int)pid, name);
	systemd_call_begin(&call, bus, "AttachProcessesToUnit");
	systemd_call_text(&call, name);
	systemd_call_text(&call, sub);
	systemd_call_pids(&call, pid);
	rc = systemd_call_send(&call, what, &answer, err);
	systemd_call_done(&call);
	return rc;
}

int systemd_unit_stop(struct systemd_bus *bus, const char *name, struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	enum systemd_answer answer = SYSTEMD_FAILED;
	struct systemd_job job;
	int rc = systemd_job_listen(&job, bus, err);

	if (rc < 0)
		return rc;
	rc = run_job(bus, &job, "StopUnit", name, &answer, &reason);
	if (answer == SYSTEMD_NO_UNIT)
		return 0;
	/* what did not fail, or is forgotten by now, cannot be reset */
	if (rc < 0 || systemd_transient_exists(bus->user, name))
		call_unit(bus, "ResetFailedUnit", name, &answer, NULL);
	if (rc < 0 && err)
		*err = reason;
	return rc;
}
