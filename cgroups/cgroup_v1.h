/* SPDX-License-Identifier: Apache-2.0 */
/* Version 1 hierarchies are never used; an error names the one that holds what is missing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/**
 * Whether version 1 has @controller ("memory", "blkio"), by /proc/self/cgroup. @buf receives its
 * mount under /sys/fs/cgroup, where every distribution has it, or "" when it is not there.
 */
bool cgroup_v1_has(const char *controller, char *buf, size_t size);
