/* SPDX-License-Identifier: Apache-2.0 */
/* An existing container, opened for an operation: its directory, record, process and cgroup. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/cgroup.h"
#include "libcontainer/container.h"
#include "libcontainer/state_store.h"

struct access {
	struct arena arena;
	int root_fd;
	int dir_fd;
	struct container_record record;
	const struct oci_spec *
	    spec; /* the configuration as of create; NULL until access_spec() or set by who has it already */
	enum oci_status status; /* with PAUSED told from RUNNING */
	int cgroup_mount_fd;    /* opened by access_open_cgroup() */
	struct cgroup cgroup;
};

#define ACCESS_INIT                                                                                \
	((struct access){.arena = {.fd = -EBADF},                                                  \
			 .root_fd = -EBADF,                                                        \
			 .dir_fd = -EBADF,                                                         \
			 .cgroup_mount_fd = -EBADF,                                                \
			 .cgroup = CGROUP_NONE})

/**
 * Open container @id and read what is known of it. Undone by access_done(), also after a failure.
 * Returns 0 or -errno.
 */
int access_open(struct access *access, const struct runtime *rt, const char *id,
		enum state_lock lock, struct wh_error *err);
void access_done(struct access *access);
/** Open the container's cgroup. Returns 0, -ENOENT when it is gone or there is none, or -errno. */
int access_open_cgroup(struct access *access, struct wh_error *err);
/** A container's processes at one moment, and a whole procfs (procfs_open()) to look at them through. */
struct access_processes {
	int proc;
	const pid_t *pids; /* in rising order */
	size_t count;
};
/** What is done with each of them: it may have ended, or be a zombie. Other than 0 ends the walk. All is lent. */
typedef int (*access_process_fn)(void *ctx, const struct access_processes *all, pid_t pid,
				 struct wh_error *err);
/**
 * Call @visit for each process in the container's cgroup and below it: those that exec has started, too. Returns 0, what
 * @visit has ended it with, or -errno, -ENOENT when there is no cgroup.
 */
int access_each_process(struct access *access, access_process_fn visit, void *ctx,
			struct wh_error *err);
/** The configuration as it was at create, in access->spec. Returns 0 or -errno. */
int access_spec(struct access *access, struct wh_error *err);
/** Tell a paused container from a running one: its status afterwards. */
enum oci_status access_refine_status(struct access *access);
/** The container's status for a message; a restart of the host is said to be why it is stopped. */
const char *access_status_words(const struct access *access);
/** The error of a verb that needs a running container: "container not running". Returns -errno. */
int access_not_running(const struct access *access, struct wh_error *err);
/**
 * What the container uses, in @arena; an error when it is stopped (stats.c). Returns 0 or -errno.
 */
int access_stats(struct access *access, struct arena *arena, struct oci_stats *ret_stats,
		 struct wh_error *err);
/**
 * A pidfd of the container's init, the caller's; -ESRCH with an error when it is gone ("container
 * not running").
 */
int access_open_init(const struct access *access, struct wh_error *err);
/**
 * The namespaces (CLONE_NEW*) that a further process of the container joins: those that its
 * configuration, which is read already, names; a user namespace only when it is not ours already.
 */
uint64_t access_namespaces(const struct access *access);
/**
 * The destination of a mount that `mounts add` has brought into the container and that is still there, NULL
 * when there is none: its configuration does not know of it. In the arena. Returns 0 or -errno.
 */
int access_late_mount(struct access *access, const char **ret_destination, struct wh_error *err);
/** The container's root directory, an O_PATH fd owned by the caller. Returns it, or -errno. */
int access_open_root(const struct access *access, struct wh_error *err);
/**
 * The state of the container as the spec has it, which is what hooks and seccomp agents read; its
 * strings live in the access's arena.
 */
struct oci_state access_state(const struct access *access);
