/* SPDX-License-Identifier: Apache-2.0 */
/* Detached clones of what the host has, for binds, devices and the root: made by the parent, or by
 * init where the parent may not. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "namespaces/rootfs.h"

/**
 * Init: the detached clone for @fd, one of @fds, which the parent opened at the host path @path:
 * the very fd, or with fds->path_only a clone made now in init's mount namespace, which still shows
 * the host's tree, and checked to be the same file. The returned fd is the caller's (and @fd is
 * taken). Returns it or -errno.
 */
int mount_source_take(const struct rootfs_fds *fds, int fd, const char *path, bool recursive,
		      struct wh_error *err);
/**
 * A detached clone of @path in this mount namespace, made only when it is the file that @same_fd
 * refers to. Returns the fd or -errno.
 */
int mount_source_clone(const char *path, int same_fd, bool recursive, struct wh_error *err);
