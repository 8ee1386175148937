/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/dump_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"

bool dump_give_up(pid_t pid, int pidfd, bool settled)
{
	const struct rlimit none = {0};

	/* Until it is reaped the pid is its own. It ignores SIGXFSZ: see struct criu_start. */
	if (process_wait_end(pidfd, 0) == 0)
		return true; /* killed as its caller was, perhaps */
	if (!settled)
		prlimit(pid, RLIMIT_FSIZE, &none, NULL);
	if (process_wait_end(pidfd, DUMP_GIVE_UP_MS) == 0)
		return false;
	sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	process_wait_end(pidfd, DUMP_GIVE_UP_MS);
	return true;
}

/** What the guard has open, above all other fds. */
enum { KEEP_PIPE, KEEP_CRIU, KEEP_CGROUP, N_KEPT };

/** What it is told over its pipe. */
#define WORD_SETTLED 's'
#define WORD_END     'e'

/** What is copied must not stay open here: locks, the ends of pipes, the caller's streams. */
static int close_others(int fds[N_KEPT])
{
	int from = 3;

	for (size_t i = 0; i < N_KEPT; i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 100);
		if (fds[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < N_KEPT; i++) {
		if (fds[i] < 0)
			continue;
		if (fds[i] > from)
			sys_close_range((unsigned int)from, (unsigned int)fds[i] - 1, 0);
		from = fds[i] + 1;
	}
	sys_close_range((unsigned int)from, ~0U, 0);
	return criu_streams_settle(NULL);
}

static _Noreturn void keep_watch(pid_t criu, int fds[N_KEPT], bool frozen)
{
	static const int deaf_to[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	bool settled = false;
	char word = WORD_SETTLED;
	ssize_t n;

	setsid();
	for (size_t i = 0; i < ARRAY_LEN(deaf_to); i++)
		signal(deaf_to[i], SIG_IGN);
	if (close_others(fds) < 0)
		_exit(1);
	do {
		n = read(fds[KEEP_PIPE], &word, 1);
		settled = settled || (n == 1 && word == WORD_SETTLED);
	} while ((n < 0 && errno == EINTR) || (n == 1 && word == WORD_SETTLED));
	if (n == 0 && dump_give_up(criu, fds[KEEP_CRIU], settled) && fds[KEEP_CGROUP] >= 0)
		file_write_existing(fds[KEEP_CGROUP], "cgroup.freeze", frozen ? "1" : "0");
	_exit(0);
}

int dump_guard_start(struct dump_guard *guard, const struct criu *criu, int cgroup_fd, bool frozen,
		     struct wh_error *err)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	int ends[2];
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return wh_fail(err, errno, "make a pipe");
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		keep_watch(criu->pid, (int[]){ends[0], criu->pidfd, cgroup_fd}, frozen);
	fd_close(ends[0]);
	if (pid < 0) {
		fd_close(ends[1]);
		return wh_fail(err, (int)-pid, "fork");
	}
	guard->pid = (pid_t)pid;
	guard->pipe = ends[1];
	return 0;
}

static void tell(const struct dump_guard *guard, char word)
{
	(void)fd_write_all(guard->pipe, &word, sizeof(word));
}

void dump_guard_settle(struct dump_guard *guard)
{
	if (guard->pid > 0)
		tell(guard, WORD_SETTLED);
}

void dump_guard_end(struct dump_guard *guard)
{
	if (guard->pid <= 0)
		return;
	tell(guard, WORD_END);
	guard->pipe = fd_close(guard->pipe);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	guard->pid = 0;
}
