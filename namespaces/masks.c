/* SPDX-License-Identifier: Apache-2.0 */
/* linux.maskedPaths, linux.readonlyPaths, and the mounts that become read-only last. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"
#include "namespaces/fs_context.h"
#include "namespaces/mount_attr.h"
#include "namespaces/rootfs.h"

/** /dev/null: the device that masks files. */
#define NULL_MAJOR 1
#define NULL_MINOR 3

#define MASK_ATTRS (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static int readonly_last(struct rootfs_work *work, struct wh_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < work->n_readonly_last; i++) {
		if (rc == 0)
			rc = mount_attr_change(work->readonly_last[i], MOUNT_ATTR_RDONLY, 0, 0,
					       false, err);
		work->readonly_last[i] = fd_close(work->readonly_last[i]);
	}
	work->n_readonly_last = 0;
	return rc;
}

/** A further mount of what the attached @fd shows. Returns a detached mount or -errno. */
static int clone_of(int fd, bool recursive, struct wh_error *err)
{
	int clone = sys_open_tree(fd, "",
				  AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				      (recursive ? AT_RECURSIVE : 0));

	return clone < 0 ? wh_fail(err, -clone, "clone the mount") : clone;
}

/*
 * One fd is resolved, cloned, and mounted on: enforcement cannot land elsewhere
 * (GHSA-3q8j-pf29-vwv8). Submounts keep what they have, as with runc.
 */
static int make_readonly(struct rootfs_work *work, int target, struct wh_error *err)
{
	auto_fd clone = clone_of(target, true, err);
	int rc;

	if (clone < 0)
		return clone;
	rc = mount_attr_change(clone, MOUNT_ATTR_RDONLY, 0, 0, false, err);
	return rc < 0 ? rc : mount_attr_attach(clone, target, err);
}

/** The container's /dev/null, if it is that and not something in its place (CVE-2025-31133). */
static int open_null(struct rootfs_work *work, struct wh_error *err)
{
	struct stat st;
	int fd;

	if (work->null_fd >= 0)
		return 0;
	fd = path_open_in_root(work->root_fd, "/dev/null", O_PATH | O_NOFOLLOW, 0);
	if (fd < 0)
		return wh_fail(err, -fd, "open the container's /dev/null, which masks files");
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(NULL_MAJOR, NULL_MINOR)) {
		fd_close(fd);
		return wh_fail(err, 0,
			       "the container's /dev/null, which masks files, is not the null "
			       "device (CVE-2025-31133)");
	}
	work->null_fd = fd;
	return 0;
}

static int mask_file(struct rootfs_work *work, int target, struct wh_error *err)
{
	auto_fd clone = -EBADF;
	int rc = open_null(work, err);

	if (rc < 0)
		return rc;
	clone = clone_of(work->null_fd, false, err);
	return clone < 0 ? clone : mount_attr_attach(clone, target, err);
}

/** The one empty directory that all masked directories show. */
static int make_empty_directory(const struct rootfs_work *work, struct wh_error *err)
{
	const char *params[] = {"nr_inodes", "1",       "nr_blocks",
				"1",         "context", work->plan->mount_label};
	const char *sb_flags[] = {"ro"};
	const struct mount_entry tmpfs = {
	    .kind = MOUNT_KIND_FS,
	    .fs_type = "tmpfs",
	    .source = "tmpfs",
	    .flags = {.params = params,
		      .n_params = work->plan->mount_label ? 3 : 2,
		      .sb_flags = sb_flags,
		      .n_sb_flags = 1},
	};

	return fs_context_mount(&tmpfs, "755", MASK_ATTRS, err);
}

/* Until Linux 6.15 only attached mounts can be cloned: the first directory gets the mount itself,
 * the others clones of it. */
static int mask_directory(struct rootfs_work *work, int target, struct wh_error *err)
{
	auto_fd clone = -EBADF;

	if (work->masked_fd < 0) {
		work->masked_fd = make_empty_directory(work, err);
		return work->masked_fd < 0 ? work->masked_fd
					   : mount_attr_attach(work->masked_fd, target, err);
	}
	clone = clone_of(work->masked_fd, false, err);
	return clone < 0 ? clone : mount_attr_attach(clone, target, err);
}

static int mask(struct rootfs_work *work, int target, struct wh_error *err)
{
	struct stat st;

	if (fstat(target, &st) < 0)
		return wh_fail(err, errno, "look at it");
	return S_ISDIR(st.st_mode) ? mask_directory(work, target, err)
				   : mask_file(work, target, err);
}

/**
 * Do @apply to each of @paths. One that does not exist needs nothing; whatever else hinders is an
 * error.
 */
static int for_each_path(struct rootfs_work *work, const char *name, const char *const *paths,
			 size_t count, int (*apply)(struct rootfs_work *, int, struct wh_error *),
			 struct wh_error *err)
{
	for (size_t i = 0; i < count; i++) {
		auto_fd target = path_open_in_root(work->root_fd, paths[i], O_PATH, 0);
		int rc;

		if (target == -ENOENT)
			continue;
		if (target < 0)
			return wh_fail(err, -target, "linux.%s: open '%s'", name, paths[i]);
		rc = apply(work, target, err);
		if (rc < 0) {
			if (err)
				wh_error_prefix(err, "linux.%s: '%s'", name, paths[i]);
			return rc;
		}
	}
	return 0;
}

int rootfs_apply_masks(struct rootfs_work *work, struct wh_error *err)
{
	const struct rootfs_plan *plan = work->plan;
	int rc = readonly_last(work, err);

	if (rc == 0)
		rc = for_each_path(work, "readonlyPaths", plan->readonly_paths,
				   plan->n_readonly_paths, make_readonly, err);
	if (rc == 0)
		rc = for_each_path(work, "maskedPaths", plan->masked_paths, plan->n_masked_paths,
				   mask, err);
	return rc;
}
