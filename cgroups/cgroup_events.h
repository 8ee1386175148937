/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting on cgroup.events: the kernel wakes a poller on POLLPRI when "populated" or "frozen"
 * changes (cgroup-v2.rst).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/** The value of @key ("populated", "frozen") in @dir_fd's cgroup.events: 1, 0, or -errno. */
int cgroup_events_get(int dir_fd, const char *key);
/**
 * Wait until @key reads @want, at most @timeout_ms. Returns 0, -ETIMEDOUT, or -errno (-ENODEV once
 * the cgroup was removed).
 */
int cgroup_events_wait(int dir_fd, const char *key, bool want, int timeout_ms);
