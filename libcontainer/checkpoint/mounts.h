/* SPDX-License-Identifier: Apache-2.0 */
/* Which mounts of a container are the host's, so that an image only names them. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/mountinfo.h"
#include "namespaces/mount_plan.h"

/** A mount of the host that may be in the container. */
struct host_source {
	struct image_mount name;
	dev_t dev;
	const char *root; /* as mountinfo has it */
};

/** The external mounts of a container: by key, and as CRIU is told. */
struct external_mounts {
	struct image_mount *mounts;
	const char **mountpoints; /* where each is in the container */
	size_t count;
};

/**
 * What of the host's @plan puts into a container, seen through the host's mounts @host: each bind, with
 * what is mounted below a recursive one; the devices where they are binds; the cgroup at @cgroup_fd
 * (-EBADF: none). In the arena. Returns 0 or -errno.
 */
int host_sources_find(const struct rootfs_plan *plan, int cgroup_fd, const struct mountinfo *host,
		      size_t n_host, struct arena *arena, struct host_source **ret_sources,
		      size_t *ret_count, struct wh_error *err);
/**
 * Find @sources among the container's mounts. The mount decides, not the path: a container may have
 * changed what its paths lead to. A mount point from which CRIU would cut a wrong key is an error.
 * Pure but for the arena. Returns 0 or -errno.
 */
int external_mounts_match(const struct mountinfo *mounts, size_t n_mounts,
			  const struct host_source *sources, size_t n_sources, struct arena *arena,
			  struct external_mounts *ret, struct wh_error *err);
