/* SPDX-License-Identifier: Apache-2.0 */
#include "base/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/adoption.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/interrupt.h"
#include "base/str.h"
#include "base/sys.h"

/**
 * How long to look for the remains of a killed process group: they are ours only where we are their
 * reaper (pid 1).
 */
#define REAP_LIMIT_MS 100
/** How long killed processes that left the group may take to be gone. */
#define ADOPTED_LIMIT_MS 1000

/** Our ends of the pipes, and the child. */
struct running {
	int input; /* -EBADF once everything is written or the program has closed it */
	int output;
	int exec_error;
	int pidfd;
	int signal_fd; /* lent; -EBADF: no signal ends it */
	pid_t pid;
	size_t fed; /* bytes of the input */
	int64_t deadline_ms;
};

/**
 * In the child: only what is safe between fork and exec. @pipes: its ends of input, output and exec
 * error.
 */
static _Noreturn void become(const struct command *command, const int pipes[3])
{
	static char *const no_env[] = {NULL};
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;
	int error_fd;
	int code;

	/* Away from 0, 1, 2 and 3 first, so that no dup2() below covers a source. */
	error_fd = fcntl(pipes[2], F_DUPFD_CLOEXEC, 4);
	if (setsid() < 0 || error_fd < 0)
		goto fail;
	if (command->cwd_fd >= 0 && fchdir(command->cwd_fd) < 0)
		goto fail;
	if (dup2(pipes[0], 0) < 0 || dup2(pipes[1], 1) < 0 || dup2(pipes[1], 2) < 0)
		goto fail;
	if (dup3(error_fd, 3, O_CLOEXEC) < 0)
		goto fail;
	error_fd = 3;
	code = sys_close_range(4, ~0U, 0);
	if (code < 0) {
		errno = -code;
		goto fail;
	}
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(command->path, (char *const *)command->argv,
	       command->envp ? (char *const *)command->envp : no_env);
fail:
	code = errno;
	if (write(error_fd < 0 ? pipes[2] : error_fd, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

/**
 * A pipe whose ends are both above the standard fds, so that the child's dup2() keeps the close-on-
 * exec ends apart.
 */
static int make_pipe(int *ret_read, int *ret_write)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		int moved;

		if (ends[i] > 2)
			continue;
		moved = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
		if (moved < 0) {
			int code = errno;

			close(ends[0]);
			close(ends[1]);
			return -code;
		}
		close(ends[i]);
		ends[i] = moved;
	}
	*ret_read = ends[0];
	*ret_write = ends[1];
	return 0;
}

static int start(const struct command *command, struct running *run, struct wh_error *err)
{
	auto_fd input = -EBADF;
	auto_fd output = -EBADF;
	auto_fd exec_error = -EBADF;
	struct clone_args args = {
	    .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&run->pidfd, .exit_signal = SIGCHLD};
	long pid;
	int rc;

	rc = make_pipe(&input, &run->input);
	if (rc == 0)
		rc = make_pipe(&run->output, &output);
	if (rc == 0)
		rc = make_pipe(&run->exec_error, &exec_error);
	if (rc < 0)
		return wh_fail(err, -rc, "make pipes");
	if (fcntl(run->input, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(run->output, F_SETFL, O_NONBLOCK) < 0)
		return wh_fail(err, errno, "make pipes");
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		become(command, (const int[]){input, output, exec_error});
	if (pid < 0) {
		run->pidfd = -EBADF;
		return wh_fail(err, (int)-pid, "fork");
	}
	run->pid = (pid_t)pid;
	return 0;
}

static void feed(const struct command *command, struct running *run)
{
	while (run->fed < command->input_len) {
		ssize_t n = write(run->input, (const char *)command->input + run->fed,
				  command->input_len - run->fed);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break; /* EPIPE: it does not want the rest */
		run->fed += (size_t)n;
	}
	run->input = fd_close(run->input);
}

/** Append to the output, dropping its beginning when there is too much. */
static void keep(struct command_result *result, const char *data, size_t len)
{
	size_t room = COMMAND_OUTPUT_MAX - result->output_len;

	if (len > room) {
		size_t drop = len - room;

		memmove(result->output, result->output + drop, result->output_len - drop);
		result->output_len -= drop;
	}
	memcpy(result->output + result->output_len, data, len);
	result->output_len += len;
}

/**
 * Take what there is. At most a bounded number of reads, so that a program that never stops writing
 * cannot hold us here.
 */
static void drain(struct running *run, struct command_result *result)
{
	char chunk[1024];

	for (int i = 0; i < 64; i++) {
		ssize_t n = read(run->output, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			run->output = fd_close(run->output);
			return;
		}
		keep(result, chunk, (size_t)n);
	}
}

static int time_left(const struct running *run, const struct command *command)
{
	int64_t left;

	if (command->timeout_ms < 0)
		return -1;
	left = run->deadline_ms - clock_ms();
	return left > 0 ? (int)left : 0;
}

/**
 * Wait for the program's end, feeding and draining. Returns 0 at its end, -ETIMEDOUT, -ECANCELED after
 * a signal, or -errno.
 */
static int attend(const struct command *command, struct running *run, struct command_result *result)
{
	for (;;) {
		struct pollfd fds[] = {
		    {.fd = run->pidfd,     .events = POLLIN },
		    {.fd = run->output,    .events = POLLIN },
		    {.fd = run->input,     .events = POLLOUT},
		    {.fd = run->signal_fd, .events = POLLIN },
		};
		int left = time_left(run, command);
		int n = poll(fds, ARRAY_LEN(fds), left);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		if (fds[1].revents)
			drain(run, result);
		if (fds[2].revents)
			feed(command, run);
		if (fds[0].revents)
			return 0;
		if (fds[3].revents && (result->cancelled = interrupt_take(run->signal_fd)) > 0)
			return -ECANCELED;
		if (left == 0)
			return -ETIMEDOUT;
	}
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/** Kill the whole group while its leader is not reaped yet, so that the id is surely its own. */
static void kill_group(const struct running *run)
{
	sys_pidfd_send_signal(run->pidfd, SIGKILL, NULL, 0);
	kill(-run->pid, SIGKILL);
}

/**
 * Where we are the reaper of orphans, take those of the group, so that they do not stay as zombies
 * of the container's program.
 */
static void reap_group(pid_t group, int limit_ms)
{
	const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
	int64_t until = clock_ms() + limit_ms;

	for (;;) {
		pid_t pid = waitpid(-group, NULL, WNOHANG | __WALL);

		if (pid > 0 || (pid < 0 && errno == EINTR))
			continue;
		if (pid < 0 || clock_ms() >= until)
			return;
		nanosleep(&pause, NULL);
	}
}

static void reap(struct running *run, struct command_result *result, bool killed)
{
	int status = 0;

	while (waitpid(run->pid, &status, __WALL) < 0 && errno == EINTR)
		;
	result->status = exit_status(status);
	reap_group(run->pid, killed ? REAP_LIMIT_MS : 0);
}

/** One printable line: what is no text becomes a blank, blanks at the ends go. */
static void tidy_output(struct command_result *result)
{
	size_t len = 0;

	for (size_t i = 0; i < result->output_len; i++) {
		unsigned char c = (unsigned char)result->output[i];
		bool blank = c <= ' ' || c == 0x7f;

		if (blank && (len == 0 || result->output[len - 1] == ' '))
			continue;
		result->output[len++] = blank ? ' ' : (char)c;
	}
	while (len > 0 && result->output[len - 1] == ' ')
		len--;
	result->output_len = len;
	result->output[len] = '\0';
}

static int run_to_end(const struct command *command, struct running *run,
		      const struct adoption *adoption, struct command_result *result,
		      struct wh_error *err)
{
	int code = 0;
	int rc = start(command, run, err);

	if (rc < 0)
		return rc;
	run->deadline_ms = clock_ms() + command->timeout_ms;
	feed(command, run);
	rc = attend(command, run, result);
	if (rc < 0)
		kill_group(run);
	reap(run, result, rc < 0);
	if (rc < 0)
		adoption_kill(adoption, ADOPTED_LIMIT_MS);
	if (run->output >= 0)
		drain(run, result);
	tidy_output(result);
	/* The write end closed at the execve or with the child: this never waits. */
	if (read(run->exec_error, &code, sizeof(code)) == (ssize_t)sizeof(code))
		result->exec_errno = code;
	result->timed_out = rc == -ETIMEDOUT;
	if (rc < 0 && rc != -ETIMEDOUT && rc != -ECANCELED)
		return wh_fail(err, -rc, "wait for '%s'", command->path);
	return 0;
}

/**
 * Writing to a pipe that nobody reads sends SIGPIPE: held back while @set is blocked, and taken off
 * here if it came.
 */
static void forget_sigpipe(const sigset_t *set)
{
	const struct timespec now = {0};

	while (sigtimedwait(set, NULL, &now) > 0)
		;
}

static int run_attended(const struct command *command, struct running *run,
			struct command_result *result, struct wh_error *err)
{
	struct interrupt interrupt;
	struct adoption adoption;
	int rc = interrupt_begin(&interrupt, err);

	if (rc < 0)
		return rc;
	run->signal_fd = interrupt.fd;
	adoption_begin(&adoption);
	rc = run_to_end(command, run, &adoption, result, err);
	adoption_end(&adoption);
	interrupt_end(&interrupt);
	return rc;
}

int command_run(const struct command *command, struct command_result *ret_result,
		struct wh_error *err)
{
	struct running run = {.input = -EBADF,
			      .output = -EBADF,
			      .exec_error = -EBADF,
			      .pidfd = -EBADF,
			      .signal_fd = -EBADF};
	const struct adoption nobody = {.active = false};
	sigset_t sigpipe, saved, pending;
	bool was_pending;
	int rc;

	ret_result->exec_errno = 0;
	ret_result->timed_out = false;
	ret_result->cancelled = 0;
	ret_result->status = 0;
	ret_result->output_len = 0;
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE) == 1;
	sigprocmask(SIG_BLOCK, &sigpipe, &saved);
	rc = command->attended ? run_attended(command, &run, ret_result, err)
			       : run_to_end(command, &run, &nobody, ret_result, err);
	if (!was_pending)
		forget_sigpipe(&sigpipe);
	sigprocmask(SIG_SETMASK, &saved, NULL);
	fd_close(run.input);
	fd_close(run.output);
	fd_close(run.exec_error);
	fd_close(run.pidfd);
	return rc;
}

bool command_can_run(const char *path)
{
	return access(path, X_OK) == 0;
}
