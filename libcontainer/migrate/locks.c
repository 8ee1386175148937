/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source: locks on files that both ends have. CRIU takes them anew at the destination, and waits for each until it is free;
 * the source, which stands still meanwhile, would hold it as long as that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "cgroups/cgroup_tree.h"
#include "libcontainer/migrate/obstacles.h"

bool migrate_lock_excludes(const char *fdinfo)
{
	static const char key[] = "\nlock:";

	for (const char *line = strstr(fdinfo, key); line; line = strstr(line + 1, key)) {
		const char *word = strstr(line, " WRITE ");

		if (word && word < line + 1 + strcspn(line + 1, "\n"))
			return true;
	}
	return false;
}

/** Whether @path is @top or below it. */
static bool is_within(const char *path, const char *top)
{
	const char *rest = str_after(path, top);

	return rest && (*rest == '\0' || *rest == '/');
}

bool migrate_mount_is_shared(const struct mountinfo *mount, const struct oci_spec *spec,
			     bool copied)
{
	if (!mount)
		return false;
	if (streq(mount->mountpoint, "/"))
		return !copied;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (migrate_is_bind(&spec->mounts[i]) &&
		    is_within(mount->mountpoint, spec->mounts[i].destination))
			return true;
	}
	return !streq(mount->fs_type, "tmpfs");
}

/** What is looked for, and in which process. */
struct search {
	struct access *access;
	struct migrate_obstacles *obstacles;
	bool copied;
	int proc;
	pid_t pid;
	struct mountinfo *mounts; /* of the process, NULL until they are wanted */
	size_t n_mounts;
};

/** The mount that the file of fd @fd is on, or NULL. */
static const struct mountinfo *mount_of(struct search *search, int fd)
{
	uint32_t id;

	if (!search->mounts && mountinfo_read(search->pid, &search->access->arena, &search->mounts,
					      &search->n_mounts, NULL) < 0)
		return NULL;
	if (mountinfo_of_fd(search->pid, fd, &id) < 0)
		return NULL;
	for (size_t i = 0; i < search->n_mounts; i++) {
		if (search->mounts[i].id == id)
			return &search->mounts[i];
	}
	return NULL;
}

static void look_at_file(struct search *search, int fd, const char *file)
{
	char path[64];
	char text[4096];
	const struct mountinfo *mount;

	snprintf(path, sizeof(path), "%d/fdinfo/%d", (int)search->pid, fd);
	if (procfs_read(search->proc, path, text, sizeof(text), NULL) < 0 ||
	    !migrate_lock_excludes(text))
		return;
	mount = mount_of(search, fd);
	if (!migrate_mount_is_shared(mount, search->access->spec, search->copied))
		return;
	migrate_obstacle(search->obstacles,
			 "process %d holds a lock on '%s', which both ends have%s: the destination "
			 "could not take it as long as the source holds it",
			 (int)search->pid, file,
			 streq(mount->mountpoint, "/") ? " without --rootfs copy" : "");
}

static void look_at_process(struct search *search)
{
	char path[32];
	auto_dir *dir = NULL;
	struct dirent *entry;
	int fd;

	snprintf(path, sizeof(path), "%d/fd", (int)search->pid);
	fd = procfs_open_file(search->proc, path, O_RDONLY | O_DIRECTORY, NULL);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		fd_close(fd);
		return; /* it has ended */
	}
	while ((entry = readdir(dir))) {
		char link[512];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		/* no pipe, no socket: what has a name */
		if (n <= 0 || link[0] != '/')
			continue;
		link[n] = '\0';
		look_at_file(search, (int)strtol(entry->d_name, NULL, 10), link);
	}
}

int migrate_find_locks(struct access *access, bool copied, struct migrate_obstacles *obstacles,
		       struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);
	size_t count = 0;
	pid_t *pids = NULL;
	int rc;

	if (proc < 0)
		return proc;
	rc = access_open_cgroup(access, err);
	if (rc == 0)
		rc = cgroup_pids(&access->cgroup, &access->arena, &pids, &count, err);
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct search search = {.access = access,
					.obstacles = obstacles,
					.copied = copied,
					.proc = proc,
					.pid = pids[i]};

		look_at_process(&search);
	}
	return rc;
}
