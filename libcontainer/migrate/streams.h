/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard streams that led out of the container: at the destination they lead to /dev/null, but for files, which
 * lead to the file of the same name there.
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/migrate/document.h"

/**
 * Source: where the streams of process @pid lead, as @restore is to say. Returns 0 or -errno.
 */
int migrate_streams_find(pid_t pid, struct arena *arena, struct migrate_restore *restore,
			 struct wh_error *err);
/**
 * Destination: make fds 0, 1 and 2 what @restore says. A file that is missing is made, with the mode and (empty) with the
 * size that it had: CRIU compares both. Returns 0 or -errno.
 */
int migrate_streams_open(const struct migrate_restore *restore, struct wh_error *err);
