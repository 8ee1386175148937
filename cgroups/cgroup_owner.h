/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroup ownership: the container's root may manage its own cgroup
 * (config-linux.md#cgroup-ownership).
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

/**
 * Give the cgroup @dir_fd to the host user @uid: the directory and the files that the kernel lists
 * in /sys/kernel/cgroup/delegate (cgroup.procs, cgroup.subtree_control and cgroup.threads where
 * there is no such list). A listed file that is missing is no error. Groups stay.
 * Returns 0 or -errno.
 */
int cgroup_owner_set(int dir_fd, uint32_t uid, struct wh_error *err);
