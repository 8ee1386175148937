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
 * Read @cgroup and all below it, a cgroup before those below it: every file that can be read and written, but
 * orders, the freezer and pressure triggers. Threaded cgroups are left out: their processes are in their
 * domain's. All in the arena. Returns 0 or -errno.
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
