/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/restore_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "namespaces/mount_attr.h"

/** The root and the cgroup on the stage. */
#define STAGE_ROOT   "root"
#define STAGE_CGROUP "cgroup"

/** Directories that hold foreign file systems at most; what is in them is hidden from CRIU alone. */
static const char *const places[] = {"/mnt", "/media", "/srv"};

int stage_choose_place(struct stage *stage, const char *program, struct wh_error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		const char *rest = program ? str_after(program, places[i]) : NULL;
		auto_fd dir = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0 || (rest && *rest == '/'))
			continue;
		stage->path = places[i];
		return 0;
	}
	return wh_fail(err, ENOENT, "find a directory for CRIU's mounts: /mnt, /media or /srv");
}

/** A tmpfs of our own over the stage's directory. Returns an fd of its root, or -errno. */
static int mount_stage(int dir_fd, struct wh_error *err)
{
	auto_fd fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	auto_fd mount = -EBADF;
	int rc;

	if (fs < 0)
		return wh_fail(err, -fs, "make a tmpfs");
	rc = sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0);
	if (rc == 0)
		rc = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (rc < 0)
		return wh_fail(err, -rc, "make a tmpfs");
	mount = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mount < 0)
		return wh_fail(err, -mount, "make a tmpfs");
	rc = sys_move_mount(mount, "", dir_fd, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	return rc < 0 ? wh_fail(err, -rc, "mount the stage") : fd_take(&mount);
}

/**
 * Put the detached mount @tree at @name. A mount that was a slave of the host's when it was saved wants a master
 * again, which it finds here: on a host whose mounts are private it gets one that ends with the stage.
 */
static int put(int stage_fd, const char *name, int tree, struct wh_error *err)
{
	struct stat st;
	int rc = mount_attr_change(tree, 0, 0, MS_SHARED, true, err);

	if (rc < 0)
		return rc;

	if (fstat(tree, &st) < 0)
		return wh_fail(err, errno, "look at a mount");
	if (S_ISDIR(st.st_mode))
		rc = mkdirat(stage_fd, name, 0700);
	else
		rc = mknodat(stage_fd, name, S_IFREG | 0600, 0);
	if (rc < 0)
		return wh_fail(err, errno, "make '%s' on the stage", name);
	rc = sys_move_mount(tree, "", stage_fd, name, MOVE_MOUNT_F_EMPTY_PATH);
	return rc < 0 ? wh_fail(err, -rc, "mount '%s' on the stage", name) : 0;
}

/**
 * CRIU leaves the attributes of a mount alone when another of the same directory, that it mounted before, has
 * the same ones: what it clones here must have them already.
 */
static int put_source(const struct stage *stage, int stage_fd, size_t i, struct wh_error *err)
{
	const struct mount_flags *flags = &stage->plan->rootfs.mounts[i].flags;
	int tree = stage->plan->fds.rootfs.sources[i];
	char name[32];
	int rc;

	if (tree < 0)
		return 0;
	snprintf(name, sizeof(name), "m%zu", i);
	rc = mount_attr_change(tree, flags->attr_set, flags->attr_clr, 0, false, err);
	if (rc == 0)
		rc =
		    mount_attr_change(tree, flags->rec_attr_set, flags->rec_attr_clr, 0, true, err);
	return rc < 0 ? rc : put(stage_fd, name, tree, err);
}

static int put_device(const struct stage *stage, int stage_fd, size_t i, struct wh_error *err)
{
	int tree = stage->plan->fds.rootfs.devices[i];
	char name[32];
	int rc;

	if (tree < 0)
		return 0;
	snprintf(name, sizeof(name), "d%zu", i);
	rc = mount_attr_change(tree, DEVICE_MOUNT_ATTRIBUTES, 0, 0, false, err);
	return rc < 0 ? rc : put(stage_fd, name, tree, err);
}

static int put_all(const struct stage *stage, int stage_fd, int cgroup_tree, struct wh_error *err)
{
	const struct rootfs_plan *plan = &stage->plan->rootfs;
	int rc = put(stage_fd, STAGE_ROOT, stage->plan->fds.rootfs.root, err);

	if (rc == 0 && cgroup_tree >= 0)
		rc = put(stage_fd, STAGE_CGROUP, cgroup_tree, err);
	for (size_t i = 0; rc == 0 && i < plan->n_mounts; i++)
		rc = put_source(stage, stage_fd, i, err);
	for (size_t i = 0; rc == 0 && i < plan->n_devices; i++)
		rc = put_device(stage, stage_fd, i, err);
	return rc;
}

/** Before the host's mounts are copied: what is cloned has to be of the namespace that one is in. */
static int clone_cgroup(const struct stage *stage, struct wh_error *err)
{
	int fd;

	if (!stage->cgroup_path)
		return -EBADF;
	fd = sys_open_tree(stage->cgroup_mount_fd, stage->cgroup_path + 1,
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd < 0 ? wh_fail(err, -fd, "clone the mount of cgroup '%s'", stage->cgroup_path)
		      : fd;
}

int stage_enter(void *ctx, struct wh_error *err)
{
	const struct stage *stage = ctx;
	auto_fd cgroup = clone_cgroup(stage, err);
	auto_fd here = -EBADF;
	auto_fd top = -EBADF;
	int flags = CLONE_NEWNS;

	if (cgroup < 0 && stage->cgroup_path)
		return cgroup;
	if (stage->new_cgroup_namespace)
		flags |= CLONE_NEWCGROUP;
	if (unshare(flags) < 0)
		return wh_fail(err, errno, "make namespaces for CRIU");
	/* slaves: what the host mounts later still comes in, and nothing of the stage goes out */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return wh_fail(err, errno, "detach CRIU's mounts from the host's");
	here = open(stage->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (here < 0)
		return wh_fail(err, errno, "open the stage '%s'", stage->path);
	top = mount_stage(here, err);
	return top < 0 ? top : put_all(stage, top, cgroup, err);
}

/** The stage's name of the mount that the image calls @mount, or NULL when the configuration has none. */
static const char *find(const struct stage *stage, const struct image_mount *mount,
			struct arena *arena)
{
	const struct rootfs_plan *plan = &stage->plan->rootfs;
	const struct rootfs_fds *fds = &stage->plan->fds.rootfs;

	if (streq(mount->destination, ""))
		return stage->cgroup_path ? STAGE_CGROUP : NULL;
	/* of two mounts on one destination the later one is seen */
	for (size_t i = plan->n_mounts; mount->key[0] == 'm' && i-- > 0;) {
		if (fds->sources[i] >= 0 && streq(plan->mounts[i].destination, mount->destination))
			return arena_printf(arena, "m%zu", i);
	}
	for (size_t i = plan->n_devices; mount->key[0] == 'd' && i-- > 0;) {
		if (fds->devices[i] >= 0 && streq(plan->devices[i].path, mount->destination))
			return arena_printf(arena, "d%zu", i);
	}
	return NULL;
}

int stage_mounts_name(const struct stage *stage, const struct checkpoint_image *image,
		      struct arena *arena, const char ***ret_list, size_t *ret_count,
		      struct wh_error *err)
{
	const char **list = arena_array(arena, const char *, image->n_mounts + 1);

	if (!list)
		return wh_oom(err);
	for (size_t i = 0; i < image->n_mounts; i++) {
		const struct image_mount *mount = &image->mounts[i];
		const char *name = find(stage, mount, arena);

		if (!name)
			return wh_fail_kind(
			    err, WH_ERROR_CONFIG, 0,
			    "the image has %s'%s', which the configuration does not have: restore "
			    "with the configuration that the container was made with",
			    *mount->destination ? "a mount of the host at " : "a ",
			    *mount->destination ? mount->destination : "cgroup mount");
		list[i] = arena_printf(arena, "mnt[%s]:%s/%s%s%s", mount->key, stage->path, name,
				       *mount->path ? "/" : "", mount->path);
		if (!list[i])
			return wh_oom(err);
	}
	*ret_list = list;
	*ret_count = image->n_mounts;
	return 0;
}
