/* SPDX-License-Identifier: Apache-2.0 */
/* One operation at a time changes a container: flock(2) on its state directory, and who holds it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/sys.h"
#include "libcontainer/state_store.h"

/** proc_locks(5) has some 60 bytes a lock; of a host with more locks than this we know no holder. */
#define LOCKS_MAX (16UL << 20)

/** flock(2) has no time limit: ask again with growing pauses, 1 ms at first. */
static int lock_within(int fd, int timeout_ms)
{
	struct timespec pause = {0, 1000000};
	long waited = 0;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= timeout_ms)
			return -EBUSY;
		nanosleep(&pause, NULL);
		waited += pause.tv_nsec / 1000000;
		if (pause.tv_nsec < 16000000)
			pause.tv_nsec *= 2;
	}
	return 0;
}

/** Whether @line of proc_locks(5) is of a held (not awaited) flock on the file @st, and whose. */
static bool is_lock_on(const char *line, const struct stat *st, pid_t *ret_pid)
{
	unsigned int dev_major, dev_minor;
	unsigned long long inode;
	int pid;

	if (sscanf(line, "%*u: FLOCK ADVISORY WRITE %d %x:%x:%llu", &pid, &dev_major, &dev_minor,
		   &inode) != 4 ||
	    pid <= 0 || inode != st->st_ino || dev_major != major(st->st_dev) ||
	    dev_minor != minor(st->st_dev))
		return false;
	*ret_pid = pid;
	return true;
}

/** The pid of who holds the lock: by the time it is read it may be another's. Or -errno. */
static int find_holder(int dir_fd, pid_t *ret_pid)
{
	struct arena arena;
	struct stat st;
	size_t len;
	char *line;
	int rc;

	if (fstat(dir_fd, &st) < 0)
		return -errno;
	rc = arena_init(&arena, NULL);
	if (rc < 0)
		return rc;
	rc = file_read(AT_FDCWD, "/proc/locks", LOCKS_MAX, &arena, &line, &len, NULL);
	if (rc == 0) {
		while (line && !is_lock_on(line, &st, ret_pid)) {
			line = strchr(line, '\n');
			line = line ? line + 1 : NULL;
		}
		rc = line ? 0 : -ESRCH;
	}
	arena_done(&arena);
	return rc;
}

int state_lock_holder(int dir_fd, pid_t *ret_pid)
{
	pid_t again = 0;
	int rc = find_holder(dir_fd, ret_pid);
	auto_fd pidfd = rc < 0 ? rc : sys_pidfd_open(*ret_pid, 0);

	if (pidfd < 0)
		return pidfd;
	/* looked at after the pidfd is held: it cannot become another's between the two */
	rc = find_holder(dir_fd, &again);
	if (rc == 0 && again != *ret_pid)
		rc = -ESRCH;
	return rc < 0 ? rc : fd_take(&pidfd);
}

/** " (by process 12: wherry create ...)", or nothing where that cannot be told. */
static void describe_holder(int dir_fd, char *buf, size_t size)
{
	char path[40];
	char command[1024] = "";
	pid_t pid = 0;
	auto_fd pidfd = state_lock_holder(dir_fd, &pid);
	ssize_t n;

	buf[0] = '\0';
	if (pidfd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	n = file_read_small(AT_FDCWD, path, command, sizeof(command));
	for (ssize_t i = 0; i < n - 1; i++) {
		if (command[i] == '\0')
			command[i] = ' ';
	}
	snprintf(buf, size, " (by process %d%s%.300s)", (int)pid, n > 0 ? ": " : "", command);
}

int state_lock_within(int dir_fd, int timeout_ms)
{
	int rc = lock_within(dir_fd, timeout_ms);
	struct stat st;

	if (rc < 0)
		return rc;
	if (fstat(dir_fd, &st) < 0)
		return -errno;
	return st.st_nlink == 0 ? -ENOENT : 0;
}

int state_lock(int dir_fd, const char *id, struct wh_error *err)
{
	int rc = state_lock_within(dir_fd, STATE_LOCK_TIMEOUT_MS);
	char holder[400];

	if (rc == -ENOENT) {
		wh_fail_kind(err, WH_ERROR_NOT_FOUND, 0, "container '%s' does not exist", id);
		return rc;
	}
	if (rc == 0)
		return 0;
	describe_holder(dir_fd, holder, sizeof(holder));
	return wh_fail(err, -rc,
		       "container '%s' is locked by another operation for more than %d s%s: wait "
		       "for its end, or delete --force",
		       id, STATE_LOCK_TIMEOUT_MS / 1000, holder);
}

void state_unlock(int dir_fd)
{
	flock(dir_fd, LOCK_UN);
}
