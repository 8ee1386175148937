/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init's steps of `mounts add` and `mounts remove`: a process that comes into the mount namespace
 * of a running container, whose processes are hostile and at work. It stays outside of their pid
 * namespace. What it mounts was made detached; where, is resolved inside the container's root to a
 * descriptor; what it takes away is the mount that has the id, whatever its name leads to.
 */
#include "libcontainer/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/step.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/init/steps.h"
#include "libcontainer/late_mounts.h"
#include "libcontainer/mounts.h"
#include "libcontainer/sync.h"
#include "namespaces/mount_source.h"
#include "namespaces/ns_enter.h"

/** The mounts that are added, or to be removed: descriptors of them, in the plan's order. */
static int mount_fds[MOUNTS_MAX];
static size_t n_mount_fds;
/** Of an ordinary user: the clones that init made of what the parent could only name. */
static int source_fds[MOUNTS_MAX];
static struct rootfs_fds own_fds;

static bool is_removal(const struct init *init)
{
	return init->plan->removed_mounts != NULL;
}

/**
 * An ordinary user's sources cannot be cloned but in a mount namespace that the container's user
 * namespace owns: a copy of the host's, while we are still in the host's tree.
 */
static int needs_host_tree(const void *ctx)
{
	const struct init *init = ctx;

	return !is_removal(init) && init->plan->fds.rootfs.path_only;
}

static int step_enter_user(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	return ns_enter_process(init->plan->fds.target_pidfd,
				init->plan->exec_namespaces & CLONE_NEWUSER, err);
}

static int step_clone_sources(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	const struct rootfs_plan *plan = &init->plan->rootfs;
	const struct rootfs_fds *fds = &init->plan->fds.rootfs;

	if (unshare(CLONE_NEWNS) < 0)
		return wh_fail(err, errno, "make a mount namespace to clone the sources in");
	own_fds = *fds;
	own_fds.path_only = false;
	own_fds.sources = source_fds;
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct mount_entry *entry = &plan->mounts[i];
		const bool is_bind = entry->kind == MOUNT_KIND_BIND;

		source_fds[i] = fds->sources[i];
		if (source_fds[i] < 0)
			continue;
		source_fds[i] = mount_source_take(
		    fds, source_fds[i], is_bind ? entry->source : entry->fallback_source,
		    !is_bind || (entry->flags.ext & MOUNT_EXT_RECURSIVE), err);
		if (source_fds[i] < 0)
			return source_fds[i];
	}
	init->rootfs.fds = &own_fds;
	return 0;
}

static int step_join(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	uint64_t flags = init->plan->exec_namespaces;

	if (needs_host_tree(init))
		flags &= ~(uint64_t)CLONE_NEWUSER;
	return ns_enter_process(init->plan->fds.target_pidfd, flags, err);
}

static int needs_becoming_root(const void *ctx)
{
	const struct init *init = ctx;

	return !needs_host_tree(init) && (init->plan->exec_namespaces & CLONE_NEWUSER);
}

/** The root of the mount namespace, or of a container made without pivot_root: then the parent
 * passed it. */
static int step_open_root(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	int root = init->plan->fds.rootfs.root;

	if (root >= 0 && (fchdir(root) < 0 || chroot(".") < 0))
		return wh_fail(err, errno, "change to the container's root");
	init->rootfs.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return init->rootfs.root_fd < 0 ? wh_fail(err, errno, "open the container's root") : 0;
}

/**
 * By the link of our own /proc, which works for files as well; the descriptor says which mount is
 * meant.
 */
static int detach(const struct init *init, int mount_fd, struct wh_error *err)
{
	char path[32];

	snprintf(path, sizeof(path), "self/fd/%d", mount_fd);
	if (fchdir(init->proc_fd) < 0 || umount2(path, MNT_DETACH) < 0)
		return wh_fail(err, errno, "detach it");
	return 0;
}

static void detach_all(const struct init *init)
{
	while (n_mount_fds > 0)
		detach(init, mount_fds[--n_mount_fds], NULL);
}

static int report(const struct init *init, int mount_fd, struct wh_error *err)
{
	uint64_t id;
	int rc = sys_mount_id(mount_fd, &id);

	if (rc < 0)
		return wh_fail(err, -rc, "ask for the id of a mount");
	return sync_send_data(init->sync, SYNC_MOUNTED, &id, sizeof(id), -EBADF, err);
}

/** Nothing is attached before the parent has written it down. */
static int on_attaching(void *ctx, int mount_fd, struct wh_error *err)
{
	struct init *init = ctx;
	int fd = fcntl(mount_fd, F_DUPFD_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return wh_fail(err, errno, "keep a descriptor of it");
	mount_fds[n_mount_fds++] = fd;
	rc = report(init, fd, err);
	return rc < 0 ? rc : sync_expect(init->sync, SYNC_PROCEED, err);
}

/** All of them or none. */
static int step_add(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	int rc;

	init->rootfs.attaching = on_attaching;
	init->rootfs.attaching_ctx = init;
	rc = rootfs_mount_all(&init->rootfs, err);
	if (rc == 0)
		rc = rootfs_apply_masks(&init->rootfs, err); /* the plan has none: read-only ones */
	if (rc < 0)
		detach_all(init);
	return rc;
}

static int needs_adding(const void *ctx)
{
	return !is_removal(ctx);
}

static bool is_one_of(uint64_t id, const struct late_mount_ids *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		if (ids->list[i] == id)
			return true;
	return false;
}

static int find_mount(const struct init *init, const struct mount_entry *entry,
		      const struct late_mount_ids *wanted, struct wh_error *err)
{
	auto_fd fd = path_open_in_root(init->rootfs.root_fd, entry->destination, O_PATH, 0);
	uint64_t id;
	int rc = fd < 0 ? fd : sys_mount_id(fd, &id);

	if (rc < 0)
		return wh_fail(err, -rc, "open it");
	if (!is_one_of(id, wanted))
		return wh_fail(err, ESTALE,
			       "something else is there by now, or was mounted over it");
	mount_fds[n_mount_fds++] = fd_take(&fd);
	return 0;
}

/** All are found before the first is detached. */
static int step_remove(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;
	const struct rootfs_plan *plan = &init->plan->rootfs;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->n_mounts; i++) {
		rc = find_mount(init, &plan->mounts[i], &init->plan->removed_mounts[i], err);
		if (rc == 0)
			rc = report(init, mount_fds[i], err);
		if (rc < 0 && err)
			wh_error_prefix(err, "mounts[%zu] '%s'", i, plan->mounts[i].destination);
	}
	for (size_t i = 0; rc == 0 && i < plan->n_mounts; i++) {
		rc = detach(init, mount_fds[i], err);
		if (rc < 0 && err)
			wh_error_prefix(err, "mounts[%zu] '%s'", i, plan->mounts[i].destination);
	}
	return rc;
}

static int needs_removing(const void *ctx)
{
	return is_removal(ctx);
}

static const struct step mounts_steps[] = {
    {"private procfs",       init_step_open_proc,   NULL, NULL               },
    {"enter user namespace", step_enter_user,       NULL, needs_host_tree    },
    {"become root",          init_step_become_root, NULL, needs_host_tree    },
    {"clone sources",        step_clone_sources,    NULL, needs_host_tree    },
    {"join namespaces",      step_join,             NULL, NULL               },
    {"open root",            step_open_root,        NULL, NULL               },
    {"become root",          init_step_become_root, NULL, needs_becoming_root},
    {"add mounts",           step_add,              NULL, needs_adding       },
    {"remove mounts",        step_remove,           NULL, needs_removing     },
};

int init_run_mounts(struct init *init, struct wh_error *err)
{
	init->rootfs.plan = &init->plan->rootfs;
	init->rootfs.fds = &init->plan->fds.rootfs;
	return steps_run(mounts_steps, ARRAY_LEN(mounts_steps), init, err);
}
