/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controllers are enabled for a cgroup by each of its ancestors (cgroup.subtree_control), from the
 * top down.
 */
#pragma once

#include "base/error.h"
#include "cgroups/resource_files.h"

/**
 * Enable what @writes need in every ancestor of @path. With a need at all, the other controllers
 * that are available come along as far as they can, for the sake of statistics. Without a need
 * nothing is touched or read.
 *
 * Errors name the field and the reason: a controller that version 2 does not have here, and where
 * it is bound instead; an ancestor that holds processes itself (no internal processes,
 * cgroup-v2.rst); one that was not delegated. Returns 0 or -errno.
 */
int cgroup_controllers_enable(int mount_fd, const char *path, const struct cgroup_writes *writes,
			      struct wh_error *err);
/**
 * Fail because a container's cgroup has no files of the controller @name ("memory"), saying why:
 * the host does not have it on version 2, or no limit asked for it. Always returns -errno.
 */
int cgroup_controllers_fail_missing(int mount_fd, const char *name, struct wh_error *err);
/**
 * Enable what @writes need and the cgroup @dir_fd at @path lacks, in its parents, which are another's
 * (systemd's): nothing else is enabled there. systemd neither enables nor disables the controllers that
 * it has no property for (hugetlb, rdma, misc). Returns 0, or -errno with an error that names field and
 * controller.
 */
int cgroup_controllers_complete(int mount_fd, const char *path, int dir_fd,
				const struct cgroup_writes *writes, struct wh_error *err);
