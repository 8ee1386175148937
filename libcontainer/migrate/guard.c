/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/migrate/fault.h"

/** A process closes its files a moment before it is seen to have ended. */
static void await_end_of(pid_t parent)
{
	const struct timespec pause = {.tv_nsec = 1000 * 1000};

	while (getppid() == parent)
		nanosleep(&pause, NULL);
}

/** In the child. @end: the reading end of the pipe. */
static _Noreturn void keep_watch(pid_t parent, int end, void (*recover)(void *ctx), void *ctx)
{
	static const int deaf_to[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	char byte;
	ssize_t n;

	setsid();
	for (size_t i = 0; i < ARRAY_LEN(deaf_to); i++)
		signal(deaf_to[i], SIG_IGN);
	/* What is copied must not stay open here: the worker's locks, and the ends of its pipes. */
	if (dup3(end, 3, O_CLOEXEC) < 0 && end != 3)
		_exit(1);
	sys_close_range(4, ~0U, 0);
	do {
		n = read(3, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		await_end_of(parent);
		migrate_fault_end();
		recover(ctx);
	}
	_exit(0);
}

int migrate_guard_start(struct migrate_guard *guard, void (*recover)(void *ctx), void *ctx,
			struct wh_error *err)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	pid_t parent = getpid();
	int ends[2];
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return wh_fail(err, errno, "make a pipe");
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		keep_watch(parent, ends[0], recover, ctx);
	fd_close(ends[0]);
	if (pid < 0) {
		fd_close(ends[1]);
		return wh_fail(err, (int)-pid, "fork");
	}
	guard->pid = (pid_t)pid;
	guard->pipe = ends[1];
	return 0;
}

void migrate_guard_end(struct migrate_guard *guard)
{
	if (guard->pid <= 0)
		return;
	(void)fd_write_all(guard->pipe, "", 1);
	guard->pipe = fd_close(guard->pipe);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	guard->pid = 0;
}
