/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The v2 mount of an unusual host, through libmount, which is loaded only here: no ordinary start
 * pays for it.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

/**
 * The mount point of the first cgroup2 file system in /proc/self/mountinfo into @buf.
 * Returns 0, -ENOENT when there is none (no text), or -errno.
 */
int cgroup_mountinfo_find(char *buf, size_t size, struct wh_error *err);
