/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint as one file: a tar archive in the layout of Podman's `container checkpoint --export`, which
 * checkpointctl reads, too:
 *
 *	config.dump		which container it was (JSON)
 *	spec.dump		its configuration
 *	checkpoint/		the image
 *	rootfs-diff.tar		the files of its root: here all of them, since there is no layer below
 *	dump.log		CRIU's
 *	stats-dump		CRIU's statistics, which are there only when the container was left running
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "libcontainer/checkpoint/checkpoint.h"

/** What is being done, for a person: "packing the root file system". */
typedef void (*archive_progress_fn)(void *ctx, const char *text);

struct archive_options {
	const char *file; /* compressed with zstd or gzip when it ends in .zst or .gz */
	bool no_root;     /* leave the files of the root out, or alone */
	/*
	 * For an export that `podman container restore --import` takes, too: the id of an image that Podman lays the
	 * root's files over. NULL: none
	 */
	const char *podman_image;
	archive_progress_fn progress; /* NULL: nobody wants to know */
	void *ctx;
};

/**
 * container_checkpoint() into a new file. The archive is complete, and on the disk, before the container is ended:
 * whatever fails, it runs on, and no file is left. @opts names neither a directory nor a callback. Returns 0 or -errno.
 */
int checkpoint_export(const struct runtime *rt, const struct checkpoint_options *opts,
		      const struct archive_options *archive, struct wh_error *err);

/**
 * container_restore() from such a file. It is read twice: the first time to see that it is whole, and whether there is room for
 * what is in it. It may name files as it likes: nothing outside of the bundle is written. opts->create.bundle is made, as a bundle with all that the archive has;
 * it may not exist yet, or be an empty directory. On failure it is removed again. Returns 0 or -errno.
 */
int checkpoint_import(const struct runtime *rt, const struct restore_options *opts,
		      const struct archive_options *archive, int *ret_status, struct wh_error *err);
