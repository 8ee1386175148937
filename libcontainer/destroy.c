/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/destroy.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/step.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/hooks.h"
#include "libcontainer/intel_rdt.h"

/** How long killed processes and their cgroup may take to go, in milliseconds (runc: 10 s). */
#define DESTROY_TIMEOUT_MS 10000

struct destroy {
	struct access *access;
	bool kill;
};

/** What the kernel had before a reboot is gone, and what has the same names now is not ours. */
static bool is_of_this_boot(const struct container_record *record)
{
	char boot_id[BOOT_ID_SIZE];

	return process_boot_id(boot_id, NULL) == 0 && streq(boot_id, record->boot_id);
}

bool destroy_owns_cgroup(const struct access *access)
{
	const struct container_record *record = &access->record;

	/* Of a damaged record the cgroup is all that is left to find the processes by. */
	if (!record->boot_id)
		return true;
	if (!is_of_this_boot(record))
		return false;
	return record->status != OCI_STATUS_CREATING || record->cgroup_made > 0;
}

static int kill_init(const struct access *access, struct wh_error *err)
{
	auto_fd pidfd = process_open(&access->record.init);
	int rc;

	if (pidfd < 0)
		return 0;
	rc = sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	if (rc < 0 && rc != -ESRCH)
		return wh_fail(err, -rc, "kill the init process of container '%s'",
			       access->record.id);
	rc = process_wait_end(pidfd, DESTROY_TIMEOUT_MS);
	if (rc < 0)
		return wh_fail(err, -rc, "container init still running: %d of '%s' does not end",
			       access->record.init.pid, access->record.id);
	return 0;
}

/**
 * Everything in the cgroup, frozen or not, then init itself: without a cgroup of its own it is all
 * we know.
 */
static int step_kill(void *ctx, struct wh_error *err)
{
	struct destroy *destroy = ctx;
	struct access *access = destroy->access;
	int rc;

	if (destroy_owns_cgroup(access) && access_open_cgroup(access, NULL) == 0) {
		rc = cgroup_kill(&access->cgroup, err);
		if (rc < 0)
			return rc;
	}
	return access->record.init.pid > 0 ? kill_init(access, err) : 0;
}

static int needs_kill(const void *ctx)
{
	const struct destroy *destroy = ctx;

	return destroy->kill;
}

/** Remove the cgroup only when nobody is in it. */
static int leave_cgroup(const struct access *access)
{
	const char *path = access->record.cgroup_path;
	int rc = cgroup_remove_unused(access->cgroup_mount_fd, path);

	if (rc == 0)
		cgroup_remove_parents(access->cgroup_mount_fd, path, access->record.cgroup_made);
	else
		log_debug("cgroup '%s' stays: it is in use, and not by container '%s'", path,
			  access->record.id);
	return 0;
}

/**
 * Where systemd has to be asked this may start the program anew (base/twin.h): by now processes were killed
 * and nothing else was done, and that may be done twice.
 */
static int remove_own(struct access *access, struct wh_error *err)
{
	const struct container_record *record = &access->record;

	if (record->unit)
		return cgroup_remove_unit(access->cgroup_mount_fd, record->cgroup_path,
					  record->unit, record->user_unit, DESTROY_TIMEOUT_MS, err);
	return cgroup_remove(access->cgroup_mount_fd, record->cgroup_path, DESTROY_TIMEOUT_MS, err);
}

static int step_cgroup(void *ctx, struct wh_error *err)
{
	struct destroy *destroy = ctx;
	struct access *access = destroy->access;
	int rc;

	cgroup_close(&access->cgroup);
	if (access->cgroup_mount_fd < 0)
		access->cgroup_mount_fd = cgroup_open_mount(err);
	if (access->cgroup_mount_fd < 0)
		return access->cgroup_mount_fd;
	if (!destroy_owns_cgroup(access))
		return leave_cgroup(access);
	rc = remove_own(access, err);
	if (rc == 0)
		cgroup_remove_parents(access->cgroup_mount_fd, access->record.cgroup_path,
				      access->record.cgroup_made);
	return rc;
}

static int needs_cgroup(const void *ctx)
{
	const struct destroy *destroy = ctx;

	return destroy->access->record.cgroup_path != NULL;
}

static int step_rdt(void *ctx, struct wh_error *err)
{
	struct destroy *destroy = ctx;
	const struct container_record *record = &destroy->access->record;
	auto_fd root = intel_rdt_open(NULL); /* unmounted since: its directories are gone as well */

	if (root < 0 || !is_of_this_boot(record))
		return 0;
	return intel_rdt_remove(root, record->rdt_group, record->rdt_monitor, err);
}

static int needs_rdt(const void *ctx)
{
	const struct destroy *destroy = ctx;

	return destroy->access->record.rdt_group || destroy->access->record.rdt_monitor;
}

void poststop_run(const struct oci_hooks *hooks, struct oci_state state, struct arena *arena)
{
	struct wh_error err = WH_ERROR_INIT;
	struct hook_setting setting = {.cwd = state.bundle, .attended = true};

	if (!hooks || hooks->n_poststop == 0)
		return;
	state.status = OCI_STATUS_STOPPED;
	state.pid = 0;
	if (oci_state_encode(&state, false, arena, &setting.state, &setting.len, &err) < 0) {
		log_warning("poststop hooks of container '%s' do not run: %s", state.id,
			    err.message);
		return;
	}
	for (size_t i = 0; i < hooks->n_poststop; i++) {
		err = WH_ERROR_INIT;
		if (hook_run(&hooks->poststop[i], "poststop", i, &setting, &err) < 0)
			log_warning("%s", err.message);
	}
}

static int step_hooks(void *ctx, struct wh_error *err)
{
	struct destroy *destroy = ctx;
	struct access *access = destroy->access;
	struct wh_error reason = WH_ERROR_INIT;

	if (access_spec(access, &reason) < 0)
		log_warning("poststop hooks of container '%s' do not run: %s", access->record.id,
			    reason.message);
	else
		poststop_run(access->spec->hooks, access_state(access), &access->arena);
	return 0;
}

static int needs_hooks(const void *ctx)
{
	const struct destroy *destroy = ctx;

	/* a create that did not finish has undone itself, hooks and all, or was killed */
	return destroy->access->record.status != OCI_STATUS_CREATING;
}

static int step_state(void *ctx, struct wh_error *err)
{
	struct destroy *destroy = ctx;
	struct access *access = destroy->access;

	return state_remove(access->root_fd, access->record.id, access->dir_fd, err);
}

static const struct step destroy_steps[] = {
    {"kill processes",    step_kill,   NULL, needs_kill  },
    {"remove cgroup",     step_cgroup, NULL, needs_cgroup},
    {"remove RDT groups", step_rdt,    NULL, needs_rdt   },
    {"poststop hooks",    step_hooks,  NULL, needs_hooks },
    {"remove state",      step_state,  NULL, NULL        },
};

int container_destroy(struct access *access, bool kill, struct wh_error *err)
{
	struct destroy destroy = {.access = access, .kill = kill};

	return steps_run(destroy_steps, ARRAY_LEN(destroy_steps), &destroy, err);
}
