/* SPDX-License-Identifier: Apache-2.0 */
/* run: create, start, wait, delete in one process. */
#include <errno.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/log.h"
#include "libcontainer/create.h"
#include "libcontainer/destroy.h"
#include "libcontainer/foreground.h"
#include "libcontainer/hooks.h"

/** The container as delete would open it, without reading back what we have just written. */
static struct access access_of(struct create *create)
{
	struct access access = ACCESS_INIT;

	access.arena = create->arena;
	access.root_fd = create->root_fd;
	access.dir_fd = create->dir_fd;
	access.record = create->record;
	access.spec = create->plan->spec;
	access.status = OCI_STATUS_STOPPED;
	access.cgroup_mount_fd = create->cgroup_mount_fd;
	access.cgroup = create->cgroup;
	return access;
}

static int destroy(struct create *create, struct wh_error *err)
{
	struct access access = access_of(create);
	/* init has ended; whatever else is left the removal of the cgroup finds, and kills */
	int rc = container_destroy(&access, !access.record.cgroup_path, err);

	/* destroy closes the cgroup to remove it */
	create->cgroup = access.cgroup;
	create->arena = access.arena;
	create->cgroup_mount_fd = access.cgroup_mount_fd;
	return rc;
}

/** What another has deleted meanwhile is done; its id may be a new container's by now. */
static int destroy_ended(struct create *create, struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	int rc = state_lock(create->dir_fd, create->opts->id, &reason);

	if (rc == 0)
		return destroy(create, err);
	if (rc == -ENOENT)
		return 0;
	if (err)
		*err = reason;
	return rc;
}

int create_run_poststart(struct create *create, struct wh_error *err)
{
	const struct oci_hooks *hooks = create->plan->hooks;
	struct access access = access_of(create);
	struct oci_state state;
	struct hook_setting setting = {.cwd = create->plan->bundle, .attended = true};
	int rc;

	if (hooks->n_poststart == 0)
		return 0;
	access.status = OCI_STATUS_RUNNING;
	state = access_state(&access);
	rc = oci_state_encode(&state, false, &access.arena, &setting.state, &setting.len, err);
	create->arena = access.arena;
	if (rc < 0)
		return rc;
	/* it runs: a hook that takes its time must not keep others from it */
	state_unlock(create->dir_fd);
	return hooks_run(hooks->poststart, hooks->n_poststart, "poststart", &setting, err);
}

/** Start the made container. After a failure it is for give_up(). */
static int start(struct create *create, struct wh_error *err)
{
	int rc;

	create->notify_fd = notify_socket_bind(create->dir_fd, err);
	if (create->notify_fd < 0 && create->notify_fd != -ENOENT)
		return create->notify_fd;
	rc = create_start(create, err);
	return rc < 0 ? rc : create_run_poststart(create, err);
}

/**
 * Others were let in while poststart hooks ran: what was deleted meanwhile is not ours any more, and
 * its id may be a new container's.
 */
static void give_up(struct create *create)
{
	struct wh_error reason = WH_ERROR_INIT;
	int rc = state_lock(create->dir_fd, create->opts->id, &reason);

	if (rc == 0) {
		create_undo(create);
		return;
	}
	spawn_kill(&create->spawn);
	if (rc != -ENOENT)
		log_warning("%s", reason.message);
}

static int run_detached(struct create *create, struct wh_error *err)
{
	int rc = start(create, err);

	if (rc < 0) {
		give_up(create);
		return rc;
	}
	if (create->notify_fd < 0)
		return 0;
	/* it may never be ready, and has to be paused or deleted all the same */
	state_unlock(create->dir_fd);
	return notify_socket_forward(create->notify_fd, create->spawn.pidfd,
				     create->spawn.process.pid, err);
}

static int run_foreground(struct create *create, int *ret_status, struct wh_error *err)
{
	int rc;

	if (!create->opts->no_subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	rc = create_catch_signals(create, err);
	if (rc == 0)
		rc = start(create, err);
	if (rc < 0) {
		give_up(create);
		return rc;
	}
	return create_attend(create, ret_status, err);
}

int create_attend(struct create *create, int *ret_status, struct wh_error *err)
{
	int rc;

	/* as long as it runs it is there for others to be paused or deleted */
	state_unlock(create->dir_fd);
	rc = foreground_wait(&create->foreground, create->spawn.pidfd, create->spawn.process.pid,
			     create->handover.pty_master, create->notify_fd, ret_status, err);
	if (rc == 0)
		return create->opts->keep ? 0 : destroy_ended(create, err);
	/* nobody attends to it any more, and nobody else knows of it */
	spawn_kill(&create->spawn);
	destroy_ended(create, NULL);
	return rc;
}

int container_run(const struct runtime *rt, const struct create_options *opts, int *ret_status,
		  struct wh_error *err)
{
	struct create create;
	int rc;

	*ret_status = 0;
	create_init(&create, rt, opts, true);
	rc = create_run_steps(&create, err);
	if (rc == 0)
		rc = opts->detach ? run_detached(&create, err)
				  : run_foreground(&create, ret_status, err);
	create_done(&create);
	return rc;
}
