/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroups below a container's, as they are, to be made again: who owns them, what is written in their files,
 * who is in them. What a container makes of its own cgroup is as much a part of it as its files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/cgroup.h"

/** What a file of a cgroup says. */
struct cgroup_setting {
	const char *file;
	const char *value;
};

struct cgroup_node {
	const char *path;        /* below the container's cgroup; "" is that itself */
	uint32_t uid;            /* the owner of the directory and of what is delegated with it */
	uint32_t files_uid;      /* the owner of the other files */
	const char *controllers; /* what is on below it, as the kernel lists it */
	struct cgroup_setting *settings;
	size_t n_settings;
	uint32_t *pids; /* of the processes in it, as the reader numbers them */
	size_t n_pids;
};

/**
 * Whether all below @cgroup could be saved and made again: not what is frozen (nobody in there can be saved, or restored,
 * without running for it) or threaded (of its threads only the processes are known).
 *
 * @only_frozen: the cgroups are left out, their processes are not
 * @ret_unkept: the first that could not be and why, a text in the arena, or NULL
 * Returns 0 or -errno.
 */
int cgroup_tree_look(const struct cgroup *cgroup, bool only_frozen, struct arena *arena,
		     const char **ret_unkept, struct wh_error *err);
/**
 * Read @cgroup and all below it, a cgroup before those below it: every file that can be read and written, but
 * orders, the freezer and pressure triggers. All in the arena. Returns 0 or -errno: what cgroup_tree_look() names is
 * refused (kind UNSUPPORTED).
 */
int cgroup_tree_read(const struct cgroup *cgroup, struct arena *arena,
		     struct cgroup_node **ret_nodes, size_t *ret_count, struct wh_error *err);
/**
 * Make what @nodes has below @cgroup; one that is there already stays. On failure what was made stays, to be
 * removed with @cgroup. Returns 0 or -errno.
 */
int cgroup_tree_make(const struct cgroup *cgroup, const struct cgroup_node *nodes, size_t count,
		     struct wh_error *err);
/** Move process @pid into @node's cgroup. One that has ended is no error. Returns 0 or -errno. */
int cgroup_tree_move(const struct cgroup *cgroup, const struct cgroup_node *node, pid_t pid,
		     struct wh_error *err);
/**
 * Switch controllers on as @nodes has them, and write the settings that differ; those of @cgroup itself with
 * @own only. After the processes were moved: controllers are for cgroups that hold none. Returns 0 or -errno.
 */
int cgroup_tree_set(const struct cgroup *cgroup, const struct cgroup_node *nodes, size_t count,
		    bool own, struct wh_error *err);
