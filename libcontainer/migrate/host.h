/* SPDX-License-Identifier: Apache-2.0 */
/* What the two ends of a migration know of the host each is on, and where images lie meanwhile. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/utsname.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/process.h"
#include "libcontainer/checkpoint/checkpoint.h"
#include "libcontainer/migrate/document.h"

struct migrate_host {
	struct utsname uname;
	char boot_id[BOOT_ID_SIZE];
	struct checkpoint_support support; /* CRIU and what the kernel lets it do */
	const char **cpu_features;         /* in the arena */
	size_t n_cpu_features;
};

/** Look. @criu: CRIU's path, NULL: where it is usually installed. Returns 0 or -errno (CRIU is missing or too old). */
int migrate_host_look(const char *criu, struct arena *arena, struct migrate_host *ret_host,
		      struct wh_error *err);

/**
 * The features that programs choose their code by, out of the text of /proc/cpuinfo: what the first processor
 * has of those that tell processors apart. Returns their number, at most @max; strings live in the arena.
 */
size_t migrate_cpu_features(const char *cpuinfo, const char **ret_features, size_t max,
			    struct arena *arena);
/** The first of @needed that is not in @there, or NULL. */
const char *migrate_cpu_lacks(const char *const *needed, size_t n_needed, const char *const *there,
			      size_t n_there);

/**
 * Make the directory for the images of migration @number on @side ("source": both may be the same host): in $TMPDIR
 * when that is set, else in memory (/dev/shm) when three times @memory bytes are available, else in /var/tmp.
 * Returns its fd, the caller's, with its path in @path (PATH_MAX), or -errno.
 */
int migrate_images_make(const char *number, const char *side, uint64_t memory, char *path,
			struct wh_error *err);
/** Remove what migrate_images_make() may have made, wherever that was. */
void migrate_images_remove_all(const char *number, const char *side);
/** Make and open the directory of round @n in it; from the second on with CRIU's link to the one before. */
int migrate_images_make_round(int images_fd, uint64_t n, struct wh_error *err);
/**
 * Let group @gid, that of a container's root in a user namespace, pass @images_fd and read the directories of the first
 * @rounds: it is that root who opens the images of a last round, and through its link those of the rounds before. Returns 0 or
 * -errno.
 */
int migrate_images_let_pass(int images_fd, uint64_t rounds, gid_t gid, struct wh_error *err);
/** Remove a directory of images with all in it; a missing one is no error, and a failure a warning. */
void migrate_images_remove(const char *path);
/** Bytes that are free at @images_fd. */
uint64_t migrate_images_room(int images_fd);
/**
 * Whether CRIU got to the end of restoring the images at @path: its statistics are the last that it writes, once the tasks go.
 * Without them it was killed before, and the tasks may stand still for ever. Images that somebody has removed say
 * nothing: then it is believed to have.
 */
bool migrate_images_were_let_go(const char *path);
