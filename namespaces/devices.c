/* SPDX-License-Identifier: Apache-2.0 */
/* /dev: nodes, links, the console. All of it relative to one fd of the directory (CVE-2026-41579).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "namespaces/mount_attr.h"
#include "namespaces/mount_source.h"
#include "namespaces/rootfs.h"

/** Permissions of directories made on the way to a device. */
#define DIRECTORY_MODE 0755

static mode_t device_type(const struct oci_device *device)
{
	switch (device->type) {
	case 'b':
		return S_IFBLK;
	case 'p':
		return S_IFIFO;
	default:
		return S_IFCHR;
	}
}

static dev_t device_number(const struct oci_device *device)
{
	return device->type == 'p'
		   ? 0
		   : makedev((unsigned int)*device->major, (unsigned int)*device->minor);
}

static bool is_device(const struct oci_device *device, const struct stat *st)
{
	return (st->st_mode & S_IFMT) == device_type(device) &&
	       (device->type == 'p' || st->st_rdev == device_number(device));
}

/** Where a device goes: an fd of its directory (@owned: to be closed) and its name there. */
static int open_place(const struct rootfs_work *work, int dev_fd, const char *path, int *ret_owned,
		      const char **ret_name, struct wh_error *err)
{
	const char *below_dev = str_after(path, "/dev/");

	*ret_owned = -EBADF;
	if (below_dev && !strchr(below_dev, '/')) {
		*ret_name = below_dev;
		return dev_fd;
	}
	*ret_owned = path_open_parent(below_dev ? dev_fd : work->root_fd,
				      below_dev ? below_dev : path, DIRECTORY_MODE, ret_name, err);
	return *ret_owned;
}

/**
 * Open what is called @name in @dir_fd, whatever it is, and look at it. Returns an O_PATH fd or
 * -errno.
 */
static int open_node(int dir_fd, const char *name, struct stat *ret_st, struct wh_error *err)
{
	auto_fd fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, ret_st) < 0)
		return wh_fail(err, errno, "open the node");
	return fd_take(&fd);
}

/**
 * The node as it was made, or as it was found, has the numbers that were asked for. A new one gets
 * its owner, by fd.
 */
static int settle_node(int dir_fd, const char *name, const struct oci_device *device, bool is_new,
		       struct wh_error *err)
{
	struct stat st = {0};
	auto_fd fd = open_node(dir_fd, name, &st, err);

	if (fd < 0)
		return fd;
	if (!is_device(device, &st))
		return wh_fail(err, EEXIST, "something that is not this device is in its place");
	if (is_new && fchownat(fd, "", *device->uid, *device->gid, AT_EMPTY_PATH) < 0)
		return wh_fail(err, errno, "set the owner");
	return 0;
}

/** An empty file (never a link's target) to mount on. Returns an O_PATH fd or -errno. */
static int make_file(int dir_fd, const char *name, mode_t mode, struct wh_error *err)
{
	struct stat st = {0};
	int fd;

	if (mknodat(dir_fd, name, S_IFREG | mode, 0) < 0 && errno != EEXIST)
		return wh_fail(err, errno, "create the file to mount on");
	fd = open_node(dir_fd, name, &st, err);
	if (fd < 0)
		return fd;
	if (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd_close(fd);
		return wh_fail(err, EEXIST, "a %s is in its place",
			       S_ISDIR(st.st_mode) ? "directory" : "symbolic link");
	}
	return fd;
}

/** The host's node: opened by the parent, or found now where making one turned out to be forbidden.
 */
static int take_host_node(const struct rootfs_work *work, size_t index, struct wh_error *err)
{
	const struct oci_device *device = &work->plan->devices[index];
	auto_fd node = -EBADF;
	struct stat st;

	if (work->fds->devices[index] >= 0)
		return mount_source_take(work->fds, work->fds->devices[index], device->path, false,
					 err);
	node = open(device->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 || fstat(node, &st) < 0)
		return wh_fail(err, errno, "open the host's node to bind it");
	if (!is_device(device, &st))
		return wh_fail(err, EEXIST, "the host's node is another device");
	return mount_source_clone(device->path, node, false, err);
}

static int bind_node(const struct rootfs_work *work, int dir_fd, const char *name, size_t index,
		     struct wh_error *err)
{
	auto_fd node = take_host_node(work, index, err);
	auto_fd target = -EBADF;
	int rc;

	if (node < 0)
		return node;
	target = make_file(dir_fd, name, 0, err);
	if (target < 0)
		return target;
	rc = mount_attr_change(node, DEVICE_MOUNT_ATTRIBUTES, 0, MS_PRIVATE, false, err);
	return rc < 0 ? rc : mount_attr_attach(node, target, err);
}

/*
 * The umask is 0 here, so that the mode is exact without a further call. Nodes that are root's
 * already need none either. (A change of owner drops set-id bits, which mean nothing on a device.)
 */
static int make_node(const struct rootfs_work *work, int dir_fd, const char *name, size_t index,
		     struct wh_error *err)
{
	const struct oci_device *device = &work->plan->devices[index];

	if (work->plan->new_user_namespace && device->type != 'p')
		return bind_node(work, dir_fd, name, index, err);
	if (mknodat(dir_fd, name, device_type(device) | *device->file_mode,
		    device_number(device)) == 0)
		return *device->uid || *device->gid ? settle_node(dir_fd, name, device, true, err)
						    : 0;
	if (errno == EEXIST)
		return settle_node(dir_fd, name, device, false, err);
	/* Not allowed to make devices: the caller is root in somebody's user namespace (rootless
	 * Podman), or lacks CAP_MKNOD. */
	if (errno == EPERM && device->type != 'p' && !work->plan->no_mount_namespace)
		return bind_node(work, dir_fd, name, index, err);
	return wh_fail(err, errno, "mknod");
}

static int make_device(const struct rootfs_work *work, int dev_fd, size_t index,
		       struct wh_error *err)
{
	const char *path = work->plan->devices[index].path;
	const char *name;
	int owned;
	int dir_fd = open_place(work, dev_fd, path, &owned, &name, err);
	int rc = dir_fd < 0 ? dir_fd : make_node(work, dir_fd, name, index, err);

	fd_close(owned);
	if (rc < 0 && err)
		wh_error_prefix(err, "device '%s'", path);
	return rc;
}

struct dev_link {
	const char *name;
	const char *target;
	const char *only_if; /* NULL, or made only when the container has this file */
};

/** runtime-linux.md#dev-symbolic-links, and by custom core. ptmx is the container's own devpts'. */
static const struct dev_link dev_links[] = {
    {"fd",     "/proc/self/fd",   NULL         },
    {"stdin",  "/proc/self/fd/0", NULL         },
    {"stdout", "/proc/self/fd/1", NULL         },
    {"stderr", "/proc/self/fd/2", NULL         },
    {"ptmx",   "pts/ptmx",        NULL         },
    {"core",   "/proc/kcore",     "/proc/kcore"},
};

static bool is_link_to(int dev_fd, const struct dev_link *link)
{
	char target[64];
	ssize_t len = readlinkat(dev_fd, link->name, target, sizeof(target) - 1);

	if (len < 0)
		return false;
	target[len] = '\0';
	return streq(target, link->target);
}

/* An image's own entry stays when it is that link; anything else but a directory gives way, as runc
 * does with ptmx. */
static int make_link(const struct rootfs_work *work, int dev_fd, const struct dev_link *link,
		     struct wh_error *err)
{
	if (link->only_if) {
		auto_fd file =
		    path_open_in_root(work->root_fd, link->only_if, O_PATH | O_NOFOLLOW, 0);

		if (file < 0)
			return 0;
	}
	if (symlinkat(link->target, dev_fd, link->name) == 0)
		return 0;
	if (errno != EEXIST)
		return wh_fail(err, errno, "link '/dev/%s'", link->name);
	if (is_link_to(dev_fd, link))
		return 0;
	if (unlinkat(dev_fd, link->name, 0) < 0 || symlinkat(link->target, dev_fd, link->name) < 0)
		return wh_fail(err, errno, "replace '/dev/%s' by a link to '%s'", link->name,
			       link->target);
	return 0;
}

/**
 * The directory /dev, made when there is none; links are followed inside the root only. Returns an
 * O_PATH fd or -errno.
 */
static int open_dev(const struct rootfs_work *work, struct wh_error *err)
{
	int fd = path_open_in_root(work->root_fd, "/dev", O_PATH | O_DIRECTORY, 0);

	if (fd == -ENOENT)
		return path_mkdir_in_root(work->root_fd, "/dev", DIRECTORY_MODE, err);
	return fd < 0 ? wh_fail(err, -fd, "open the container's /dev") : fd;
}

static int fill_dev(const struct rootfs_work *work, int dev_fd, struct wh_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < work->plan->n_devices; i++)
		rc = make_device(work, dev_fd, i, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(dev_links); i++)
		rc = make_link(work, dev_fd, &dev_links[i], err);
	return rc;
}

int rootfs_make_devices(struct rootfs_work *work, struct wh_error *err)
{
	auto_fd dev_fd = -EBADF;
	mode_t mask;
	int rc;

	if (work->plan->host_dev)
		return 0;
	mask = umask(0);
	dev_fd = open_dev(work, err);
	rc = dev_fd < 0 ? dev_fd : fill_dev(work, dev_fd, err);
	umask(mask);
	return rc;
}

int rootfs_bind_console(struct rootfs_work *work, int slave_fd, struct wh_error *err)
{
	auto_fd dev_fd = open_dev(work, err);
	auto_fd target = -EBADF;
	auto_fd pty = -EBADF;
	int rc;

	if (dev_fd < 0)
		return dev_fd;
	target = make_file(dev_fd, "console", 0600, err);
	if (target < 0) {
		if (err)
			wh_error_prefix(err, "'/dev/console'");
		return target;
	}
	pty = sys_open_tree(slave_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (pty < 0)
		return wh_fail(err, -pty, "clone the mount of the terminal");
	rc = mount_attr_change(pty, 0, 0, MS_PRIVATE, false, err);
	if (rc == 0)
		rc = mount_attr_attach(pty, target, err);
	if (rc < 0 && err)
		wh_error_prefix(err, "'/dev/console'");
	return rc;
}
