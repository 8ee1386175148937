/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/access.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/procfs.h"
#include "base/sys.h"
#include "libcontainer/config_load.h"
#include "libcontainer/late_mounts.h"

/** How long, in milliseconds, a record that says "creating" is read again: any; and that of a creator that is at work. */
#define SETTLE_MS      20
#define SETTLE_BUSY_MS 3000
/** In nanoseconds: the pauses between grow up to this. */
#define SETTLE_PAUSE_MAX 16000000

/** On a processor, or next in line for one: not one that waits for its container's init, or for a hook. */
static bool is_at_work(const struct process_id *id)
{
	char state;

	return process_find(id, &state) == 0 && (state == 'R' || state == 'D');
}

/**
 * Read the record. A run lets its program go a moment before it has written so: whoever saw the program at
 * work must not be told that it is being created. On a busy host the moment is as long as the creator waits for a
 * processor: it has been told by then, and sleeps no more before it has written. Under the lock nobody else is at it.
 */
static int read_settled(struct access *access, const char *id, enum state_lock lock,
			struct wh_error *err)
{
	struct timespec pause = {0, 1000000};
	int64_t began = clock_ms();
	bool busy = false;

	for (;;) {
		int rc = record_read(access->dir_fd, id, &access->arena, &access->record, err);

		if (rc < 0)
			return rc;
		access->status = record_status(&access->record, access->dir_fd);
		/* @busy is of before it was read: what it had still to write then may be there now */
		if (access->status != OCI_STATUS_CREATING || lock == STATE_LOCKED ||
		    clock_ms() - began >= (busy ? SETTLE_BUSY_MS : SETTLE_MS))
			return 0;
		busy = is_at_work(&access->record.creator);
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < SETTLE_PAUSE_MAX)
			pause.tv_nsec *= 2;
	}
}

int access_open(struct access *access, const struct runtime *rt, const char *id,
		enum state_lock lock, struct wh_error *err)
{
	int rc;

	*access = ACCESS_INIT;
	rc = container_id_check(id, err);
	if (rc < 0)
		return rc;
	access->root_fd = state_root_open(rt, false, err);
	if (access->root_fd == -ENOENT && !wh_error_set(err))
		wh_fail_kind(err, WH_ERROR_NOT_FOUND, 0, "container '%s' does not exist", id);
	if (access->root_fd < 0)
		return access->root_fd;
	access->dir_fd = state_open(access->root_fd, id, lock, err);
	if (access->dir_fd < 0)
		return access->dir_fd;
	rc = arena_init(&access->arena, err);
	if (rc < 0)
		return rc;
	access->status = OCI_STATUS_UNKNOWN;
	return read_settled(access, id, lock, err);
}

void access_done(struct access *access)
{
	cgroup_close(&access->cgroup);
	access->cgroup_mount_fd = fd_close(access->cgroup_mount_fd);
	access->dir_fd = fd_close(access->dir_fd);
	access->root_fd = fd_close(access->root_fd);
	arena_done(&access->arena);
}

int access_open_cgroup(struct access *access, struct wh_error *err)
{
	if (access->cgroup.dir_fd >= 0)
		return 0;
	if (!access->record.cgroup_path) {
		wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
			     "container '%s' has no cgroup of its own", access->record.id);
		return -ENOENT;
	}
	if (access->cgroup_mount_fd < 0)
		access->cgroup_mount_fd = cgroup_open_mount(err);
	if (access->cgroup_mount_fd < 0)
		return access->cgroup_mount_fd;
	return cgroup_open(access->cgroup_mount_fd, access->record.cgroup_path, &access->cgroup,
			   err);
}

int access_each_process(struct access *access, access_process_fn visit, void *ctx,
			struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);
	pid_t *pids = NULL;
	size_t count = 0;
	int rc;

	if (proc < 0)
		return proc;
	rc = access_open_cgroup(access, err);
	if (rc == 0)
		rc = cgroup_pids(&access->cgroup, &access->arena, &pids, &count, err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = visit(ctx, &(struct access_processes){proc, pids, count}, pids[i], err);
	return rc;
}

int access_spec(struct access *access, struct wh_error *err)
{
	return access->spec ? 0
			    : state_config_read(access->dir_fd, &access->arena, &access->spec, err);
}

enum oci_status access_refine_status(struct access *access)
{
	if ((access->status == OCI_STATUS_RUNNING || access->status == OCI_STATUS_CREATED) &&
	    access_open_cgroup(access, NULL) == 0 && cgroup_is_frozen(&access->cgroup) == 1)
		access->status = OCI_STATUS_PAUSED;
	return access->status;
}

const char *access_status_words(const struct access *access)
{
	if (access->status == OCI_STATUS_STOPPED && record_is_of_another_boot(&access->record))
		return "stopped, as the host was restarted since";
	return oci_status_name(access->status);
}

int access_not_running(const struct access *access, struct wh_error *err)
{
	return wh_fail_kind(err, WH_ERROR_STATE, 0, "container not running: '%s' is %s",
			    access->record.id, access_status_words(access));
}

int access_open_init(const struct access *access, struct wh_error *err)
{
	int fd = access->status == OCI_STATUS_STOPPED ? -ESRCH : process_open(&access->record.init);

	if (fd == -ESRCH)
		wh_fail_kind(
		    err, WH_ERROR_STATE, 0, "container not running: '%s' is %s", access->record.id,
		    access->status == OCI_STATUS_CREATING || access->status == OCI_STATUS_STOPPED
			? access_status_words(access)
			: oci_status_name(OCI_STATUS_STOPPED));
	else if (fd < 0)
		wh_fail(err, -fd, "open the init process of container '%s'", access->record.id);
	return fd;
}

struct oci_state access_state(const struct access *access)
{
	const struct container_record *record = &access->record;
	bool alive = access->status == OCI_STATUS_CREATED || access->status == OCI_STATUS_RUNNING ||
		     access->status == OCI_STATUS_PAUSED;

	return (struct oci_state){
	    .oci_version = record->oci_version,
	    .id = record->id,
	    .status = access->status,
	    .pid = alive ? record->init.pid : 0,
	    .bundle = record->bundle,
	    .annotations = record->annotations,
	    .n_annotations = record->n_annotations,
	};
}

uint64_t access_namespaces(const struct access *access)
{
	const struct oci_linux *linux_ = access->spec->linux_;
	uint64_t flags = 0;
	struct stat ours;
	struct stat theirs;
	char path[64];

	for (size_t i = 0; i < linux_->n_namespaces; i++)
		flags |= (uint64_t)linux_->namespaces[i].type;
	if (!(flags & CLONE_NEWUSER))
		return flags;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", access->record.init.pid);
	if (stat("/proc/self/ns/user", &ours) == 0 && stat(path, &theirs) == 0 &&
	    ours.st_ino == theirs.st_ino)
		flags &= ~(uint64_t)CLONE_NEWUSER;
	return flags;
}

int access_open_root(const struct access *access, struct wh_error *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root", access->record.init.pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? wh_fail(err, errno, "open the root of container '%s'", access->record.id)
		      : fd;
}

int access_late_mount(struct access *access, const char **ret_destination, struct wh_error *err)
{
	struct late_mounts mounts;
	auto_fd root_fd = -EBADF;
	int rc = late_mounts_read(access->dir_fd, &access->arena, &mounts, err);

	*ret_destination = NULL;
	if (rc < 0 || mounts.n_list == 0)
		return rc;
	root_fd = access_open_root(access, err);
	if (root_fd < 0)
		return root_fd;
	*ret_destination = late_mounts_seen(&mounts, root_fd);
	return 0;
}
