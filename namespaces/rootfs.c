/* SPDX-License-Identifier: Apache-2.0 */
/* The root itself: attached, made the process's root, made read-only. */
#include "namespaces/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "namespaces/mount_attr.h"
#include "namespaces/mount_source.h"
#include "namespaces/rootfs_move.h"

/**
 * The propagation of everything while the container is made. Shared waits until the root is the
 * process's root: pivot_root(2) does not take a shared one, and nothing mounted meanwhile shall
 * reach the host. Unbindable waits because binds are cloned.
 */
static uint64_t building_propagation(const struct rootfs_plan *plan)
{
	return plan->propagation == MS_SLAVE ? MS_SLAVE : MS_PRIVATE;
}

int rootfs_attach(struct rootfs_work *work, struct wh_error *err)
{
	const struct rootfs_plan *plan = work->plan;
	const uint64_t propagation = building_propagation(plan);
	struct mount_attr host_tree = {.propagation = propagation};
	auto_fd target = -EBADF;
	int rc;

	if (plan->no_mount_namespace) {
		work->root_fd = work->fds->root;
		return 0;
	}
	/* neither what is mounted here nor the host's tree being let go may be seen outside */
	rc = sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &host_tree, sizeof(host_tree));
	if (rc < 0)
		return wh_fail(err, -rc,
			       "detach the mount namespace's propagation from the host's");
	work->root_fd = mount_source_take(work->fds, work->fds->root, plan->path, true, err);
	if (work->root_fd < 0)
		return work->root_fd;
	rc = mount_attr_change(work->root_fd, 0, 0, propagation, true, err);
	if (rc < 0)
		return rc;
	target = open(plan->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return wh_fail(err, errno, "root.path: open '%s' in the mount namespace",
			       plan->path);
	return mount_attr_attach(work->root_fd, target, err);
}

/** The propagation asked for, as the root mount's last change to it (runc's order). */
static int set_root_propagation(const struct rootfs_work *work, struct wh_error *err)
{
	const struct rootfs_plan *plan = work->plan;

	if (plan->propagation == building_propagation(plan))
		return 0;
	return mount_attr_change(work->root_fd, 0, 0, plan->propagation,
				 plan->propagation_recursive, err);
}

static int change_root(const struct rootfs_work *work, struct wh_error *err)
{
	if (fchdir(work->root_fd) < 0)
		return wh_fail(err, errno, "enter the root file system");
	if (chroot(".") < 0)
		return wh_fail(err, errno, "chroot");
	return 0;
}

/**
 * The old root lands on top of the new one and is let go from there: pivot_root(2),
 * "pivot_root(".", ".")". No directory of the container is needed for it.
 */
static int pivot(const struct rootfs_work *work, struct wh_error *err)
{
	int rc;

	if (fchdir(work->root_fd) < 0)
		return wh_fail(err, errno, "enter the root file system");
	rc = sys_pivot_root(".", ".");
	if (rc == -EINVAL)
		return wh_fail(
		    err, EINVAL,
		    "pivot_root (on an initramfs there is no root to pivot from: --no-pivot)");
	if (rc < 0)
		return wh_fail(err, -rc, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return wh_fail(err, errno, "let go of the host's file systems");
	return 0;
}

int rootfs_pivot(struct rootfs_work *work, struct wh_error *err)
{
	const struct rootfs_plan *plan = work->plan;
	int rc = 0;

	if (plan->no_mount_namespace) {
		rc = change_root(work, err);
	} else if (plan->no_pivot) {
		rc = rootfs_move_to_root(work, err);
		if (rc == 0)
			rc = change_root(work, err);
	} else {
		rc = pivot(work, err);
	}
	if (rc < 0)
		return rc;
	if (chdir("/") < 0)
		return wh_fail(err, errno, "enter the new root");
	return plan->no_mount_namespace ? 0 : set_root_propagation(work, err);
}

int rootfs_apply_readonly(struct rootfs_work *work, struct wh_error *err)
{
	if (!work->plan->readonly)
		return 0;
	return mount_attr_change(work->root_fd, MOUNT_ATTR_RDONLY, 0, 0, false, err);
}
