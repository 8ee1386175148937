/* SPDX-License-Identifier: Apache-2.0 */
/* New file systems: fsopen(2), its parameters, fsmount(2); and mount(2) for the little that these
 * cannot say. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "namespaces/mount_plan.h"

/**
 * Make the file system of @entry as a detached mount with the MOUNT_ATTR_* @attrs.
 *
 * @mode: a value for the parameter mode, NULL for none
 * What the kernel says about a wrong parameter is in the error. A devpts whose gid= means nothing
 * in this user namespace is made without it, as runc's users expect. Returns the mount's fd, owned
 * by the caller, or -errno.
 */
int fs_context_mount(const struct mount_entry *entry, const char *mode, uint64_t attrs,
		     struct wh_error *err);

/**
 * Whether @entry can only be mounted by mount(2): fsconfig(2) takes values of up to 255 bytes (an
 * overlay of many layers has a longer lowerdir) and has no word for iversion.
 */
bool fs_context_needs_mount2(const struct mount_entry *entry);

/**
 * Mount @entry on the directory @target_fd by mount(2), with its attributes, through the working
 * directory (which is restored), so that no path is resolved. Returns 0 or -errno.
 */
int fs_context_mount2(const struct mount_entry *entry, int target_fd, const char *mode,
		      uint64_t attrs, struct wh_error *err);
