/* SPDX-License-Identifier: Apache-2.0 */
/* What an archive consists of, and the tar program, which packs and unpacks it. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "libcontainer/checkpoint/archive.h"

#define ARCHIVE_CONFIG "config.dump"
#define ARCHIVE_SPEC   "spec.dump"
#define ARCHIVE_IMAGE  "checkpoint"
#define ARCHIVE_ROOT   "rootfs-diff.tar"
#define ARCHIVE_LOG    "dump.log"
#define ARCHIVE_STATS  "stats-dump"

/**
 * Files with what they have besides their bytes, owners by number. Pax headers: what reads archives for Podman knows no other
 * way to say where a file has holes.
 */
#define ARCHIVE_TAR_FILES                                                                          \
	"--format=posix", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "--sparse"

#define ARCHIVE_TAR_MAX_ARGS 24

/** The files of an archive besides the image, those that it has. NULL-terminated. */
extern const char *const archive_files[];

/** A call of tar. All lent. */
struct archive_tar {
	int dir_fd;              /* its working directory */
	const char *const *args; /* at most ARCHIVE_TAR_MAX_ARGS, NULL-terminated */
	const char *what;        /* for errors: "write the archive" */
	const char *place;       /* the path of what may be full */
	const char *option;      /* by which the user names another: "--export" */
};

/**
 * Run tar to its end, or to that of the caller by a signal, which is a failure. *@ret_totals is what it says it has read
 * (--totals); may be NULL. Returns 0 or -errno.
 */
int archive_tar_run(const struct archive_tar *tar, uint64_t *ret_totals, struct wh_error *err);

/** Whether @place, whose file system is that of @dir_fd, has @needed bytes left. Returns 0, or -ENOSPC, or another -errno. */
int archive_check_space(int dir_fd, uint64_t needed, const char *what, const char *place,
			const char *option, struct wh_error *err);

/** Write @path in full, from the working directory if it is a relative one. Returns 0 or -errno. */
int archive_path_absolute(const char *path, char *buf, size_t size, struct wh_error *err);

/** Remove the directory @path, which @fd is (-EBADF: there is none), with all that is in it. */
void archive_remove_tree(const char *path, int fd);

/** Tell whoever wants to know. */
void archive_tell(const struct archive_options *archive, const char *text);
