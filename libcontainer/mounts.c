/* SPDX-License-Identifier: Apache-2.0 */
/* mounts add and mounts remove, the parent's side. */
#include "libcontainer/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "base/trace.h"
#include "libcontainer/access.h"
#include "libcontainer/config_load.h"
#include "libcontainer/late_mounts.h"
#include "libcontainer/spawn.h"
#include "oci-spec/config.h"

/**
 * Those whose file systems show them, and the one that mounts are in. The pid namespace is not
 * entered: who is in there could look at us.
 */
#define NAMESPACES_TO_JOIN ((uint64_t)(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC))

/** How long an init that failed may take to detach what it has attached, in milliseconds. */
#define GIVE_UP_MS 5000

struct mounts {
	const struct runtime *rt;
	const struct mounts_options *opts;
	struct access access;
	struct arena arena;    /* shared with init */
	struct oci_spec *spec; /* the container's, with the mounts asked for as its own */
	struct container_plan *plan;
	struct late_mounts known; /* what is written down */
	struct late_mounts added; /* the same with those that come, as far as they have come */
	struct late_mount_ids *removed; /* mounts remove: which each of them may be */
	size_t n_told;                  /* how many of the mounts init has told the id of */
	int target_pidfd;
	int root_fd; /* of a container made without pivot_root */
	struct spawn spawn;
};

static int step_open(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;
	int rc = access_open(&mounts->access, mounts->rt, mounts->opts->id, STATE_LOCKED, err);

	if (rc < 0)
		return rc;
	mounts->target_pidfd = access_open_init(&mounts->access, err);
	return mounts->target_pidfd < 0 ? mounts->target_pidfd : 0;
}

static int read_mounts(struct mounts *mounts, struct problems *problems, struct wh_error *err)
{
	const char *file = mounts->opts->file;
	char *text;
	size_t len;
	int rc = file_read(AT_FDCWD, file, OCI_CONFIG_MAX_SIZE, &mounts->arena, &text, &len, err);

	if (rc == 0)
		rc = oci_mounts_decode(file, text, len, mounts->opts->remove, &mounts->arena,
				       problems, &mounts->spec->mounts, &mounts->spec->n_mounts,
				       err);
	if (rc < 0)
		return rc;
	if (mounts->spec->n_mounts == 0 || mounts->spec->n_mounts > MOUNTS_MAX)
		return wh_fail(err, 0, "'%s' has %zu mounts: expected 1 to %d", file,
			       mounts->spec->n_mounts, MOUNTS_MAX);
	return 0;
}

/** The container's own configuration decides about labels, propagation, and mappings. */
static int step_read(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;
	struct access *access = &mounts->access;
	struct problems problems;
	int rc = arena_init_shared(&mounts->arena, err);

	if (rc < 0)
		return rc;
	problems_init(&problems, &mounts->arena);
	rc = state_config_read(access->dir_fd, &mounts->arena, &access->spec, err);
	if (rc < 0)
		return rc;
	if (!(access_namespaces(access) & CLONE_NEWNS))
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "container '%s' has no mount namespace of its own",
				    mounts->opts->id);
	mounts->spec = arena_memdup(&mounts->arena, access->spec, sizeof(*access->spec));
	if (!mounts->spec)
		return wh_oom(err);
	rc = read_mounts(mounts, &problems, err);
	return rc < 0 ? rc : late_mounts_read(access->dir_fd, &mounts->arena, &mounts->known, err);
}

static int plan_mounts(struct mounts *mounts, struct problems *problems, struct wh_error *err)
{
	struct rootfs_plan *rootfs = &mounts->plan->rootfs;

	if (mounts->opts->remove)
		return rootfs_plan_build_removal(mounts->spec, &mounts->arena, problems, rootfs,
						 err);
	return rootfs_plan_build_late(mounts->spec, mounts->access.record.bundle, &mounts->arena,
				      problems, rootfs, err);
}

static int step_plan(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;
	struct container_plan *plan = arena_new(&mounts->arena, struct container_plan);
	struct problems problems;
	int rc;

	if (!plan)
		return wh_oom(err);
	*plan = (struct container_plan){
	    .kind = CONTAINER_PLAN_MOUNTS,
	    .spec = mounts->spec,
	    .trace = trace_enabled(),
	    .exec_namespaces = access_namespaces(&mounts->access) & NAMESPACES_TO_JOIN,
	    .fds = INIT_FDS_NONE,
	};
	mounts->plan = plan;
	problems_init(&problems, &mounts->arena);
	rc = plan_mounts(mounts, &problems, err);
	for (const struct problem *p = problems.first; p; p = p->next) {
		if (p->severity == PROBLEM_WARNING)
			log_warning("%s", p->text);
	}
	return rc < 0 ? rc : problems_to_error(&problems, err);
}

/** All are found before the first is taken away: one that lies below another is not seen. */
static int check_named_once(const struct rootfs_plan *rootfs, size_t i, struct wh_error *err)
{
	for (size_t j = 0; j < i; j++)
		if (streq(rootfs->mounts[i].destination, rootfs->mounts[j].destination))
			return wh_fail(err, 0,
				       "mounts[%zu] '%s': is mounts[%zu], too: remove them one "
				       "after the other",
				       i, rootfs->mounts[i].destination, j);
	return 0;
}

static int step_find(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;
	const struct rootfs_plan *rootfs = &mounts->plan->rootfs;

	mounts->removed = arena_array(&mounts->arena, struct late_mount_ids, rootfs->n_mounts);
	if (!mounts->removed)
		return wh_oom(err);
	for (size_t i = 0; i < rootfs->n_mounts; i++) {
		const char *destination = rootfs->mounts[i].destination;
		int rc = late_mounts_find(&mounts->known, destination, &mounts->arena,
					  &mounts->removed[i]);

		if (rc == -ENOMEM)
			return wh_oom(err);
		if (rc < 0)
			return wh_fail(err, 0,
				       "mounts[%zu] '%s': was not added to container '%s' by "
				       "mounts add",
				       i, destination, mounts->opts->id);
		rc = check_named_once(rootfs, i, err);
		if (rc < 0)
			return rc;
	}
	mounts->plan->removed_mounts = mounts->removed;
	return 0;
}

static int is_removal(const void *ctx)
{
	const struct mounts *mounts = ctx;

	return mounts->opts->remove;
}

static int step_open_sources(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;

	return rootfs_open_late_sources(&mounts->plan->rootfs, &mounts->arena,
					&mounts->plan->fds.rootfs, err);
}

static void close_sources(void *ctx)
{
	struct mounts *mounts = ctx;

	mounts->plan->fds.rootfs.root = -EBADF; /* lent */
	rootfs_close_sources(&mounts->plan->rootfs, &mounts->plan->fds.rootfs);
}

static int is_addition(const void *ctx)
{
	return !is_removal(ctx);
}

static int step_open_root(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;

	mounts->root_fd = access_open_root(&mounts->access, err);
	return mounts->root_fd < 0 ? mounts->root_fd : 0;
}

static int needs_root(const void *ctx)
{
	const struct mounts *mounts = ctx;

	return mounts->access.record.no_pivot;
}

static int step_spawn(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;

	mounts->plan->fds.target_pidfd = mounts->target_pidfd;
	mounts->plan->fds.rootfs.root = mounts->root_fd;
	mounts->spawn.arena = &mounts->arena;
	mounts->spawn.plan = mounts->plan;
	return spawn_start(&mounts->spawn, err);
}

static void undo_spawn(void *ctx)
{
	struct mounts *mounts = ctx;

	spawn_kill(&mounts->spawn);
}

static int write_down(struct mounts *mounts, const struct late_mounts *list, struct wh_error *err)
{
	return late_mounts_write(mounts->access.dir_fd, list, &mounts->access.arena, err);
}

/** Written down before it is attached: whatever ends us now, `mounts remove` finds it. */
static int add(struct mounts *mounts, const char *destination, uint64_t mount_id,
	       struct wh_error *err)
{
	struct late_mounts *all = &mounts->added;
	int rc;

	all->list[all->n_list++] = (struct late_mount){destination, mount_id};
	rc = write_down(mounts, all, err);
	return rc < 0 ? rc : sync_send(mounts->spawn.sock, SYNC_PROCEED, err);
}

static int on_mounted(void *ctx, uint64_t mount_id, struct wh_error *err)
{
	struct mounts *mounts = ctx;
	const struct rootfs_plan *rootfs = &mounts->plan->rootfs;
	const char *destination;

	if (mounts->n_told == rootfs->n_mounts)
		return wh_fail(err, EPROTO, "init tells of more mounts than there are");
	destination = rootfs->mounts[mounts->n_told++].destination;
	if (!mounts->opts->remove)
		return add(mounts, destination, mount_id, err);
	late_mounts_forget(&mounts->known, destination, mount_id);
	return 0;
}

static int step_prepare(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;
	const struct late_mounts *known = &mounts->known;

	mounts->added.list = arena_array(&mounts->access.arena, struct late_mount,
					 known->n_list + mounts->plan->rootfs.n_mounts);
	if (!mounts->added.list)
		return wh_oom(err);
	mounts->added.n_list = known->n_list;
	for (size_t i = 0; i < known->n_list; i++)
		mounts->added.list[i] = known->list[i];
	return 0;
}

/**
 * An init that is not answered detaches what it has attached, and ends. What one did that ended without
 * a word stays written down.
 */
static void give_up_adding(struct mounts *mounts)
{
	struct spawn *spawn = &mounts->spawn;
	struct wh_error err = WH_ERROR_INIT;

	spawn->sock = fd_close(spawn->sock);
	if (spawn->lost || (spawn->pidfd >= 0 && process_wait_end(spawn->pidfd, GIVE_UP_MS) < 0))
		return;
	if (mounts->n_told > 0 && write_down(mounts, &mounts->known, &err) < 0)
		log_warning("%s", err.message);
}

static int step_wait(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;
	struct spawn_handlers handlers = {.mounted = on_mounted, .ctx = mounts};
	int rc = spawn_wait(&mounts->spawn, SYNC_READY, &handlers, err);

	if (rc < 0 && !mounts->opts->remove)
		give_up_adding(mounts);
	return rc;
}

static int step_forget(void *ctx, struct wh_error *err)
{
	struct mounts *mounts = ctx;

	return write_down(mounts, &mounts->known, err);
}

static const struct step mounts_steps[] = {
    {"open container", step_open,         NULL,          NULL       },
    {"read mounts",    step_read,         NULL,          NULL       },
    {"plan",           step_plan,         NULL,          NULL       },
    {"find mounts",    step_find,         NULL,          is_removal },
    {"open sources",   step_open_sources, close_sources, is_addition},
    {"open root",      step_open_root,    NULL,          needs_root },
    {"prepare record", step_prepare,      NULL,          is_addition},
    {"clone init",     step_spawn,        undo_spawn,    NULL       },
    {"wait for init",  step_wait,         NULL,          NULL       },
    {"forget mounts",  step_forget,       NULL,          is_removal },
};

static void mounts_done(struct mounts *mounts)
{
	spawn_done(&mounts->spawn);
	fd_close(mounts->root_fd);
	fd_close(mounts->target_pidfd);
	arena_done(&mounts->arena);
	access_done(&mounts->access);
}

int container_mounts(const struct runtime *rt, const struct mounts_options *opts,
		     struct wh_error *err)
{
	struct mounts mounts = {
	    .rt = rt,
	    .opts = opts,
	    .access = ACCESS_INIT,
	    .arena = {.fd = -EBADF},
	    .target_pidfd = -EBADF,
	    .root_fd = -EBADF,
	    .spawn = SPAWN_INIT,
	};
	int rc = steps_run(mounts_steps, ARRAY_LEN(mounts_steps), &mounts, err);

	mounts_done(&mounts);
	return rc;
}
