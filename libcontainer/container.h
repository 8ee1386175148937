/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations on containers (runtime.md#operations and what engines need besides). Nothing here
 * prints or reads argv; the verbs in cmd/ are thin shells around these calls.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_reclaim.h"
#include "oci-spec/problems.h"
#include "oci-spec/state.h"
#include "oci-spec/stats.h"
#include "oci-spec/types.h"

/** What every operation needs: the state root and the global choices of the command line. */
struct runtime {
	const char *root;  /* path of the state root, as given or the default */
	bool default_root; /* not given by --root */
	enum cgroup_manager cgroup_manager;
	bool
	    cgroup_manager_set; /* chosen on the command line; else the container's record decides */
};

/**
 * The default state root: /run/wherry, or $XDG_RUNTIME_DIR/wherry for an ordinary user, who may be
 * root of a user namespace. @buf of
 * PATH_MAX.
 * Returns 0, or -ENOENT when an ordinary user has no XDG_RUNTIME_DIR.
 */
int runtime_default_root(char *buf, size_t size, struct wh_error *err);

/** Options of create and run. Zero is the default of each. */
struct create_options {
	const char *id;
	const char *bundle; /* NULL = the current directory */
	const char *config; /* --config FILE; NULL = config.json in the bundle */
	const struct oci_spec *
	    spec; /* run --rootfs: use this spec instead of reading one; bundle is then where relative paths start */
	const char *console_socket;
	const char *pid_file; /* relative to the caller's directory */
	const char *pidfd_socket;
	unsigned int preserve_fds; /* fds 3..2+N, which the caller has checked to be open */
	bool no_pivot;
	bool no_new_keyring;
	bool no_subreaper; /* run: do not become a subreaper */
	bool detach;       /* run */
	bool keep;         /* run: leave the container's record when its process has ended */
};

/**
 * Create a container; its process waits for container_start(). Returns 0 or -errno; on failure
 * nothing is left behind.
 */
int container_create(const struct runtime *rt, const struct create_options *opts,
		     struct wh_error *err);
/**
 * Create, start, and (not detached) wait for a container. Returns 0 with *@ret_status = the exit
 * status to pass on (0 when detached), or -errno.
 */
int container_run(const struct runtime *rt, const struct create_options *opts, int *ret_status,
		  struct wh_error *err);
/**
 * Start a created container. Returns 0 once its program has been executed, or -errno (the program
 * could not be executed).
 */
int container_start(const struct runtime *rt, const char *id, struct wh_error *err);
/** Send @sig to the container's init, or with @all to every process in it. Returns 0 or -errno. */
int container_kill(const struct runtime *rt, const char *id, int sig, bool all,
		   struct wh_error *err);
/**
 * Delete a stopped container, or with @force any; a missing one is then no error. Returns 0 or
 * -errno.
 */
int container_delete(const struct runtime *rt, const char *id, bool force, struct wh_error *err);
/** Freeze or thaw. Returns 0 or -errno. */
int container_pause(const struct runtime *rt, const char *id, struct wh_error *err);
int container_resume(const struct runtime *rt, const char *id, struct wh_error *err);

/** Options of update. NULL: not given. */
struct update_options {
	const char *id;
	const char *resources_file;            /* a linux.resources document; "-": standard input */
	const struct oci_resources *resources; /* of the command line */
	const char *l3_cache_schema;
	const char *mem_bw_schema;
};

/**
 * Change the limits of a container that is not stopped: all of them or, on failure, none. What
 * holds afterwards is part of the container's configuration from then on. Returns 0 or -errno.
 */
int container_update(const struct runtime *rt, const struct update_options *opts,
		     struct wh_error *err);

/**
 * What a container that is not stopped uses, in the arena: all that its cgroup tells, and the
 * counters of its network interfaces unless they are the host's. Returns 0 or -errno.
 */
int container_stats(const struct runtime *rt, const char *id, struct arena *arena,
		    struct oci_stats *ret_stats, struct wh_error *err);

/**
 * Give @bytes of the container's memory back to the host. Returns 0, 1 when the kernel found less
 * than that, or -errno.
 */
int container_reclaim(const struct runtime *rt, const char *id, uint64_t bytes,
		      struct cgroup_reclaimed *ret_reclaimed, struct wh_error *err);

/** Receives what container_events() sees. Returns 0, or anything else to stop with it. */
struct event_sink {
	void *context;
	/** @stats: NULL when the kernel killed something for want of memory. */
	int (*event)(void *context, const struct oci_stats *stats, struct wh_error *err);
};

/**
 * Watch a container until it ends: its stats every @interval_ms, the first time after that, and
 * each time that the kernel has killed something in it for want of memory. Returns 0 at its end,
 * -errno, or what the sink returned.
 */
int container_events(const struct runtime *rt, const char *id, int64_t interval_ms,
		     const struct event_sink *sink, struct wh_error *err);

/**
 * Options of exec. NULL and zero: not given. The members after process_file change the container's
 * process.
 */
struct exec_options {
	const char *id;
	const char *process_file;
	const char *const *args;
	size_t n_args;
	const char *cwd;
	const char *const *env; /* K=V, added */
	size_t n_env;
	bool tty;
	const char *user; /* UID[:GID] */
	const uint32_t *additional_gids;
	size_t n_additional_gids;
	const char *const *
	    caps; /* CAP_* or * without the prefix, added to bounding, effective and permitted (never I or A: CVE-2022-29162) */
	size_t n_caps;
	bool no_new_privs;
	const char *process_label;
	const char *apparmor;
	const char *cgroup; /* sub-cgroup below the container's: "/sub" or "sub" */
	bool ignore_paused;
	bool detach;
	const char *console_socket;
	const char *pid_file;
	const char *pidfd_socket;
	unsigned int preserve_fds;
};

/**
 * Run a further process in a container. Returns 0 with *@ret_status (0 when detached), or -errno.
 */
int container_exec(const struct runtime *rt, const struct exec_options *opts, int *ret_status,
		   struct wh_error *err);

struct mounts_options {
	const char *id;
	const char *file; /* the mounts, as JSON (oci_mounts_decode()) */
	bool remove;      /* take them away instead; of each only the destination counts */
};

/**
 * Mount in a container that is created, running or paused, all of the mounts or none; or take away
 * what was mounted so. Returns 0 or -errno.
 */
int container_mounts(const struct runtime *rt, const struct mounts_options *opts,
		     struct wh_error *err);

/**
 * The state of one container, in the arena. Returns 0 or -errno (kind NOT_FOUND: "container 'x'
 * does not exist").
 */
int container_state(const struct runtime *rt, const char *id, struct arena *arena,
		    struct oci_state *ret_state, struct wh_error *err);
/**
 * The states of all containers, sorted by id; what cannot be read is there with status unknown.
 * Returns 0 or -errno.
 */
int container_list(const struct runtime *rt, struct arena *arena, struct oci_state **ret_states,
		   size_t *ret_count, struct wh_error *err);
/** The pids in a container, ascending, in the arena. Returns 0 or -errno. */
int container_pids(const struct runtime *rt, const char *id, struct arena *arena, pid_t **ret_pids,
		   size_t *ret_count, struct wh_error *err);
