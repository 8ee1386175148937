/* SPDX-License-Identifier: Apache-2.0 */
/* delete, with and without force; also of what kill -9 or a full disk left behind. */
#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
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

/**
 * Another operation holds the lock. Killing what is in the container makes a create or a hanging
 * start give up.
 */
static int break_lock(struct access *access, const struct runtime *rt, const char *id,
		      struct wh_error *err)
{
	struct access peek;
	int rc;

	if (access_open(&peek, rt, id, STATE_UNLOCKED, NULL) == 0 && destroy_owns_cgroup(&peek) &&
	    access_open_cgroup(&peek, NULL) == 0)
		cgroup_kill(&peek.cgroup, NULL);
	access_done(&peek);
	access_done(access);
	*err = WH_ERROR_INIT;
	rc = access_open(access, rt, id, STATE_LOCKED, err);
	return rc;
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
