/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a container away: processes, cgroup, hooks, record. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "libcontainer/access.h"

/**
 * Destroy an opened (locked) container: with @kill its processes first; then the cgroup, the
 * poststop hooks (whose failures are warnings, config.md#poststop), the state directory. The record
 * stays while a process or the cgroup does. Returns 0 or -errno.
 */
int container_destroy(struct access *access, bool kill, struct wh_error *err);

/**
 * Run the poststop hooks with @state as that of a container that has stopped. Each one that fails is
 * a warning, and the later ones run all the same (config.md#poststop).
 */
void poststop_run(const struct oci_hooks *hooks, struct oci_state state, struct arena *arena);

/**
 * Whether what is in the recorded cgroup is the container's. Not after a reboot: another container
 * may have the path now. Nor when create ended before it had looked at a cgroup that was there
 * before: it may have been about to refuse it for the strangers in it.
 */
bool destroy_owns_cgroup(const struct access *access);
