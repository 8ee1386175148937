/* SPDX-License-Identifier: Apache-2.0 */
/* Giving a mount its attributes and its propagation, by fd (mount_setattr(2)). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "namespaces/mount_opts.h"

/** What the bind of a host's device is: nothing to be executed, whatever the host's file system allows. */
#define DEVICE_MOUNT_ATTRIBUTES (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

/**
 * Change the mount behind @mount_fd, with @recursive all mounts below it too. @propagation:
 * MS_SHARED, MS_SLAVE, ..., or 0 to leave it. Returns 0 or -errno.
 */
int mount_attr_change(int mount_fd, uint64_t set, uint64_t clr, uint64_t propagation,
		      bool recursive, struct wh_error *err);

/**
 * Give the detached clone of a bind what @flags ask for: first @propagation on all of it, so that
 * nothing made inside the container reaches the host, then the top mount's attributes, then the
 * recursive ones (runc's order), then the propagation asked for. Returns 0 or -errno.
 */
int mount_attr_apply_bind(int mount_fd, const struct mount_flags *flags, uint64_t propagation,
			  struct wh_error *err);

/**
 * The attributes of a new file system's only mount, where recursive options are the same as plain
 * ones: for fsmount(2).
 */
uint64_t mount_attr_of_new(const struct mount_flags *flags);

/**
 * Move the detached mount @mount_fd onto @target_fd (O_PATH). The fd stays the caller's and refers
 * to the attached mount. Returns 0 or -errno.
 */
int mount_attr_attach(int mount_fd, int target_fd, struct wh_error *err);
