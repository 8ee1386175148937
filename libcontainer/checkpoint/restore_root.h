/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/**
 * Make the root mount of process @pid's mount namespace read-only, while nothing of the container runs: CRIU
 * needs it writable until then. Returns 0 or -errno.
 */
int restore_root_readonly(pid_t pid, struct wh_error *err);
