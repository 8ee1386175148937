/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories of cgroup2, each opened with openat2(2) beneath an fd. For the sources of
 * cgroups/ only.
 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/** A cgroup's parent directory and its name in it; the name points into the path it was made of. */
struct cgroup_place {
	int parent_fd; /* lent: the mount's or owned_fd */
	int owned_fd;  /* -EBADF when the parent is the mount itself */
	const char *name;
};

#define CGROUP_PLACE_NONE ((struct cgroup_place){.parent_fd = -EBADF, .owned_fd = -EBADF})

/**
 * Find @path's parent below @mount_fd. Returns 0 or -errno (-ENOENT: the parent is missing), no
 * text. Undone by cgroup_place_done().
 */
int cgroup_place_find(int mount_fd, const char *path, struct cgroup_place *ret_place);
void cgroup_place_done(struct cgroup_place *place);

/**
 * Mark the directory @dir_fd as made by wherry for what is below it, so that it can go with the
 * last container in it. Where the kernel takes no such mark the directory stays.
 */
void cgroup_fs_mark_made(int dir_fd);
/** Whether the directory @name beneath @dir_fd bears that mark. */
bool cgroup_fs_is_marked(int dir_fd, const char *name);
/**
 * Open the directory @name beneath @dir_fd for reading, so that it serves getdents, openat, clone3
 * and bpf. Returns the fd or -errno.
 */
int cgroup_fs_open_dir(int dir_fd, const char *name);
/**
 * Read @file into @buf, NUL-terminated, one trailing newline dropped. Returns the length, -EFBIG
 * when it does not fit, or -errno.
 */
ssize_t cgroup_fs_read(int dir_fd, const char *file, char *buf, size_t size);
/**
 * The same into @arena, whatever the file's length (io.max has a line for each device). Returns the
 * length, -ENOMEM when the arena is full, or -errno.
 */
ssize_t cgroup_fs_read_all(int dir_fd, const char *file, struct arena *arena,
			   const char **ret_text);
/**
 * The number that is all of @file. Returns 0, -ENODATA for one that holds no number ("max"), or
 * -errno.
 */
int cgroup_fs_read_number(int dir_fd, const char *file, uint64_t *ret_value);
/** Write @text to @file in one write(2). Returns 0 or -errno, no text. */
int cgroup_fs_write(int dir_fd, const char *file, const char *text);
/**
 * The number after @key in the flat keyed text @text ("populated 1\nfrozen 0\n"). Returns 0, or
 * -ENODATA when it is not there.
 */
int cgroup_fs_keyed_value(const char *text, const char *key, uint64_t *ret_value);
/**
 * The name of the next subdirectory in @list (fd_list()), valid until the next call; NULL at the end. Cgroup names cannot be
 * "." or "..".
 */
const char *cgroup_fs_next_dir(DIR *list);
/**
 * cgroup_pids() of the cgroup @dir_fd alone, without those below it. Returns 0 or -errno.
 */
int cgroup_own_pids(int dir_fd, struct arena *arena, pid_t **ret_pids, size_t *ret_count,
		    struct wh_error *err);
