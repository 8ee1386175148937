/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files may have changed since they were copied although size and time say that they have not. A file is
 * stamped with a clock that goes in steps of some milliseconds (before Linux 6.13): written, copied and written again within
 * one step it looks as it was copied. And programs set times back. What cannot be set is the time of the last change
 * of the inode (ctime).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"

/** When a copy began and ended, by the clock that files are stamped with (CLOCK_REALTIME_COARSE). */
struct migrate_copied {
	struct timespec begun;
	struct timespec ended;
};

/** Names of files, relative to a root, each with its NUL. */
struct migrate_names {
	char *data;
	size_t len;
	size_t size;
};

/**
 * Whether the file @st, which was copied at @copied, has to be compared byte by byte: its inode was changed since the
 * copy began, and its times do not show that this was a write after the copy's end.
 */
bool migrate_is_unsure(const struct stat *st, const struct migrate_copied *copied);

/**
 * All such files below @root_fd. Nothing may change there meanwhile; links are not followed. The names' memory is the
 * caller's, undone by migrate_names_done(). Returns 0 or -errno.
 */
int migrate_unsure_find(int root_fd, const struct migrate_copied *copied,
			struct migrate_names *ret_names, struct wh_error *err);
void migrate_names_done(struct migrate_names *names);
