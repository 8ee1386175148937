/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory: one directory a container below the state root, claimed by mkdir, locked by
 * flock(2) on itself.
 *
 *	ROOT/ID/record.json	what is known of the container; replaced whole, never changed in
 * place ROOT/ID/cgroup		a symbolic link whose text is the cgroup: there whole or not at all,
 * so that delete --force finds the processes even when the record is damaged ROOT/ID/config.json
 * the configuration as it was at create: later changes in the bundle mean nothing
 * (runtime.md#lifecycle) ROOT/ID/start.sock	where init waits to be started
 *	ROOT/ID/notify/		the container's NOTIFY_SOCKET
 *	ROOT/ID/mounts.json	what `mounts add` has mounted, so that `mounts remove` finds it
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/process.h"
#include "libcontainer/container.h"
#include "oci-spec/types.h"

#define STATE_RECORD_FILE  "record.json"
#define STATE_CGROUP_LINK  "cgroup"
#define STATE_CONFIG_FILE  "config.json"
#define STATE_START_SOCKET "start.sock"
#define STATE_MOUNTS_FILE  "mounts.json"

/** Longest container id, in bytes: a directory's name. */
#define CONTAINER_ID_MAX 255

/**
 * Check the form of an id: [A-Za-z0-9_+-][A-Za-z0-9_+.-]*, at most CONTAINER_ID_MAX bytes, no
 * leading '-'. Returns 0 or -EINVAL.
 */
int container_id_check(const char *id, struct wh_error *err);

/**
 * Open the state root, with @create making it (0700). One that others may write to, or that is
 * another user's, is refused.
 * Returns the fd, the caller's; -ENOENT without text when it is missing and @create is false.
 */
int state_root_open(const struct runtime *rt, bool create, struct wh_error *err);
/**
 * Make the container's directory, so that exactly one of several creates wins, and lock it. Returns
 * its fd or -errno (kind EXISTS).
 */
int state_claim(int root_fd, const char *id, struct wh_error *err);

enum state_lock { STATE_UNLOCKED, STATE_LOCKED };

/** How long another operation's lock is waited for, in milliseconds. */
#define STATE_LOCK_TIMEOUT_MS 10000

/**
 * Open an existing container's directory. With STATE_LOCKED wait for its lock; a directory that was
 * deleted meanwhile is not found.
 * Returns the fd or -errno (kind NOT_FOUND: "container 'x' does not exist"; -EBUSY when the lock is
 * held for too long).
 */
int state_open(int root_fd, const char *id, enum state_lock lock, struct wh_error *err);
/**
 * Lock a container's opened directory again, waiting as state_open() does; a lock that is ours already
 * stays. Returns 0 or -errno (-ENOENT, kind NOT_FOUND: it was deleted meanwhile; -EBUSY: held for too
 * long, by whom the error says).
 */
int state_lock(int dir_fd, const char *id, struct wh_error *err);
/** Lock any opened directory, waiting at most @timeout_ms. Returns 0, -EBUSY, -ENOENT when it was removed
 * meanwhile, or -errno; no text. */
int state_lock_within(int dir_fd, int timeout_ms);
/**
 * The process that holds the lock, as /proc/locks tells. Returns its pidfd, the caller's, with *@ret_pid;
 * -ESRCH: nobody holds it, or nobody that is seen from here; or -errno.
 */
int state_lock_holder(int dir_fd, pid_t *ret_pid);
/** Let others in while nothing of the container's state is changed here. */
void state_unlock(int dir_fd);
/** Remove the directory with all in it. Only with the lock held. Returns 0 or -errno. */
int state_remove(int root_fd, const char *id, int dir_fd, struct wh_error *err);

/** What is on disk about a container. Strings live in the arena of the reader. */
struct container_record {
	const char *id;
	const char *bundle;
	const char *rootfs;
	const char *oci_version;
	const char *created; /* RFC 3339, UTC, nanoseconds */
	uint32_t owner;      /* uid of the creator */
	const char *boot_id;
	const char *cgroup_path; /* NULL: none */
	uint32_t
	    cgroup_made; /* how many of the path's last components did not exist before: they go with the container */
	const char *rdt_group; /* resctrl's directories that go with the container; NULL: none */
	const char *rdt_monitor;
	int64_t cgroup_manager; /* enum cgroup_manager */
	const char *unit;       /* systemd's that has the cgroup; NULL with another manager */
	bool user_unit;         /* of the user's own manager */
	int64_t
	    status; /* OCI_STATUS_CREATING, CREATED or RUNNING: what was last done, not what is */
	struct process_id creator;
	struct process_id init; /* pid 0 while there is none */
	bool no_pivot;
	struct oci_string_map *annotations;
	size_t n_annotations;
};

/** Write down the cgroup at @path, before it is made; @made: see struct container_record. Returns 0
 * or -errno. */
int record_write_cgroup(int dir_fd, const char *path, uint32_t made, struct wh_error *err);
/** Read it back into @record; without one cgroup_path stays NULL. Returns 0 or -errno. */
int record_read_cgroup(int dir_fd, struct arena *arena, struct container_record *record,
		       struct wh_error *err);
/** Write the record (all but the cgroup), whole or not at all. Returns 0 or -errno. */
int record_write(int dir_fd, const struct container_record *record, struct arena *arena,
		 struct wh_error *err);
/**
 * Read the record. A missing, truncated or malformed one is an error that says so (-EBADMSG).
 * Returns 0 or -errno.
 */
int record_read(int dir_fd, const char *id, struct arena *arena,
		struct container_record *ret_record, struct wh_error *err);

/** Whether the host is known to have been restarted since the container was made. */
bool record_is_of_another_boot(const struct container_record *record);

/**
 * What the container is now: the record held against the kernel (boot id, start time, zombie,
 * frozen cgroup). Never fails: OCI_STATUS_UNKNOWN is the answer to a record that makes no sense.
 */
enum oci_status record_status(const struct container_record *record, int dir_fd);
