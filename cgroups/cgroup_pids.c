/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_fs.h"

/** Pids found so far; heap memory, as a tree may hold any number. */
struct pid_list {
	pid_t *pids;
	size_t count;
	size_t room;
};

static int pid_list_add(struct pid_list *list, pid_t pid)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		pid_t *grown = reallocarray(list->pids, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->pids = grown;
		list->room = room;
	}
	list->pids[list->count++] = pid;
	return 0;
}

/**
 * Feed @len bytes of cgroup.procs into @list; *@pid carries a number that was cut between two
 * reads.
 */
static int parse_pids(struct pid_list *list, const char *text, size_t len, pid_t *pid)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] >= '0' && text[i] <= '9') {
			*pid = *pid * 10 + (text[i] - '0');
			continue;
		}
		/*
		 * 0 is a process outside of the reader's pid namespace; kill(0) would hit the
		 * caller's own group.
		 */
		if (*pid > 0 && pid_list_add(list, *pid) < 0)
			return -ENOMEM;
		*pid = 0;
	}
	return 0;
}

static int read_procs(int dir_fd, struct pid_list *list)
{
	auto_fd fd = path_open_beneath(dir_fd, "cgroup.procs", O_RDONLY, 0);
	char text[4096];
	pid_t pid = 0;

	if (fd < 0)
		return fd;
	for (;;) {
		ssize_t n = read(fd, text, sizeof(text));
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		/*
		 * A threaded cgroup has no list: its processes are in that of its domain, which is
		 * above it in the walk.
		 */
		if (n < 0)
			return errno == EOPNOTSUPP ? 0 : -errno;
		if (n == 0)
			return 0;
		rc = parse_pids(list, text, n, &pid);
		if (rc < 0)
			return rc;
	}
}

/** A cgroup that vanishes during the walk holds no process. */
static bool is_gone(int rc)
{
	return rc == -ENOENT || rc == -ENODEV;
}

static int walk(int dir_fd, unsigned int depth, struct pid_list *list)
{
	auto_dir *entries = NULL;
	const char *name;
	int rc;

	if (depth > CGROUP_MAX_DEPTH)
		return -ELOOP;
	rc = read_procs(dir_fd, list);
	if (rc < 0)
		return is_gone(rc) ? 0 : rc;
	entries = fd_list(dir_fd);
	if (!entries)
		return is_gone(-errno) ? 0 : -errno;
	while ((name = cgroup_fs_next_dir(entries)) != NULL) {
		auto_fd child = cgroup_fs_open_dir(dir_fd, name);

		if (child < 0 && is_gone(child))
			continue;
		if (child < 0)
			return child;
		rc = walk(child, depth + 1, list);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/** Move the sorted @list into the arena; its memory is given back. */
static int take_pids(struct pid_list *list, struct arena *arena, pid_t **ret_pids,
		     size_t *ret_count, struct wh_error *err)
{
	auto_free pid_t *owned = list->pids;
	pid_t *copy = arena_array(arena, pid_t, list->count + 1);

	if (!copy)
		return wh_oom(err);
	if (list->count) {
		qsort(owned, list->count, sizeof(pid_t), compare_pids);
		memcpy(copy, owned, list->count * sizeof(pid_t));
	}
	*ret_pids = copy;
	*ret_count = list->count;
	return 0;
}

static int fail_to_list(struct pid_list *list, int code, struct wh_error *err)
{
	free(list->pids);
	return wh_fail(err, code, "list the container's processes");
}

int cgroup_pids(const struct cgroup *cgroup, struct arena *arena, pid_t **ret_pids,
		size_t *ret_count, struct wh_error *err)
{
	struct pid_list list = {.pids = NULL};
	int rc = walk(cgroup->dir_fd, 0, &list);

	if (rc == -ELOOP) {
		free(list.pids);
		return wh_fail(
		    err, -rc,
		    "list the container's processes: cgroups are nested deeper than %d levels",
		    CGROUP_MAX_DEPTH);
	}
	return rc < 0 ? fail_to_list(&list, -rc, err)
		      : take_pids(&list, arena, ret_pids, ret_count, err);
}

int cgroup_own_pids(int dir_fd, struct arena *arena, pid_t **ret_pids, size_t *ret_count,
		    struct wh_error *err)
{
	struct pid_list list = {.pids = NULL};
	int rc = read_procs(dir_fd, &list);

	return rc < 0 ? fail_to_list(&list, -rc, err)
		      : take_pids(&list, arena, ret_pids, ret_count, err);
}
