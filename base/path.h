/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one resolver. Everything inside a container's root is reached through an fd of that root and
 * openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: symbolic links, "..", and renames by a
 * hostile container stay inside (CVE-2021-30465, CVE-2024-45310, CVE-2026-41579 and most others of
 * their class).
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/** Open @path inside @root_fd with open(2) @flags (O_CLOEXEC is added). @mode for O_CREAT. Returns
 * the fd or -errno, no text. */
int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode);
/** Open @path below @dir_fd without ever leaving it, crossing a mount, or following a link
 * (RESOLVE_BENEATH|NO_XDEV|NO_SYMLINKS). */
int path_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);
/**
 * Open (O_PATH) the directory @path inside @root_fd, making missing components with @mode. A
 * component that is a dangling symlink is made where it points, inside the root. The umask applies
 * to @mode. Returns the fd or -errno.
 */
int path_mkdir_in_root(int root_fd, const char *path, mode_t mode, struct wh_error *err);
/**
 * Open (O_PATH) a mount target inside @root_fd, creating it when missing: a directory, or an empty
 * file when @is_dir is false, parents included. Never follows a link out of the root; the last
 * component is created O_EXCL | O_NOFOLLOW. Returns the fd or -errno.
 */
int path_make_target(int root_fd, const char *path, bool is_dir, struct wh_error *err);
/** Open @path's parent directory inside @root_fd (making it) and set *@ret_name to its last
 * component, which points into @path or is "." for "/"; -EINVAL when it is no name (".", "..", or
 * one with a slash behind it). Returns an O_PATH fd or -errno. */
int path_open_parent(int root_fd, const char *path, mode_t mkdir_mode, const char **ret_name,
		     struct wh_error *err);
/** Check that @path is absolute, has no control bytes and is no longer than PATH_MAX - 1. Returns 0
 * or -errno. */
int path_check(const char *path, struct wh_error *err);
/** Write the absolute, lexically cleaned form of @path to @buf (no "//", ".", ".."; ".." at the
 * root stays there). Returns its length, or -ENAMETOOLONG. */
ssize_t path_clean(const char *path, char *buf, size_t size);
/** No limit of depth. */
#define PATH_REMOVE_ALL (1 << 20)
/** Remove all that is in the directory @dir_fd, with directories in it up to @depth levels deep. Links are not followed.
 * Returns 0 or -errno. */
int path_remove_entries(int dir_fd, int depth);
