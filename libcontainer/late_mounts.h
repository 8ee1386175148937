/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `mounts add` has made in a container, in its state directory: only that is taken away by
 * `mounts remove`. A name alone would not do, since the container can make it lead to another
 * mount, a mask of /proc for one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct late_mount {
	const char *destination; /* as it was asked for, cleaned */
	uint64_t id;             /* sys_mount_id() */
};

/** Mounts at one place, any of which may be the one that is seen there. */
struct late_mount_ids {
	uint64_t *list;
	size_t count;
};

struct late_mounts {
	struct late_mount *list; /* in the order they were made */
	size_t n_list;
};

/** Read what is in the state directory @dir_fd; nothing when there is none. Returns 0 or -errno. */
int late_mounts_read(int dir_fd, struct arena *arena, struct late_mounts *ret_mounts,
		     struct wh_error *err);
/** Write it, whole or not at all. Returns 0 or -errno. */
int late_mounts_write(int dir_fd, const struct late_mounts *mounts, struct arena *arena,
		      struct wh_error *err);
/**
 * The ids of all that was added at @destination, in @arena. The first ones may lie below the last, and
 * the last ones may not be there: they are written down before they are attached. Returns 0, -ENOENT
 * when there are none, no text, or -ENOMEM.
 */
int late_mounts_find(const struct late_mounts *mounts, const char *destination, struct arena *arena,
		     struct late_mount_ids *ret_ids);
/**
 * The destination of the first of them that is to be seen inside @root_fd, the container's root; NULL: all
 * are gone, or were never attached.
 */
const char *late_mounts_seen(const struct late_mounts *mounts, int root_fd);
/**
 * Forget mount @id at @destination, which was the one to be seen there, and with it what was written down
 * for this place later.
 */
void late_mounts_forget(struct late_mounts *mounts, const char *destination, uint64_t id);
