/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of the plan, in order: each is made detached, with all its attributes, and moved onto
 * an fd resolved inside the root. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "namespaces/copy_up.h"
#include "namespaces/fs_context.h"
#include "namespaces/mount_attr.h"
#include "namespaces/mount_source.h"
#include "namespaces/rootfs.h"

/** Permissions of directories made for mounts, */
#define DIRECTORY_MODE 0755
/** and of files. */
#define FILE_MODE 0644
/** Inode number of the root of every procfs. */
#define PROC_ROOT_INODE 1

static bool is_procfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/**
 * A link inside the root may not lead a mount over /proc or into it: the plan's rules about /proc
 * are about the place, not about the name (CVE-2019-16884).
 */
static int check_not_proc(const struct rootfs_work *work, int target, struct wh_error *err)
{
	auto_fd proc = path_open_in_root(work->root_fd, "/proc", O_PATH | O_NOFOLLOW, 0);
	struct stat st;
	struct stat proc_st;

	if (proc < 0)
		return 0; /* then nothing can lead there */
	if (fstat(target, &st) < 0 || fstat(proc, &proc_st) < 0)
		return wh_fail(err, errno, "look at the target");
	if (st.st_dev == proc_st.st_dev && (st.st_ino == proc_st.st_ino || is_procfs(proc)))
		return wh_fail(err, EACCES, "a symbolic link leads it into /proc (CVE-2019-16884)");
	return 0;
}

/**
 * /proc and /sys: a link in their place would leave a directory of the image where everybody looks
 * (CVE-2019-19921, CVE-2023-28642).
 */
static int open_real_directory(const struct rootfs_work *work, const char *path,
			       struct wh_error *err)
{
	auto_fd fd = path_open_in_root(work->root_fd, path, O_PATH | O_NOFOLLOW, 0);
	struct stat st;

	if (fd == -ENOENT) {
		auto_fd made = path_mkdir_in_root(work->root_fd, path, DIRECTORY_MODE, err);

		if (made < 0)
			return made;
		fd = path_open_in_root(work->root_fd, path, O_PATH | O_NOFOLLOW, 0);
	}
	if (fd < 0)
		return wh_fail(err, -fd, "open the target");
	if (fstat(fd, &st) < 0)
		return wh_fail(err, errno, "look at the target");
	if (!S_ISDIR(st.st_mode))
		return wh_fail(
		    err, ENOTDIR,
		    "in the root file system it is a %s, and must be a directory (CVE-2019-19921)",
		    S_ISLNK(st.st_mode) ? "symbolic link" : "file");
	return fd_take(&fd);
}

/**
 * Open @path below @dir_fd, inside it as its root, when no link is on the way. Returns an O_PATH
 * fd or -errno.
 */
static int open_without_links(int dir_fd, const char *path)
{
	const struct open_how how = {
	    .flags = O_PATH | O_CLOEXEC,
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return sys_openat2(dir_fd, path, &how);
}

/**
 * Make and open what is missing of @path when that is its last component only, as for all that a
 * new /dev gets. Returns an fd or -errno.
 */
static int make_last_component(int root_fd, const char *path, bool is_dir)
{
	const char *name = strrchr(path, '/') + 1;
	char parent[PATH_MAX];
	auto_fd parent_fd = -EBADF;

	snprintf(parent, sizeof(parent), "%.*s", (int)(name - path), path);
	parent_fd = open_without_links(root_fd, parent);
	if (parent_fd < 0)
		return parent_fd;
	if (is_dir ? mkdirat(parent_fd, name, DIRECTORY_MODE)
		   : mknodat(parent_fd, name, S_IFREG | FILE_MODE, 0))
		return -errno;
	return open_without_links(parent_fd, name);
}

/**
 * The O_PATH fd to mount on; what is missing is made. Where there are no links the plan has decided
 * whether this is a place to mount on, and few system calls are needed.
 */
static int open_target(const struct rootfs_work *work, const struct mount_entry *entry, bool is_dir,
		       struct wh_error *err)
{
	auto_fd target = -EBADF;
	int rc;

	if (entry->real_directory)
		return open_real_directory(work, entry->destination, err);
	rc = open_without_links(work->root_fd, entry->destination);
	if (rc == -ENOENT)
		rc = make_last_component(work->root_fd, entry->destination, is_dir);
	if (rc >= 0)
		return rc;
	target = path_make_target(work->root_fd, entry->destination, is_dir, err);
	if (target < 0)
		return target;
	rc = check_not_proc(work, target, err);
	return rc < 0 ? rc : fd_take(&target);
}

static int attach(const struct rootfs_work *work, int mount_fd, int target, bool is_dir,
		  struct wh_error *err)
{
	int rc = work->attaching ? work->attaching(work->attaching_ctx, mount_fd, err) : 0;
	struct stat st;

	if (rc < 0)
		return rc;
	rc = mount_attr_attach(mount_fd, target, err);
	if (rc < 0 && fstat(target, &st) == 0 && (bool)S_ISDIR(st.st_mode) != is_dir)
		return wh_fail(err, ENOTDIR, "%s cannot be mounted on %s",
			       is_dir ? "a directory" : "a file",
			       is_dir ? "a file" : "a directory");
	return rc;
}

static int bind_clone(const struct rootfs_work *work, const struct mount_entry *entry, int clone,
		      bool is_dir, struct wh_error *err)
{
	auto_fd target = open_target(work, entry, is_dir, err);
	int rc;

	if (target < 0)
		return target;
	rc = mount_attr_apply_bind(clone, &entry->flags, work->plan->propagation, err);
	return rc < 0 ? rc : attach(work, clone, target, is_dir, err);
}

/** Over /proc goes nothing but a whole procfs: what is read and written there is trusted by many.
 */
static int check_proc_source(const struct mount_entry *entry, int source, struct wh_error *err)
{
	struct stat st;

	if (!streq(entry->destination, "/proc"))
		return 0;
	if (!is_procfs(source) || fstat(source, &st) < 0 || st.st_ino != PROC_ROOT_INODE)
		return wh_fail(err, EACCES, "'%s' is not a procfs (CVE-2019-16884)", entry->source);
	return 0;
}

static int mount_bind(struct rootfs_work *work, size_t i, struct wh_error *err)
{
	const struct mount_entry *entry = &work->plan->mounts[i];
	auto_fd source = mount_source_take(work->fds, work->fds->sources[i], entry->source,
					   (entry->flags.ext & MOUNT_EXT_RECURSIVE) != 0, err);
	int rc;

	if (source < 0)
		return source;
	rc = check_proc_source(entry, source, err);
	return rc < 0 ? rc : bind_clone(work, entry, source, !work->fds->source_is_file[i], err);
}

/**
 * The host's own mount instead of a file system that this user namespace may not mount, recursive
 * since locked mounts lie below it.
 */
static int mount_fallback(const struct rootfs_work *work, size_t i, struct wh_error *err)
{
	const struct mount_entry *entry = &work->plan->mounts[i];
	const bool readonly = streq(entry->fs_type, "sysfs");
	auto_fd source =
	    mount_source_take(work->fds, work->fds->sources[i], entry->fallback_source, true, err);
	int rc;

	if (source < 0)
		return source;
	rc = mount_attr_change(source, readonly ? MOUNT_ATTR_RDONLY : 0, 0, 0, true, err);
	if (rc == 0)
		rc = bind_clone(work, entry, source, true, err);
	return rc;
}

/** The procfs of the container's pid namespace, when init is outside of it. */
static int open_joined_proc(const struct rootfs_work *work, const struct mount_entry *entry,
			    uint64_t attrs, struct wh_error *err)
{
	auto_fd mount_fd = -EBADF;
	int rc;

	if (entry->flags.n_params > 0)
		return wh_fail(err, EOPNOTSUPP, "option '%s' of a procfs in a joined pid namespace",
			       entry->flags.params[0]);
	mount_fd = work->open_proc(work->open_proc_ctx, err);
	if (mount_fd < 0)
		return mount_fd;
	rc = mount_attr_change(mount_fd, attrs, entry->flags.attr_clr & MOUNT_ATTR__ATIME, 0, false,
			       err);
	return rc < 0 ? rc : fd_take(&mount_fd);
}

/** Whether the file system takes the mode of what it will cover: what is only made for it has none of its own. */
static bool takes_mode(const struct rootfs_work *work, const struct mount_entry *entry)
{
	auto_fd covered = -EBADF;

	if (!entry->mode_of_target)
		return false;
	covered = path_open_in_root(work->root_fd, entry->destination, O_PATH, 0);
	return covered >= 0;
}

static int make_fs(const struct rootfs_work *work, const struct mount_entry *entry, int target,
		   bool mode_of_target, uint64_t attrs, struct wh_error *err)
{
	char mode[8];
	struct stat st;

	if (work->open_proc && streq(entry->fs_type, "proc"))
		return open_joined_proc(work, entry, attrs, err);
	if (!mode_of_target)
		return fs_context_mount(entry, NULL, attrs, err);
	if (fstat(target, &st) < 0)
		return wh_fail(err, errno, "look at the target");
	snprintf(mode, sizeof(mode), "%o", st.st_mode & 07777);
	return fs_context_mount(entry, mode, attrs, err);
}

/** Remember a mount to be made read-only at the end; the fd is taken. */
static int add_readonly_last(struct rootfs_work *work, int mount_fd, struct wh_error *err)
{
	if (work->n_readonly_last == ROOTFS_MAX_READONLY_LAST) {
		fd_close(mount_fd);
		return wh_fail(err, E2BIG, "more than %d read-only mounts with others below them",
			       ROOTFS_MAX_READONLY_LAST);
	}
	work->readonly_last[work->n_readonly_last++] = mount_fd;
	return 0;
}

static int label_root(int mount_fd, const char *label, struct wh_error *err)
{
	auto_fd root = path_open_in_root(mount_fd, "/", O_RDONLY | O_DIRECTORY, 0);

	if (root < 0)
		return wh_fail(err, -root, "open the mount's root");
	if (fsetxattr(root, "security.selinux", label, strlen(label) + 1, 0) < 0)
		return wh_fail(err, errno, "linux.mountLabel: give it the SELinux label '%s'",
			       label);
	return 0;
}

/**
 * Before the mount is seen: what is copied into it, the attributes that waited for that, and an
 * unusual propagation.
 */
static int finish_fs(const struct mount_entry *entry, int mount_fd, int target, uint64_t attrs,
		     struct wh_error *err)
{
	const uint64_t propagation = entry->flags.propagation;
	int rc = 0;

	if (entry->flags.ext & MOUNT_EXT_TMPCOPYUP) {
		rc = copy_up_tree(target, mount_fd, err);
		if (rc == 0)
			rc = mount_attr_change(mount_fd, attrs & MOUNT_ATTR_RDONLY, 0, 0, false,
					       err);
	}
	if (rc == 0 && entry->root_label)
		rc = label_root(mount_fd, entry->root_label, err);
	/* a new mount is private; slave says the same */
	if (rc == 0 && (propagation == MS_SHARED || propagation == MS_UNBINDABLE))
		rc = mount_attr_change(mount_fd, 0, 0, propagation, false, err);
	return rc;
}

static int mount_by_mount2(struct rootfs_work *work, const struct mount_entry *entry, int target,
			   uint64_t attrs, struct wh_error *err)
{
	int fd;
	int rc;

	if (entry->flags.ext & MOUNT_EXT_TMPCOPYUP)
		return wh_fail(err, EOPNOTSUPP,
			       "tmpcopyup together with options that only mount(2) knows");
	rc = fs_context_mount2(entry, target, NULL, attrs, err);
	if (rc < 0)
		return rc;
	fd = path_open_in_root(work->root_fd, entry->destination, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return wh_fail(err, -fd, "open the mount");
	rc = finish_fs(entry, fd, target, attrs, err);
	if (rc == 0 && entry->readonly_last)
		return add_readonly_last(work, fd, err);
	fd_close(fd);
	return rc;
}

static int mount_new_fs(struct rootfs_work *work, const struct mount_entry *entry,
			struct wh_error *err)
{
	const uint64_t attrs =
	    mount_attr_of_new(&entry->flags) & ~(entry->readonly_last ? MOUNT_ATTR_RDONLY : 0ULL);
	const uint64_t first_attrs =
	    attrs & ~(entry->flags.ext & MOUNT_EXT_TMPCOPYUP ? MOUNT_ATTR_RDONLY : 0ULL);
	const bool mode_of_target = takes_mode(work, entry);
	auto_fd target = open_target(work, entry, true, err);
	auto_fd mount_fd = -EBADF;
	int rc;

	if (target < 0)
		return target;
	if (fs_context_needs_mount2(entry))
		return mount_by_mount2(work, entry, target, attrs, err);
	mount_fd = make_fs(work, entry, target, mode_of_target, first_attrs, err);
	if (mount_fd < 0)
		return mount_fd;
	rc = finish_fs(entry, mount_fd, target, attrs, err);
	if (rc == 0)
		rc = attach(work, mount_fd, target, true, err);
	if (rc == 0 && entry->readonly_last)
		rc = add_readonly_last(work, fd_take(&mount_fd), err);
	return rc;
}

static int mount_fs(struct rootfs_work *work, size_t i, struct wh_error *err)
{
	const struct mount_entry *entry = &work->plan->mounts[i];
	int rc = mount_new_fs(work, entry, err);

	if (rc == -EPERM && entry->fallback_source && work->fds->sources[i] >= 0)
		return mount_fallback(work, i, err);
	return rc;
}

/**
 * A clone of the container's own cgroup directory, found by the path that its fd has on the host
 * and checked to be the same directory: the fd itself is of another mount namespace, whose mounts
 * cannot be cloned here.
 */
static int clone_cgroup(const struct rootfs_work *work, struct wh_error *err)
{
	char path[PATH_MAX];
	char name[48];
	ssize_t len;

	if (work->cgroup_fd < 0)
		return wh_fail(err, ENOENT, "the container has no cgroup that could be bound");
	snprintf(name, sizeof(name), "self/fd/%d", work->cgroup_fd);
	len = readlinkat(work->proc_fd, name, path, sizeof(path) - 1);
	if (len < 0)
		return wh_fail(err, errno, "find the container's cgroup directory");
	path[len] = '\0';
	return mount_source_clone(path, work->cgroup_fd, false, err);
}

/* Without a cgroup namespace of its own the container may not write what it sees: it would be the
 * host's (CVE-2023-25809). */
static int bind_cgroup(const struct rootfs_work *work, const struct mount_entry *entry,
		       struct wh_error *err)
{
	auto_fd clone = clone_cgroup(work, err);
	struct mount_entry readonly = *entry;

	if (clone < 0)
		return clone;
	if (!work->plan->new_cgroup_namespace) {
		readonly.flags.attr_set |= MOUNT_ATTR_RDONLY;
		readonly.flags.rec_attr_clr &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	}
	return bind_clone(work, &readonly, clone, true, err);
}

static int mount_cgroup(struct rootfs_work *work, size_t i, struct wh_error *err)
{
	const struct mount_entry *entry = &work->plan->mounts[i];
	int rc = -EPERM;

	if (work->plan->new_cgroup_namespace)
		rc = mount_new_fs(work, entry, err);
	if (rc == -EPERM || rc == -EBUSY)
		return bind_cgroup(work, entry, err);
	return rc;
}

static int remount(struct rootfs_work *work, size_t i, struct wh_error *err)
{
	const struct mount_entry *entry = &work->plan->mounts[i];
	const struct mount_flags *flags = &entry->flags;
	auto_fd fd = path_open_in_root(work->root_fd, entry->destination, O_PATH, 0);
	int rc;

	if (fd < 0)
		return wh_fail(err, -fd, "open the mount");
	rc = mount_attr_change(fd, flags->attr_set, flags->attr_clr,
			       flags->propagation_recursive ? 0 : flags->propagation, false, err);
	if (rc == 0)
		rc = mount_attr_change(fd, flags->rec_attr_set, flags->rec_attr_clr,
				       flags->propagation_recursive ? flags->propagation : 0, true,
				       err);
	return rc == -EINVAL ? wh_fail(err, EINVAL, "remount (is anything mounted there?)") : rc;
}

static int (*const appliers[])(struct rootfs_work *work, size_t i, struct wh_error *err) = {
    [MOUNT_KIND_FS] = mount_fs,
    [MOUNT_KIND_BIND] = mount_bind,
    [MOUNT_KIND_CGROUP] = mount_cgroup,
    [MOUNT_KIND_REMOUNT] = remount,
};

static int mount_entries(struct rootfs_work *work, struct wh_error *err)
{
	const struct rootfs_plan *plan = work->plan;

	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct mount_entry *entry = &plan->mounts[i];
		int rc = appliers[entry->kind](work, i, err);

		if (rc < 0) {
			if (err)
				wh_error_prefix(err, "mounts[%u] '%s'", entry->index,
						entry->destination);
			return rc;
		}
	}
	return 0;
}

int rootfs_mount_all(struct rootfs_work *work, struct wh_error *err)
{
	mode_t mask = umask(0); /* directories made here are the container's: the caller's umask
				   says nothing about them */
	int rc = mount_entries(work, err);

	umask(mask);
	return rc;
}
