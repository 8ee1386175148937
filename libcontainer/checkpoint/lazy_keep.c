/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/lazy_keep.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "base/sys.h"

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

/** While the files of the process are looked through. */
struct search {
	struct lazy_keep *keep;
	int pidfd;
	struct wh_error *err;
};

static int look_at_file(void *ctx, int fd, const char *link)
{
	const struct search *search = ctx;

	return streq(link, "anon_inode:[userfaultfd]")
		   ? add(search->keep, search->pidfd, fd, search->err)
		   : 0;
}

int lazy_keep_take(struct lazy_keep *keep, pid_t pid, int pidfd, struct lazy_copy witness,
		   struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);
	struct search search = {.keep = keep, .pidfd = pidfd, .err = err};
	int rc;

	*keep = (struct lazy_keep){.pid = pid, .witness = witness};
	if (proc < 0)
		return proc;
	if (!is_same(keep, &witness))
		return 0;
	rc = procfs_each_fd(proc, pid, look_at_file, &search, err);
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
