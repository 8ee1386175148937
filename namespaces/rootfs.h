/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's file system is made: by the parent what only the host's root may reach (bind
 * sources), by init in the new mount namespace all the rest. Everything is built detached with all
 * its attributes and moved onto an O_PATH fd resolved inside the root; no attribute changes after
 * that (CVE-2026-115521), and no path is resolved twice (CVE-2021-30465).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "namespaces/mount_plan.h"

/**
 * The fds that the parent opens for init; all CLOEXEC in the parent. Lives in the shared arena,
 * arrays included.
 */
struct rootfs_fds {
	/*
	 * The parent may not clone mounts (no CAP_SYS_ADMIN over its mount namespace): all fds
	 * below are O_PATH only. Init clones in its own mount namespace, by path, and takes what it
	 * gets only when it is the same file.
	 */
	bool path_only;
	/* detached clone of the root tree, or an O_PATH fd of it without a mount namespace */
	int root;
	/* one a mount: detached clone of a bind's (or a fallback's) source; -EBADF for others */
	int *sources;
	/* 1 when the source is not a directory: the target made for it is a file */
	int *source_is_file;
	/* one a device: detached clone of the host's node (user namespace), else -EBADF */
	int *devices;
};

/**
 * Parent: check the root (a directory, and no link to one, as with runc) and open all sources.
 * @arena receives the arrays. Changes nothing on the host. Returns 0 or -errno; on failure nothing
 * stays open.
 */
int rootfs_open_sources(const struct rootfs_plan *plan, struct arena *arena,
			struct rootfs_fds *ret_fds, struct wh_error *err);
/**
 * Parent: the same for mounts that come into a container which has its root already: neither root
 * nor devices are opened.
 */
int rootfs_open_late_sources(const struct rootfs_plan *plan, struct arena *arena,
			     struct rootfs_fds *ret_fds, struct wh_error *err);
/** Close what rootfs_open_sources() opened. */
void rootfs_close_sources(const struct rootfs_plan *plan, struct rootfs_fds *fds);

/**
 * Read-only file systems with something below them that one container may have: their fds stay
 * open until all is mounted.
 */
#define ROOTFS_MAX_READONLY_LAST 64

/** State of the work inside init. */
struct rootfs_work {
	const struct rootfs_plan *plan;
	const struct rootfs_fds *fds;
	int root_fd; /* O_PATH of the container's root once attached */
	int proc_fd; /* private procfs (base/procfs.h) of init's pid namespace */
	/* O_PATH of the container's cgroup directory on the host's cgroup2 mount, for the bind
	 * fallback of cgroup mounts */
	int cgroup_fd;
	/* the one read-only tmpfs for all masked directories, made on first need */
	int masked_fd;
	int null_fd; /* O_PATH of the verified /dev/null (char 1:3) for masked files */
	/* mounts that rootfs_apply_masks() makes read-only */
	int readonly_last[ROOTFS_MAX_READONLY_LAST];
	size_t n_readonly_last;
	/* makes procfs in the container's pid namespace when init itself is outside of it (a joined
	 * pid namespace); NULL = fsopen here */
	int (*open_proc)(void *ctx, struct wh_error *err);
	void *open_proc_ctx;
	/* NULL, or told of each mount just before it is attached; @mount_fd refers to it, and is lent */
	int (*attaching)(void *ctx, int mount_fd, struct wh_error *err);
	void *attaching_ctx;
};

/**
 * Make all mounts' propagation @plan's (slave by default) so that nothing leaks out, attach the
 * root, open root_fd.
 */
int rootfs_attach(struct rootfs_work *work, struct wh_error *err);
/** Mount plan->mounts in order. Errors read "mounts[3] '/proc': ...". */
int rootfs_mount_all(struct rootfs_work *work, struct wh_error *err);
/**
 * Make the default and listed devices, and the links fd, stdin, stdout, stderr, ptmx of /dev,
 * relative to an fd of dev. Nothing when /dev is a bind of the host's (runc's rule).
 */
int rootfs_make_devices(struct rootfs_work *work, struct wh_error *err);
/**
 * pivot_root(2) (or move and chroot, or chroot alone); the host's tree is gone afterwards; cwd is
 * "/". root_fd stays valid.
 */
int rootfs_pivot(struct rootfs_work *work, struct wh_error *err);
/**
 * Mask and make read-only the listed paths by fd; missing ones are skipped, anything else is an
 * error (CVE-2025-31133). Before that the mounts that had to stay writable for what lies below them
 * become read-only.
 */
int rootfs_apply_masks(struct rootfs_work *work, struct wh_error *err);
/** Make the root mount itself read-only, when asked for, as the last change. */
int rootfs_apply_readonly(struct rootfs_work *work, struct wh_error *err);
/**
 * Bind the pty slave @slave_fd onto /dev/console (created O_EXCL|O_NOFOLLOW when missing;
 * CVE-2025-52565).
 */
int rootfs_bind_console(struct rootfs_work *work, int slave_fd, struct wh_error *err);
