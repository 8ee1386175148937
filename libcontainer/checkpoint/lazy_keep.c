/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/lazy_keep.h"

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
#include "base/sys.h"

#define USERFAULTFD "anon_inode:[userfaultfd]"

static int add(struct lazy_keep *keep, int pidfd, int theirs, struct wh_error *err)
{
	struct lazy_copy *copies = realloc(keep->copies, (keep->count + 1) * sizeof(*copies));
	int ours;

	if (!copies)
		return wh_oom(err);
	keep->copies = copies;
	ours = sys_pidfd_getfd(pidfd, theirs, 0);
	if (ours == -ESRCH)
		return wh_fail(err, ECHILD, "'criu lazy-pages' has ended");
	if (ours < 0)
		return wh_fail(err, -ours, "copy a userfaultfd");
	copies[keep->count++] = (struct lazy_copy){.theirs = theirs, .ours = ours};
	return 0;
}

static bool is_same(const struct lazy_keep *keep, const struct lazy_copy *copy)
{
	return sys_kcmp_file(keep->pid, copy->theirs, getpid(), copy->ours) == 0;
}

int lazy_keep_take(struct lazy_keep *keep, pid_t pid, int pidfd, struct lazy_copy witness,
		   struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);
	auto_dir *dir = NULL;
	struct dirent *entry;
	char path[32];
	int rc = 0;
	int fd;

	*keep = (struct lazy_keep){.pid = pid, .witness = witness};
	if (proc < 0)
		return proc;
	if (!is_same(keep, &witness))
		return 0;
	snprintf(path, sizeof(path), "%d/fd", (int)pid);
	fd = procfs_open_file(proc, path, O_RDONLY | O_DIRECTORY, err);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		fd_close(fd);
		return fd < 0 ? fd : wh_oom(err);
	}
	while (rc == 0 && (entry = readdir(dir))) {
		char link[64];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link));

		if (n == (ssize_t)strlen(USERFAULTFD) && memcmp(link, USERFAULTFD, (size_t)n) == 0)
			rc = add(keep, pidfd, atoi(entry->d_name), err);
	}
	if (rc < 0)
		lazy_keep_drop(keep);
	return rc;
}

void lazy_keep_prune(struct lazy_keep *keep)
{
	size_t kept = 0;

	for (size_t i = 0; i < keep->count; i++) {
		/* in this order: a process that ends loses the witness with all else */
		if (is_same(keep, &keep->copies[i]) || !is_same(keep, &keep->witness))
			keep->copies[kept++] = keep->copies[i];
		else
			fd_close(keep->copies[i].ours);
	}
	keep->count = kept;
}

void lazy_keep_drop(struct lazy_keep *keep)
{
	for (size_t i = 0; i < keep->count; i++)
		fd_close(keep->copies[i].ours);
	free(keep->copies);
	keep->copies = NULL;
	keep->count = 0;
}
