/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verified /proc, opened before anything of a container's could be in the way, and used through
 * its fd alone. Every write of a label, sysctl or score goes through it, never through a /proc that
 * a container could have arranged (CVE-2019-16884, CVE-2025-52881).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/**
 * The procfs at /proc of the caller's mount namespace: an O_PATH fd of its root, verified (fstatfs
 * magic, inode 1, knows the caller). Call it while that namespace is the host's or a copy of it.
 * Where there is none a new, detached one is made, @whole or with subset=pid; that is not the first
 * choice, since giving up a detached mount waits for an RCU grace period (0.5 ms). Returns an fd
 * owned by the caller, or -errno.
 */
int procfs_open(bool whole, struct wh_error *err);
/**
 * Open @path beneath @proc_fd: no links, no other mount
 * (RESOLVE_BENEATH|NO_XDEV|NO_MAGICLINKS|NO_SYMLINKS). A leading "self" or "thread-self" is
 * resolved by reading it. Returns fd or -errno.
 */
int procfs_open_file(int proc_fd, const char *path, int flags, struct wh_error *err);
/** Write @value to @path beneath @proc_fd in one write(2). Returns 0 or -errno. */
int procfs_write(int proc_fd, const char *path, const char *value, struct wh_error *err);
/** Read @path beneath @proc_fd into @buf (NUL-terminated, cut at @size - 1). Returns the length or
 * -errno. */
ssize_t procfs_read(int proc_fd, const char *path, char *buf, size_t size, struct wh_error *err);
/**
 * Told of an open file: its number, and what its link says, such as "/etc/passwd" or "pipe:[17]", cut after
 * PROCFS_LINK_MAX bytes. Other than 0 ends the walk.
 */
typedef int (*procfs_fd_fn)(void *ctx, int fd, const char *link);
#define PROCFS_LINK_MAX 511
/**
 * Call @visit for each file that process @pid has open (proc_pid_fd(5)); one that is closed meanwhile may be missing, and a
 * process that ends meanwhile, or a zombie, has none. @proc_fd is lent. Returns 0, what @visit has ended it with, or -errno:
 * -ENOENT when the process is gone.
 */
int procfs_each_fd(int proc_fd, pid_t pid, procfs_fd_fn visit, void *ctx, struct wh_error *err);
