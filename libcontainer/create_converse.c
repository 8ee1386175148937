/* SPDX-License-Identifier: Apache-2.0 */
/* create and run talk with init: until it is ready, and until its program runs (sync.h). */
#include "base/fd.h"
#include "libcontainer/create_steps.h"
#include "libcontainer/executed.h"
#include "libcontainer/hooks.h"
#include "libcontainer/notify_socket.h"
#include "libcontainer/seccomp/notify.h"
#include "namespaces/net_devices.h"

static int on_console(void *ctx, int master, struct wh_error *err)
{
	struct create *create = ctx;

	return handover_console(&create->handover, master, err);
}

static int hook_state(struct create *create, enum oci_status status, const char **ret_json,
		      size_t *ret_len, struct wh_error *err)
{
	struct oci_state state = {
	    .oci_version = create->record.oci_version,
	    .id = create->record.id,
	    .status = status,
	    .pid = create->spawn.process.pid,
	    .bundle = create->record.bundle,
	    .annotations = create->record.annotations,
	    .n_annotations = create->record.n_annotations,
	};

	return oci_state_encode(&state, false, &create->arena, ret_json, ret_len, err);
}

/**
 * init's namespaces are there and it waits: network devices are moved in, then prestart and
 * createRuntime hooks run, in the runtime's namespaces, before pivot_root
 * (config.md#posix-platform-hooks).
 */
int create_run_hooks(struct create *create, struct wh_error *err)
{
	const struct oci_hooks *hooks = create->plan->hooks;
	struct hook_setting setting = {.cwd = create->plan->bundle, .attended = true};
	int rc;

	rc = hook_state(create, OCI_STATUS_CREATING, &setting.state, &setting.len, err);
	if (rc == 0 && create->plan->ns.n_net_devices > 0)
		rc = net_devices_move(&create->plan->ns, create->spawn.process.pid, err);
	if (rc == 0)
		rc = hooks_run(hooks->prestart, hooks->n_prestart, "prestart", &setting, err);
	if (rc == 0)
		rc = hooks_run(hooks->create_runtime, hooks->n_create_runtime, "createRuntime",
			       &setting, err);
	return rc;
}

static int on_hooks(void *ctx, struct wh_error *err)
{
	return create_run_hooks(ctx, err);
}

static int on_seccomp(void *ctx, int listener, struct wh_error *err)
{
	struct create *create = ctx;
	const char *json;
	size_t len;
	int rc;

	rc = hook_state(create, OCI_STATUS_RUNNING, &json, &len, err);
	if (rc == 0)
		rc = seccomp_notify_send(create->plan->process.seccomp, listener,
					 create->spawn.process.pid, json,
					 create->plan->spec->oci_version, err);
	fd_close(listener);
	return rc;
}

static int on_executed(void *ctx, struct wh_error *err)
{
	const struct create *create = ctx;

	return executed_check(create->spawn.process.pid, create->plan->process.args[0], err);
}

static struct spawn_handlers handlers_of(struct create *create)
{
	return (struct spawn_handlers){
	    .console = create->plan->process.terminal ? on_console : NULL,
	    .hooks = on_hooks,
	    .seccomp = on_seccomp,
	    .executed = create->plan->process.seccomp ? on_executed : NULL,
	    .ctx = create,
	};
}

int create_on_stalled(void *ctx, struct wh_error *err)
{
	const struct create *create = ctx;

	if (create->cgroup.dir_fd >= 0 && cgroup_is_frozen(&create->cgroup) == 1)
		return wh_fail_kind(err, WH_ERROR_STATE, 0,
				    "cgroup '%s' is frozen, or one above it: init cannot run",
				    create->plan->cgroup.path);
	return foreground_interrupted(&create->foreground, err);
}

/**
 * Where memory ran out, that is why init is dead or could not go on, whatever it was doing then: its
 * own words may be "argument list too long", or none, since a message takes memory as well.
 */
static void explain_oom(struct create *create, struct wh_error *err)
{
	if (create->cgroup.dir_fd >= 0 &&
	    (cgroup_ran_out_of_memory(&create->cgroup) || cgroup_oom_watch_read(&create->oom) > 0))
		wh_error_prefix(err, "out of memory, linux.resources.memory.limit is too low");
}

int create_catch_signals(struct create *create, struct wh_error *err)
{
	if (!create->run || create->opts->detach || create->foreground.signal_fd >= 0)
		return 0;
	return foreground_init(&create->foreground, err);
}

/**
 * Where nothing of ours comes between init's being ready and its start, it need not wait to be
 * told: waking two processes costs more than most of what they do.
 */
int create_step_start_ahead(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	int rc = create_catch_signals(create, err);

	if (rc == 0)
		rc = sync_tell(create->spawn.sock, SYNC_PLAN_COMPLETE, err);
	if (rc == 0)
		rc = sync_tell(create->spawn.sock, SYNC_START, err);
	create->started_ahead = rc == 0;
	return rc;
}

/**
 * Should we be killed between the start and the record of it, a cgroup of the container's own is all
 * that delete finds the program by: in one that was there before it takes nobody for the container's.
 */
static bool has_own_cgroup(const struct create *create)
{
	return create->record.cgroup_path && create->record.cgroup_made > 0;
}

int create_can_start_ahead(const void *ctx)
{
	const struct create *create = ctx;
	const struct oci_hooks *hooks = create->plan->hooks;

	return create->run && has_own_cgroup(create) && !create->opts->pid_file &&
	       !create->opts->pidfd_socket && !notify_socket_wanted() &&
	       hooks->n_prestart + hooks->n_create_runtime == 0 &&
	       create->plan->ns.n_net_devices == 0 && !create->plan->rdt.group;
}

int create_step_ready(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;
	struct spawn_handlers handlers = handlers_of(create);
	int rc = 0;

	if (!create->started_ahead)
		rc = sync_tell(create->spawn.sock, SYNC_PLAN_COMPLETE, err);
	if (rc == 0)
		rc = spawn_wait(&create->spawn, SYNC_READY, &handlers, err);
	if (rc < 0)
		explain_oom(create, err);
	return rc;
}

int create_start(struct create *create, struct wh_error *err)
{
	struct spawn_handlers handlers = handlers_of(create);
	int rc = create->started_ahead ? 0 : sync_send(create->spawn.sock, SYNC_START, err);

	if (rc == 0)
		rc = spawn_wait(&create->spawn, SYNC_EOF, &handlers, err);
	if (rc < 0)
		explain_oom(create, err);
	return rc;
}
