/* SPDX-License-Identifier: Apache-2.0 */
/* start: open the gate that init waits at, and see its program executed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "libcontainer/access.h"
#include "libcontainer/destroy.h"
#include "libcontainer/executed.h"
#include "libcontainer/hooks.h"
#include "libcontainer/notify_socket.h"
#include "libcontainer/seccomp/notify.h"
#include "libcontainer/spawn.h"

/** How long an init that has sent its error may take to be gone. */
#define INIT_END_TIMEOUT_MS 1000

struct start {
	struct access access;
	int pidfd;
	int sock;
	int notify_fd;
};

static int connect_gate(const struct start *start, struct wh_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	auto_fd sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return wh_fail(err, errno, "make a socket");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" STATE_START_SOCKET,
		 start->access.dir_fd);
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return wh_fail(err, errno, "reach the init process of container '%s'",
			       start->access.record.id);
	return fd_take(&sock);
}

static int encode_state(struct start *start, enum oci_status status, const char **ret_json,
			size_t *ret_len, struct wh_error *err)
{
	struct oci_state state = access_state(&start->access);

	state.status = status;
	state.pid = start->access.record.init.pid;
	return oci_state_encode(&state, false, &start->access.arena, ret_json, ret_len, err);
}

static int on_seccomp(void *ctx, int listener, struct wh_error *err)
{
	struct start *start = ctx;
	const struct oci_seccomp *seccomp = start->access.spec->linux_->seccomp;
	struct seccomp_program program = {.notify = true};
	const char *json;
	size_t len;
	int rc;

	if (seccomp) {
		program.listener_path = seccomp->listener_path;
		program.listener_metadata = seccomp->listener_metadata;
	}
	rc = encode_state(start, OCI_STATUS_RUNNING, &json, &len, err);
	if (rc == 0)
		rc = seccomp_notify_send(&program, listener, start->access.record.init.pid, json,
					 start->access.spec->oci_version, err);
	fd_close(listener);
	return rc;
}

static int on_executed(void *ctx, struct wh_error *err)
{
	const struct start *start = ctx;

	return executed_check(start->access.record.init.pid, start->access.spec->process->args[0],
			      err);
}

static int open_gate(struct start *start, struct wh_error *err)
{
	struct spawn_handlers handlers = {
	    .seccomp = on_seccomp,
	    .executed = start->access.spec->linux_->seccomp ? on_executed : NULL,
	    .ctx = start,
	};
	int rc;

	start->sock = connect_gate(start, err);
	if (start->sock < 0)
		return start->sock;
	rc = sync_send(start->sock, SYNC_START, err);
	if (rc < 0)
		return rc;
	return sync_converse(start->sock, SYNC_EOF, &handlers, NULL, err);
}

/** What was deleted while its poststart hooks ran is gone already. */
static void destroy_after_poststart(struct start *start)
{
	struct access *access = &start->access;
	struct wh_error reason = WH_ERROR_INIT;
	int rc = state_lock(access->dir_fd, access->record.id, &reason);

	if (rc == 0)
		rc = container_destroy(access, true, &reason);
	if (rc < 0 && rc != -ENOENT)
		log_warning("container '%s' is left: %s", access->record.id, reason.message);
}

/** A failing poststart hook stops and destroys the container (config.md#poststart, since 1.3). */
static int run_poststart(struct start *start, struct wh_error *err)
{
	const struct oci_hooks *hooks = start->access.spec->hooks;
	struct hook_setting setting = {.cwd = start->access.record.bundle, .attended = true};
	int rc;

	if (!hooks || hooks->n_poststart == 0)
		return 0;
	rc = encode_state(start, OCI_STATUS_RUNNING, &setting.state, &setting.len, err);
	/* it runs: a hook that takes its time must not keep others from it */
	state_unlock(start->access.dir_fd);
	if (rc == 0)
		rc = hooks_run(hooks->poststart, hooks->n_poststart, "poststart", &setting, err);
	if (rc < 0)
		destroy_after_poststart(start);
	return rc;
}

/** An init that has ended may have left what its hooks started: without a pid namespace of its own nobody
 * else ends that. */
static void kill_remains(struct start *start)
{
	if (process_wait_end(start->pidfd, INIT_END_TIMEOUT_MS) == 0 &&
	    destroy_owns_cgroup(&start->access) && access_open_cgroup(&start->access, NULL) == 0)
		cgroup_kill(&start->access.cgroup, NULL);
}

static int start_container(struct start *start, struct wh_error *err)
{
	struct container_record *record = &start->access.record;
	int rc;

	/* a frozen init would never answer, and resume would wait for our lock */
	if (access_refine_status(&start->access) == OCI_STATUS_PAUSED)
		return wh_fail_kind(
		    err, WH_ERROR_STATE, 0,
		    "cannot start container '%s' while it is paused: container paused", record->id);
	if (start->access.status != OCI_STATUS_CREATED)
		return wh_fail_kind(
		    err, WH_ERROR_STATE, 0, "cannot start container '%s' in the %s state%s%s",
		    record->id, oci_status_name(start->access.status),
		    record_is_of_another_boot(record) ? ": the host was restarted since" : "",
		    start->access.status == OCI_STATUS_STOPPED
			? ": it has ended; delete it and create it anew"
			: "");
	rc = access_spec(&start->access, err);
	if (rc < 0)
		return rc;
	start->notify_fd = notify_socket_bind(start->access.dir_fd, err);
	if (start->notify_fd < 0 && start->notify_fd != -ENOENT)
		return start->notify_fd;
	start->pidfd = access_open_init(&start->access, err);
	if (start->pidfd < 0)
		return start->pidfd;
	rc = open_gate(start, err);
	if (rc < 0) {
		kill_remains(start);
		return rc;
	}
	record->status = OCI_STATUS_RUNNING;
	rc = record_write(start->access.dir_fd, record, &start->access.arena, err);
	if (rc == 0)
		rc = run_poststart(start, err);
	if (rc < 0 || start->notify_fd < 0)
		return rc;
	/* it may never be ready, and has to be paused or deleted all the same */
	state_unlock(start->access.dir_fd);
	return notify_socket_forward(start->notify_fd, start->pidfd, record->init.pid, err);
}

int container_start(const struct runtime *rt, const char *id, struct wh_error *err)
{
	struct start start = {.pidfd = -EBADF, .sock = -EBADF, .notify_fd = -EBADF};
	int rc = access_open(&start.access, rt, id, STATE_LOCKED, err);

	if (rc == 0)
		rc = start_container(&start, err);
	fd_close(start.notify_fd);
	fd_close(start.sock);
	fd_close(start.pidfd);
	access_done(&start.access);
	return rc;
}
