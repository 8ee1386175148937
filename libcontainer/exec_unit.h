/* SPDX-License-Identifier: Apache-2.0 */
/* exec into a container of a user's systemd, whose cgroup the kernel does not let its user enter. */
#pragma once

#include "libcontainer/access.h"
#include "libcontainer/spawn.h"

/**
 * After spawn_start() was refused the cgroup (-EACCES: the caller's own is not below one that is the
 * user's): start the process where the caller is and have systemd move it, before it is executed, to
 * @sub below the container's cgroup (NULL: where init is). Returns 0 or -errno.
 */
int exec_spawn_into_unit(struct spawn *spawn, const struct access *access, const char *sub,
			 struct wh_error *err);
