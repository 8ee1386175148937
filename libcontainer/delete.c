/* SPDX-License-Identifier: Apache-2.0 */
/* delete, with and without force; also of what kill -9 or a full disk left behind. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/destroy.h"

/**
 * A record that cannot be read leaves the name of the cgroup, which create wrote down first and
 * apart: what is in it is killed. A process that is in none was never started.
 */
static int remove_unreadable(struct access *access, const char *id, struct wh_error *err)
{
	int rc;

	access->record = (struct container_record){.id = id, .status = OCI_STATUS_CREATING};
	rc = record_read_cgroup(access->dir_fd, &access->arena, &access->record, err);
	return rc < 0 ? rc : container_destroy(access, true, err);
}

static void signal_holder(int dir_fd, int sig)
{
	pid_t pid;
	auto_fd pidfd = state_lock_holder(dir_fd, &pid);

	if (pidfd < 0 || pid == getpid())
		return;
	log_debug("process %d holds the container's lock: signal %d", pid, sig);
	sys_pidfd_send_signal(pidfd, sig, NULL, 0);
}

/**
 * Another operation holds the lock. Killing what is in the container makes a create or a hanging start
 * give up. What waits for a hook of the runtime's, or for what cannot be told, is asked to end, and
 * undoes what it did; then it is killed.
 */
static int break_lock(struct access *access, const struct runtime *rt, const char *id,
		      struct wh_error *err)
{
	static const struct {
		int sig;
		int wait_ms;
	} stages[] = {
	    {0,       1000},
	    {SIGTERM, 5000},
	    {SIGKILL, 5000},
	};
	struct access peek;
	int rc = -EBUSY;

	if (access_open(&peek, rt, id, STATE_UNLOCKED, NULL) == 0 && destroy_owns_cgroup(&peek) &&
	    access_open_cgroup(&peek, NULL) == 0)
		cgroup_kill(&peek.cgroup, NULL);
	for (size_t i = 0; i < ARRAY_LEN(stages) && rc == -EBUSY && peek.dir_fd >= 0; i++) {
		if (stages[i].sig)
			signal_holder(peek.dir_fd, stages[i].sig);
		rc = state_lock_within(peek.dir_fd, stages[i].wait_ms);
	}
	access_done(&peek);
	access_done(access);
	*err = WH_ERROR_INIT;
	return access_open(access, rt, id, STATE_LOCKED, err);
}

static int check_stopped(const struct access *access, const char *id, struct wh_error *err)
{
	switch (access->status) {
	case OCI_STATUS_STOPPED:
	case OCI_STATUS_CREATED: /* as runc and crun do: nothing of the user's has run */
		return 0;
	case OCI_STATUS_CREATING:
	case OCI_STATUS_RUNNING:
	case OCI_STATUS_PAUSED:
	case OCI_STATUS_UNKNOWN:
		break;
	}
	return wh_fail_kind(err, WH_ERROR_STATE, 0,
			    "cannot delete container %s that is not stopped: %s", id,
			    oci_status_name(access->status));
}

static int delete_opened(struct access *access, const char *id, bool force, struct wh_error *err)
{
	int rc;

	if (!force) {
		access_refine_status(access);
		rc = check_stopped(access, id, err);
		if (rc < 0)
			return rc;
	}
	return container_destroy(access, true, err);
}

int container_delete(const struct runtime *rt, const char *id, bool force, struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_LOCKED, err);

	if (rc == -EBUSY && force)
		rc = break_lock(&access, rt, id, err);
	if (rc == 0)
		rc = delete_opened(&access, id, force, err);
	else if (rc == -EBADMSG && force)
		rc = remove_unreadable(&access, id, err);
	else if (rc == -ENOENT && force && err->kind == WH_ERROR_NOT_FOUND)
		rc = 0;
	access_done(&access);
	return rc;
}
