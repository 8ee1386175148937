/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/restore_root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/procfs.h"
#include "base/sys.h"

/** Only who is in the namespace may change its mounts; the namespace's root is then ours, too. */
static int make_readonly(int ns_fd)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	auto_fd root = -EBADF;

	if (setns(ns_fd, CLONE_NEWNS) < 0)
		return -errno;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	return sys_mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

int restore_root_readonly(pid_t pid, struct wh_error *err)
{
	struct clone_args args = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD};
	auto_fd proc = procfs_open(true, err);
	auto_fd ns = -EBADF;
	int pidfd = -EBADF;
	char path[32];
	int status;
	long child;
	int rc;

	if (proc < 0)
		return proc;
	snprintf(path, sizeof(path), "%d/ns/mnt", (int)pid);
	ns = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return wh_fail(err, errno, "open the restored mount namespace");
	args.pidfd = (uintptr_t)&pidfd;
	child = sys_clone3(&args, sizeof(args));
	if (child == 0)
		_exit(-make_readonly(ns));
	if (child < 0)
		return wh_fail(err, (int)-child, "fork");
	rc = process_reap(pidfd, &status);
	fd_close(pidfd);
	if (rc == 0)
		rc = -status;
	return rc < 0 ? wh_fail(err, -rc, "make the restored root read-only") : 0;
}
