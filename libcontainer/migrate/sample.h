/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether two root file systems that nobody can write to are the same: a sample of files is compared. Neither the number of an
 * inode nor that of a file system says it: the one is fixed for the top of many file systems, the other differs between two
 * mounts of one image, and network file systems have none.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "libcontainer/access.h"

/** Files of one sample, so that it fits into an offer. */
#define MIGRATE_SAMPLE_MAX 384

/** Each "DESCRIPTION /PATH": what kind of file it is, whose, how large, how old, and the checksum of how it begins. */
struct migrate_sample {
	const char **files;
	size_t n_files;
};

/**
 * Source: choose files below @root_fd: those that the container's processes have mapped, which is what a restore opens, and some
 * of the rest that have not been changed since the container was made. In the access's arena. Returns 0 or -errno.
 */
int migrate_sample_take(struct access *access, int root_fd, struct migrate_sample *ret_sample,
			struct wh_error *err);

/** Add the file @path below @root_fd, unless it is not there or has a name that no document can have. Returns 0 or -ENOMEM. */
int migrate_sample_add(struct migrate_sample *sample, int root_fd, const char *path,
		       struct arena *arena, struct wh_error *err);
/** Add files from all over @root_fd, none that was changed at @before (seconds) or later. Returns 0 or -errno. */
int migrate_sample_spread(struct migrate_sample *sample, int root_fd, int64_t before,
			  struct arena *arena, struct wh_error *err);

/** Destination: the first path of the list that is another file below @root_fd, or none; NULL when all are the same. */
const char *migrate_sample_differs(const char *const *files, size_t n_files, int root_fd);
