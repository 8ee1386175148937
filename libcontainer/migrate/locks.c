/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source: locks on files that both ends have. CRIU takes them anew at the destination, and waits for each until it is free;
 * the source, which stands still meanwhile, would hold it as long as that.
 */
#include <stdio.h>
#include <string.h>

#include "base/procfs.h"
#include "base/str.h"
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
	int proc;                 /* a procfs, lent */
	pid_t pid;                /* the process that is looked at */
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

/** A file that process @search->pid has open as @fd. */
static int look_at_file(void *ctx, int fd, const char *file)
{
	struct search *search = ctx;
	char path[64];
	char text[4096];
	const struct mountinfo *mount;

	/* no pipe, no socket: what has a name */
	if (file[0] != '/')
		return 0;
	snprintf(path, sizeof(path), "%d/fdinfo/%d", (int)search->pid, fd);
	if (procfs_read(search->proc, path, text, sizeof(text), NULL) < 0 ||
	    !migrate_lock_excludes(text))
		return 0;
	mount = mount_of(search, fd);
	if (!migrate_mount_is_shared(mount, search->access->spec, search->copied))
		return 0;
	migrate_obstacle(search->obstacles,
			 "process %d holds a lock on '%s', which both ends have%s: the destination "
			 "could not take it as long as the source holds it",
			 (int)search->pid, file,
			 streq(mount->mountpoint, "/") ? " without --rootfs copy" : "");
	return 0;
}

static int look_at_process(void *ctx, const struct access_processes *all, pid_t pid,
			   struct wh_error *err)
{
	struct search *search = ctx;

	search->proc = all->proc;
	search->pid = pid;
	search->mounts = NULL;
	search->n_mounts = 0;
	/* one that has ended holds nothing */
	(void)procfs_each_fd(all->proc, pid, look_at_file, search, NULL);
	return 0;
}

int migrate_find_locks(struct access *access, bool copied, struct migrate_obstacles *obstacles,
		       struct wh_error *err)
{
	struct search search = {.access = access, .obstacles = obstacles, .copied = copied};

	return access_each_process(access, look_at_process, &search, err);
}
