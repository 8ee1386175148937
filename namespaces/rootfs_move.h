/* SPDX-License-Identifier: Apache-2.0 */
/* --no-pivot: for a root that cannot be pivoted from (an initramfs). */
#pragma once

#include "base/error.h"
#include "namespaces/rootfs.h"

/**
 * Move the container's root mount over "/". Before that every procfs and sysfs of the host's tree
 * goes, or is covered where it is locked: after a chroot(2) they are still mounted, and a user
 * namespace of the container could mount its own only thanks to them. Returns 0 or -errno; the
 * caller changes its root.
 */
int rootfs_move_to_root(const struct rootfs_work *work, struct wh_error *err);
