/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of a restored container's mounts, laid out for CRIU in a mount namespace of CRIU's own:
 * it ends with CRIU, so that nothing of it is ever left on the host, whatever fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/container_plan.h"

struct stage {
	const struct container_plan *plan; /* its fds hold the sources as detached mounts */
	const char *path;                  /* of the directory that the stage is mounted on */
	int cgroup_mount_fd;               /* the host's cgroup2 mount */
	const char *cgroup_path;           /* of the container's below it, NULL: none */
	bool new_cgroup_namespace;
};

#define STAGE_NONE ((struct stage){.cgroup_mount_fd = -EBADF})

/**
 * Find a directory of the host that nothing of ours is in, and that every user can pass to: in a user namespace
 * it is the container's root that CRIU opens the sources as, and the state root is closed to it. @program: the
 * absolute path of CRIU, or NULL. Sets stage->path. Returns 0 or -errno.
 */
int stage_choose_place(struct stage *stage, const char *program, struct wh_error *err);
/**
 * Called in the process that becomes CRIU: a mount namespace, with the stage mounted. Whoever is in the
 * namespace sees the root at PATH/root, the source of mounts[3] at PATH/m3, a device at PATH/d0 and the
 * cgroup at PATH/cgroup. @ctx is a struct stage. Returns 0 or -errno.
 */
int stage_enter(void *ctx, struct wh_error *err);
/**
 * Where each of @image's mounts is on the stage, as CRIU wants it: "mnt[m3]:PATH/m3". Each has to be a
 * mount of the configuration, found by its destination, which may have another place in the list now.
 * Pure but for the arena. Returns 0 or -errno.
 */
int stage_mounts_name(const struct stage *stage, const struct checkpoint_image *image,
		      struct arena *arena, const char ***ret_list, size_t *ret_count,
		      struct wh_error *err);
