/* SPDX-License-Identifier: Apache-2.0 */
/* kill, pause and resume: signals and the freezer. */
#include <errno.h>
#include <sched.h>
#include <signal.h>

#include "base/fd.h"
#include "base/sys.h"
#include "libcontainer/access.h"
#include "libcontainer/migrate/migrate.h"
#include "oci-spec/namespace.h"

#define FREEZE_TIMEOUT_MS 10000

static int kill_all(struct access *access, int sig, struct wh_error *err)
{
	int rc = access_open_cgroup(access, err);

	if (rc == -ENOENT && access->record.cgroup_path) /* nothing is left to be killed */
		return 0;
	return rc < 0 ? rc : cgroup_signal_all(&access->cgroup, sig, err);
}

static int kill_init(struct access *access, int sig, struct wh_error *err)
{
	auto_fd pidfd = access_open_init(access, err);
	int rc;

	if (pidfd < 0)
		return pidfd;
	rc = sys_pidfd_send_signal(pidfd, sig, NULL, 0);
	if (rc == -ESRCH)
		return wh_fail_kind(err, WH_ERROR_STATE, 0,
				    "container not running: no such process");
	if (rc < 0)
		return wh_fail(err, -rc, "send signal %d to the init process of container '%s'",
			       sig, access->record.id);
	return 0;
}

/**
 * The kernel lets SIGKILL through to a frozen process, but not to what else is in the cgroup: an exec on
 * its way into the pid namespace would stay frozen, and nobody could resume a stopped container.
 */
static int kill_init_for_good(struct access *access, struct wh_error *err)
{
	bool paused = access_refine_status(access) == OCI_STATUS_PAUSED;
	int rc = kill_init(access, SIGKILL, err);

	if (rc == 0 && paused)
		cgroup_set_frozen(&access->cgroup, false, FREEZE_TIMEOUT_MS, NULL);
	return rc;
}

/** Without a pid namespace of its own the container's processes do not end with init. */
static bool shares_pid_namespace(struct access *access)
{
	return access_spec(access, NULL) == 0 &&
	       !oci_namespace_is_new(oci_namespace_find(access->spec->linux_, CLONE_NEWPID));
}

static int kill_shared(struct access *access, struct wh_error *err)
{
	bool stopped = access->status == OCI_STATUS_STOPPED;

	if (access_open_cgroup(access, NULL) < 0)
		return stopped ? access_not_running(access, err) : kill_init(access, SIGKILL, err);
	if (stopped && cgroup_is_populated(&access->cgroup) != 1)
		return access_not_running(access, err);
	return cgroup_kill(&access->cgroup, err);
}

static int kill_opened(struct access *access, int sig, bool all, struct wh_error *err)
{
	if (access->status == OCI_STATUS_CREATING)
		return access_not_running(access, err);
	/*
	 * In a container that shares the host's pid namespace processes outlive init: --all reaches
	 * them (runc).
	 */
	if (all)
		return kill_all(access, sig, err);
	if (sig == SIGKILL && shares_pid_namespace(access))
		return kill_shared(access, err);
	if (access->status == OCI_STATUS_STOPPED)
		return access_not_running(access, err);
	return sig == SIGKILL ? kill_init_for_good(access, err) : kill_init(access, sig, err);
}

int container_kill(const struct runtime *rt, const char *id, int sig, bool all,
		   struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_UNLOCKED, err);

	if (rc == 0)
		rc = kill_opened(&access, sig, all, err);
	access_done(&access);
	return rc;
}

static int set_frozen(const struct runtime *rt, const char *id, bool frozen, struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_LOCKED, err);

	if (rc == 0) {
		enum oci_status status = access_refine_status(&access);
		const char *words = access_status_words(&access);

		if (frozen && status == OCI_STATUS_PAUSED)
			rc = wh_fail_kind(err, WH_ERROR_STATE, 0,
					  "container paused: '%s' is paused already", id);
		else if (frozen && status != OCI_STATUS_RUNNING && status != OCI_STATUS_CREATED)
			rc =
			    wh_fail_kind(err, WH_ERROR_STATE, 0,
					 "container not running or created: '%s' is %s", id, words);
		else if (!frozen && status != OCI_STATUS_PAUSED)
			rc = wh_fail_kind(err, WH_ERROR_STATE, 0,
					  "container not paused: '%s' is %s", id, words);
	}
	if (rc == 0 && !frozen)
		rc = migrate_check_ours(access.dir_fd, id, err);
	if (rc == 0)
		rc = access_open_cgroup(&access, err);
	if (rc == 0)
		rc = cgroup_set_frozen(&access.cgroup, frozen, FREEZE_TIMEOUT_MS, err);
	access_done(&access);
	return rc;
}

int container_pause(const struct runtime *rt, const char *id, struct wh_error *err)
{
	return set_frozen(rt, id, true, err);
}

int container_resume(const struct runtime *rt, const char *id, struct wh_error *err)
{
	return set_frozen(rt, id, false, err);
}
