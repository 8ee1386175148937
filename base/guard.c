/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guard.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

/** The byte that lets it go. */
#define WORD_END '\0'

/** The lowest fd from @from on that is kept; INT_MAX: there is none. */
static int next_kept(const struct guard_post *post, int pipe, int from)
{
	int next = pipe >= from ? pipe : INT_MAX;

	for (size_t i = 0; i < post->n_keep; i++) {
		if (post->keep[i] >= from && post->keep[i] < next)
			next = post->keep[i];
	}
	return next;
}

static void close_others(const struct guard_post *post, int pipe)
{
	int from = STDERR_FILENO + 1;
	int kept;

	while ((kept = next_kept(post, pipe, from)) != INT_MAX) {
		if (kept > from)
			sys_close_range((unsigned int)from, (unsigned int)kept - 1, 0);
		from = kept + 1;
	}
	sys_close_range((unsigned int)from, ~0U, 0);
}

/** Whether the parent is gone without having said WORD_END. */
static bool is_left_alone(int pipe, char *ret_said)
{
	char word;

	*ret_said = WORD_END;
	for (;;) {
		ssize_t n = read(pipe, &word, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != 1 || word == WORD_END)
			return n == 0;
		*ret_said = word;
	}
}

/** A process closes its files a moment before it is seen to have ended. */
static void await_end_of(pid_t parent)
{
	const struct timespec pause = {.tv_nsec = 1000 * 1000};

	while (getppid() == parent)
		nanosleep(&pause, NULL);
}

/** In the guard. @pipe: the reading end. */
static _Noreturn void keep_watch(const struct guard_post *post, pid_t parent, int pipe)
{
	static const int deaf_to[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	char said;

	setsid();
	for (size_t i = 0; i < ARRAY_LEN(deaf_to); i++)
		signal(deaf_to[i], SIG_IGN);
	close_others(post, pipe);
	if (post->prepare && post->prepare(NULL) < 0)
		_exit(1);
	if (is_left_alone(pipe, &said)) {
		await_end_of(parent);
		post->recover(post->ctx, said);
	}
	_exit(0);
}

int guard_start(struct guard *guard, const struct guard_post *post, struct wh_error *err)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	pid_t parent = getpid();
	int ends[2];
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return wh_fail(err, errno, "make a pipe");
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		keep_watch(post, parent, ends[0]);
	fd_close(ends[0]);
	if (pid < 0) {
		fd_close(ends[1]);
		return wh_fail(err, (int)-pid, "fork");
	}
	guard->pid = (pid_t)pid;
	guard->pipe = ends[1];
	return 0;
}

void guard_say(const struct guard *guard, char what)
{
	if (guard->pid > 0)
		(void)fd_write_all(guard->pipe, &what, sizeof(what));
}

void guard_end(struct guard *guard)
{
	if (guard->pid <= 0)
		return;
	guard_say(guard, WORD_END);
	guard->pipe = fd_close(guard->pipe);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	guard->pid = 0;
}
