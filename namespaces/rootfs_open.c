/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's half: what only the host's tree has is opened before the container exists. */
#include "namespaces/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "namespaces/mount_idmap.h"

/**
 * A detached clone of @path or, where mounts may not be cloned, an O_PATH fd of it. Returns the fd
 * or -errno.
 */
static int open_host(const struct rootfs_fds *fds, const char *path, bool recursive)
{
	int fd;

	if (!fds->path_only)
		return sys_open_tree(AT_FDCWD, path,
				     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
					 (recursive ? AT_RECURSIVE : 0));
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/**
 * Looked up once: what is looked at is what is cloned. A link is refused, as by runc, since it may
 * lead elsewhere when init looks.
 */
static int open_root_directory(const struct rootfs_plan *plan, struct wh_error *err)
{
	auto_fd fd = open(plan->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return wh_fail(err, errno, "root.path: open the root file system '%s'", plan->path);
	if (S_ISLNK(st.st_mode))
		return wh_fail(err, 0,
			       "root.path: the root file system '%s' is a symbolic link: name the "
			       "directory itself",
			       plan->path);
	if (!S_ISDIR(st.st_mode))
		return wh_fail(err, ENOTDIR, "root.path: the root file system '%s'", plan->path);
	return fd_take(&fd);
}

static int open_root(const struct rootfs_plan *plan, struct rootfs_fds *fds, struct wh_error *err)
{
	auto_fd fd = open_root_directory(plan, err);
	int clone = -EPERM;

	if (fd < 0)
		return fd;
	if (!plan->no_mount_namespace)
		clone = sys_open_tree(
		    fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (clone < 0 && clone != -EPERM)
		return wh_fail(err, -clone, "root.path: clone the mounts of '%s'", plan->path);
	fds->path_only = clone < 0;
	fds->root = clone < 0 ? fd_take(&fd) : clone;
	return 0;
}

/** Before init gets it: only the owner of the file system may do this. */
static int idmap_source(const struct rootfs_plan *plan, const struct rootfs_fds *fds, size_t i,
			struct mount_idmap *idmap, struct wh_error *err)
{
	const struct mount_entry *entry = &plan->mounts[i];
	int rc;

	if (!mount_entry_is_idmapped(entry))
		return 0;
	if (fds->path_only)
		return wh_fail(err, EPERM,
			       "mounts[%u]: an idmapped mount needs CAP_SYS_ADMIN on the host: "
			       "run as root, or leave the mappings out",
			       entry->index);
	rc = mount_idmap_apply(idmap, plan, i, fds->sources[i], err);
	if (rc < 0 && err)
		wh_error_prefix(err, "mounts[%u] '%s'", entry->index, entry->destination);
	return rc;
}

static int open_source(const struct rootfs_plan *plan, struct rootfs_fds *fds, size_t i,
		       struct mount_idmap *idmap, struct wh_error *err)
{
	const struct mount_entry *entry = &plan->mounts[i];
	const bool recursive = (entry->flags.ext & MOUNT_EXT_RECURSIVE) != 0;
	struct stat st;

	if (entry->kind == MOUNT_KIND_FS && entry->fallback_source) {
		/* needed only if the kernel refuses the mount: what cannot be opened is reported
		 * then */
		fds->sources[i] = open_host(fds, entry->fallback_source, true);
		return 0;
	}
	if (entry->kind != MOUNT_KIND_BIND)
		return 0;
	fds->sources[i] = open_host(fds, entry->source, recursive);
	if (fds->sources[i] < 0)
		return wh_fail(err, -fds->sources[i], "mounts[%u].source: open '%s'", entry->index,
			       entry->source);
	if (fstat(fds->sources[i], &st) < 0)
		return wh_fail(err, errno, "mounts[%u].source: look at '%s'", entry->index,
			       entry->source);
	fds->source_is_file[i] = !S_ISDIR(st.st_mode);
	return idmap_source(plan, fds, i, idmap, err);
}

static bool is_same_device(const struct oci_device *device, const struct stat *st)
{
	mode_t type = device->type == 'b' ? S_IFBLK : S_IFCHR;

	return (st->st_mode & S_IFMT) == type && major(st->st_rdev) == *device->major &&
	       minor(st->st_rdev) == *device->minor;
}

static int open_device(const struct oci_device *device, struct rootfs_fds *fds, size_t i,
		       struct wh_error *err)
{
	struct stat st;

	if (device->type == 'p')
		return 0; /* anybody may make a FIFO */
	fds->devices[i] = open_host(fds, device->path, false);
	if (fds->devices[i] < 0)
		return wh_fail(err, -fds->devices[i],
			       "linux.devices: open the host's '%s' to bind it", device->path);
	if (fstat(fds->devices[i], &st) < 0)
		return wh_fail(err, errno, "linux.devices: look at '%s'", device->path);
	if (!is_same_device(device, &st))
		return wh_fail(err, EEXIST, "linux.devices: the host's '%s' is not %c %lld:%lld",
			       device->path, device->type, (long long)*device->major,
			       (long long)*device->minor);
	return 0;
}

static int open_sources(const struct rootfs_plan *plan, struct rootfs_fds *fds,
			struct mount_idmap *idmap, struct wh_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->n_mounts; i++)
		rc = open_source(plan, fds, i, idmap, err);
	return rc;
}

static int open_all(const struct rootfs_plan *plan, struct rootfs_fds *fds,
		    struct mount_idmap *idmap, struct wh_error *err)
{
	int rc = open_root(plan, fds, err);

	if (rc == 0)
		rc = open_sources(plan, fds, idmap, err);
	if (!plan->new_user_namespace || plan->host_dev)
		return rc;
	for (size_t i = 0; rc == 0 && i < plan->n_devices; i++)
		rc = open_device(&plan->devices[i], fds, i, err);
	return rc;
}

/** Whether mounts may be cloned is learnt from a clone of the host's root. */
static int open_late(const struct rootfs_plan *plan, struct rootfs_fds *fds,
		     struct mount_idmap *idmap, struct wh_error *err)
{
	auto_fd clone = sys_open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	fds->path_only = clone == -EPERM;
	return open_sources(plan, fds, idmap, err);
}

/** What rootfs_open_sources() opens, or a part of it, by @opener. */
static int open_by(int (*opener)(const struct rootfs_plan *, struct rootfs_fds *,
				 struct mount_idmap *, struct wh_error *),
		   const struct rootfs_plan *plan, struct arena *arena, struct rootfs_fds *ret_fds,
		   struct wh_error *err)
{
	struct rootfs_fds fds = {
	    .root = -EBADF,
	    .sources = arena_array(arena, int, plan->n_mounts + 1),
	    .source_is_file = arena_array(arena, int, plan->n_mounts + 1),
	    .devices = arena_array(arena, int, plan->n_devices + 1),
	};
	struct mount_idmap idmap = {
	    .proc_fd = -EBADF,
	    .fds = arena_array(arena, int, plan->n_mounts + 1),
	    .n_fds = plan->n_mounts,
	};
	int rc;

	if (!fds.sources || !fds.source_is_file || !fds.devices || !idmap.fds)
		return wh_oom(err);
	for (size_t i = 0; i < plan->n_mounts; i++)
		fds.sources[i] = idmap.fds[i] = -EBADF;
	for (size_t i = 0; i < plan->n_devices; i++)
		fds.devices[i] = -EBADF;
	rc = opener(plan, &fds, &idmap, err);
	mount_idmap_done(&idmap);
	if (rc < 0) {
		rootfs_close_sources(plan, &fds);
		return rc;
	}
	*ret_fds = fds;
	return 0;
}

int rootfs_open_sources(const struct rootfs_plan *plan, struct arena *arena,
			struct rootfs_fds *ret_fds, struct wh_error *err)
{
	return open_by(open_all, plan, arena, ret_fds, err);
}

int rootfs_open_late_sources(const struct rootfs_plan *plan, struct arena *arena,
			     struct rootfs_fds *ret_fds, struct wh_error *err)
{
	return open_by(open_late, plan, arena, ret_fds, err);
}

void rootfs_close_sources(const struct rootfs_plan *plan, struct rootfs_fds *fds)
{
	fds->root = fd_close(fds->root);
	for (size_t i = 0; i < plan->n_mounts; i++)
		fds->sources[i] = fd_close(fds->sources[i]);
	for (size_t i = 0; i < plan->n_devices; i++)
		fds->devices[i] = fd_close(fds->devices[i]);
}
