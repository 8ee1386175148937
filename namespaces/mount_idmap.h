/* SPDX-License-Identifier: Apache-2.0 */
/* Idmapped mounts: other owners shown on one mount than are on disk (mount_setattr(2),
 * MOUNT_ATTR_IDMAP). */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "namespaces/mount_plan.h"

/** What making the mappings needs; opened on first need. */
struct mount_idmap {
	int proc_fd; /* private procfs of the host, or -EBADF */
	int *fds;    /* one a mount of the plan: its user namespace, or -EBADF */
	size_t n_fds;
};

/**
 * Parent: give @mount_fd, the detached clone of the source of plan->mounts[@i], that entry's id
 * mappings, with the mounts below it where the entry is recursive (ridmap). The user namespace that
 * carries them is made by a process that lives no longer than that, or opened where the container
 * joins one; mounts with equal mappings share it.
 *
 * @idmap: fds all -EBADF at first; what is made is kept there for the next mount until
 * mount_idmap_done(). Returns 0 or -errno; errors name the file system that the kernel cannot map.
 */
int mount_idmap_apply(struct mount_idmap *idmap, const struct rootfs_plan *plan, size_t i,
		      int mount_fd, struct wh_error *err);
void mount_idmap_done(struct mount_idmap *idmap);
