/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/cgroups.h"

#include <errno.h>
#include <limits.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/procfs.h"
#include "base/procfs_status.h"
#include "base/str.h"
#include "cgroups/cgroup_tree.h"

/** The numbers of @pid, from the reader's namespace inwards. Returns how many, or -errno. */
static int read_numbers(int proc, pid_t pid, uint32_t numbers[PROCFS_STATUS_LEVELS])
{
	char status[PROCFS_STATUS_SIZE];
	int rc = procfs_status_read(proc, pid, status);

	return rc < 0 ? rc : procfs_status_numbers(status, numbers);
}

/** How @init's namespace numbers processes: the index in each one's list. */
struct numbering {
	int proc;
	int level;
};

static int numbering_of(int proc, pid_t init, struct numbering *ret, struct wh_error *err)
{
	uint32_t numbers[PROCFS_STATUS_LEVELS];
	int count = read_numbers(proc, init, numbers);

	if (count < 1)
		return wh_fail(err, count < 0 ? -count : ENODATA, "read the numbers of process %d",
			       (int)init);
	*ret = (struct numbering){.proc = proc, .level = count - 1};
	return 0;
}

/** The number of @pid in that namespace; 0 when it has none, or has ended. */
static uint32_t inside(const struct numbering *numbering, pid_t pid)
{
	uint32_t numbers[PROCFS_STATUS_LEVELS];
	int count = read_numbers(numbering->proc, pid, numbers);

	return count > numbering->level ? numbers[numbering->level] : 0;
}

static void translate(const struct numbering *numbering, struct cgroup_node *node)
{
	size_t kept = 0;

	for (size_t i = 0; i < node->n_pids; i++) {
		uint32_t number = inside(numbering, (pid_t)node->pids[i]);

		if (number)
			node->pids[kept++] = number;
	}
	node->n_pids = kept;
}

int checkpoint_cgroups_read(const struct cgroup *cgroup, pid_t init, struct arena *arena,
			    struct checkpoint_image *image, struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);
	struct numbering numbering = {.proc = -EBADF};
	int rc = proc < 0 ? proc : numbering_of(proc, init, &numbering, err);

	if (rc == 0)
		rc = cgroup_tree_read(cgroup, arena, &image->cgroups, &image->n_cgroups, err);
	for (size_t i = 0; rc == 0 && i < image->n_cgroups; i++)
		translate(&numbering, &image->cgroups[i]);
	return rc;
}

/** The restored processes, each by both of its numbers. */
struct restored {
	pid_t *pids;
	uint32_t *numbers;
	size_t count;
};

static int find_restored(const struct cgroups_restore *restore, struct restored *ret,
			 struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);
	struct numbering numbering = {.proc = -EBADF};
	int rc = proc < 0 ? proc : numbering_of(proc, restore->init, &numbering, err);

	if (rc == 0)
		rc = cgroup_pids(restore->cgroup, restore->arena, &ret->pids, &ret->count, err);
	if (rc < 0)
		return rc;
	ret->numbers = arena_array(restore->arena, uint32_t, ret->count + 1);
	if (!ret->numbers)
		return wh_oom(err);
	for (size_t i = 0; i < ret->count; i++)
		ret->numbers[i] =
		    ret->pids[i] == restore->criu ? 0 : inside(&numbering, ret->pids[i]);
	return 0;
}

static int move_all(const struct cgroups_restore *restore, const struct cgroup_node *node,
		    const struct restored *restored, struct wh_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < node->n_pids; i++) {
		for (size_t j = 0; rc == 0 && j < restored->count; j++) {
			if (restored->numbers[j] == node->pids[i])
				rc =
				    cgroup_tree_move(restore->cgroup, node, restored->pids[j], err);
		}
	}
	return rc;
}

/** CRIU's work in the container's cgroup is done: it was there for its memory to be charged to it. */
static int send_criu_away(const struct cgroups_restore *restore, struct wh_error *err)
{
	static const struct cgroup_node itself = {.path = ""};
	struct cgroup own = CGROUP_NONE;
	char path[PATH_MAX];
	int rc = cgroup_own_path(path, sizeof(path), err);

	if (rc == 0)
		rc = cgroup_open(restore->mount_fd, *path ? path : "/", &own, err);
	if (rc == 0)
		rc = cgroup_tree_move(&own, &itself, restore->criu, err);
	cgroup_close(&own);
	return rc;
}

int checkpoint_cgroups_restore(const struct cgroups_restore *restore,
			       const struct checkpoint_image *image, struct wh_error *err)
{
	const bool own =
	    restore->mode == CHECKPOINT_CGROUPS_FULL || restore->mode == CHECKPOINT_CGROUPS_STRICT;
	struct restored restored = {.count = 0};
	int rc = 0;

	if (restore->mode == CHECKPOINT_CGROUPS_IGNORE || image->n_cgroups < (own ? 1U : 2U))
		return 0;
	if (restore->cgroup->dir_fd < 0)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
				    "the image has cgroups, and the configuration has none to put "
				    "them in: --manage-cgroups-mode ignore leaves them out");
	rc = find_restored(restore, &restored, err);
	if (rc == 0)
		rc = cgroup_tree_make(restore->cgroup, image->cgroups, image->n_cgroups, err);
	for (size_t i = 0; rc == 0 && i < image->n_cgroups; i++) {
		if (*image->cgroups[i].path)
			rc = move_all(restore, &image->cgroups[i], &restored, err);
	}
	if (rc == 0)
		rc = send_criu_away(restore, err);
	return rc < 0
		   ? rc
		   : cgroup_tree_set(restore->cgroup, image->cgroups, image->n_cgroups, own, err);
}
