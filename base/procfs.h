/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private, verified /proc. Every write of a label, sysctl or score goes through it, never through a /proc that a container
 * could have arranged (CVE-2019-16884, CVE-2025-52881).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/**
 * A detached procfs of the caller's pid namespace: fsopen(2) where allowed, else a non-recursive clone of /proc, else (without
 * privilege) /proc itself, both whole; verified to be a procfs root (fstatfs magic, inode 1). @whole: with /proc/sys and all (to be closed soon), else subset=pid.
 * Returns an fd owned by the caller, or -errno.
 */
int procfs_open(bool whole, struct wh_error *err);
/** Open @path beneath @proc_fd: no links, no other mount (RESOLVE_BENEATH|NO_XDEV|NO_MAGICLINKS|NO_SYMLINKS). "self" is a
 * link: name the process by its number. Returns fd or -errno. */
int procfs_open_file(int proc_fd, const char *path, int flags, struct wh_error *err);
/** Write @value to @path beneath @proc_fd in one write(2). Returns 0 or -errno. */
int procfs_write(int proc_fd, const char *path, const char *value, struct wh_error *err);
/** Read @path beneath @proc_fd into @buf (NUL-terminated, cut at @size - 1). Returns the length or -errno. */
ssize_t procfs_read(int proc_fd, const char *path, char *buf, size_t size, struct wh_error *err);
