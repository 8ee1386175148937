/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: read with a bound, written whole or not at all. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/**
 * Read all of @path (relative to @dir_fd) into the arena, NUL-terminated. Only regular files;
 * larger than @max is -EFBIG.
 * *@ret_len excludes the NUL. Returns 0 or -errno.
 */
int file_read(int dir_fd, const char *path, size_t max, struct arena *arena, char **ret_data,
	      size_t *ret_len, struct wh_error *err);
/**
 * The same from an open file of any kind, a pipe too, from where it stands to its end; @name is what
 * errors call it.
 */
int file_read_stream(int fd, const char *name, size_t max, struct arena *arena, char **ret_data,
		     size_t *ret_len, struct wh_error *err);
/** Read a small file into @buf, NUL-terminated, one trailing newline dropped. Returns the length or
 * -errno, no text
 * (-EFBIG when it does not fit). */
ssize_t file_read_small(int dir_fd, const char *path, char *buf, size_t size);
/**
 * Replace @name in @dir_fd by @len bytes: a new file (O_EXCL, @mode) is written, and renamed over
 * the old one; nothing is synced to disk. On failure the old file stands and nothing else is left.
 * Returns 0 or -errno.
 */
int file_replace(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
		 struct wh_error *err);
/**
 * Make @name in @dir_fd, where nothing may be of that name yet, with @len bytes. Cheaper than
 * file_replace(), for what nobody reads before the caller says so. On failure nothing is left.
 * Returns 0 or -errno.
 */
int file_create(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
		struct wh_error *err);
/** Write @text to the existing file @path relative to @dir_fd in one write(2). Returns 0 or -errno,
 * no text. */
int file_write_existing(int dir_fd, const char *path, const char *text);
