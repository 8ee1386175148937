/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/lazy_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/checkpoint/criu.h"

/** Long enough for a machine that is busy: it reads a few small files. */
#define READY_TIMEOUT_MS 60000

/** What the new process does; the fds are numbers in it. */
struct birth {
	const char *program;
	const char *path;
	const int *ends;
	int status;
	int report;
};

static int become(const struct birth *birth, struct wh_error *err)
{
	char page_socket[16], status[16];
	const char *argv[] = {
	    "criu",      "lazy-pages",    "--images-dir", birth->path, "--work-dir",
	    birth->path, "--page-server", "--ps-socket",  page_socket, "--status-fd",
	    status,      "--log-file",    LAZY_PAGES_LOG, "-v2",       NULL};
	char *envp[] = {criu_path, NULL};
	sigset_t none;
	int rc = criu_streams_settle(err);

	if (rc < 0)
		return rc;
	snprintf(page_socket, sizeof(page_socket), "%d", birth->ends[0]);
	snprintf(status, sizeof(status), "%d", birth->status);
	fcntl(birth->ends[0], F_SETFD, 0);
	fcntl(birth->ends[1], F_SETFD, 0);
	fcntl(birth->status, F_SETFD, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* a session of its own: what ends us from a terminal must not take the memory away */
	setsid();
	execve(birth->program, (char *const *)(uintptr_t)argv, envp);
	return wh_fail(err, errno, "execute '%s'", birth->program);
}

static int give_birth(struct lazy_pages *lazy, struct birth *birth, struct wh_error *err)
{
	struct clone_args args = {
	    .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&lazy->pidfd, .exit_signal = SIGCHLD};
	long pid = sys_clone3(&args, sizeof(args));

	if (pid == 0) {
		struct wh_error reason = WH_ERROR_INIT;

		become(birth, &reason);
		(void)fd_write_all(birth->report, &reason, sizeof(reason));
		_exit(1);
	}
	if (pid < 0) {
		lazy->pidfd = -EBADF;
		return wh_fail(err, (int)-pid, "start CRIU");
	}
	lazy->pid = (pid_t)pid;
	return 0;
}

/** CRIU's own words for why it has ended. Returns -EIO. */
static int failed(const char *path, const char *what, struct wh_error *err)
{
	const struct criu_response none = {.success = false};
	auto_fd dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* its directory goes with the migration: the error does not name the log */
	return criu_failed(&none, what, dir_fd, NULL, LAZY_PAGES_LOG, err);
}

/** Wait for the byte by which CRIU says that it listens. */
static int await_ready(int status, const char *path, struct wh_error *err)
{
	struct pollfd pollfd = {.fd = status, .events = POLLIN};
	char byte;
	int n;

	do {
		n = poll(&pollfd, 1, READY_TIMEOUT_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return wh_fail(err, ETIMEDOUT, "wait for 'criu lazy-pages'");
	if (n < 0 || read(status, &byte, 1) != 1)
		return failed(path, "prepare to give memory on access", err);
	return 0;
}

int lazy_pages_start(struct lazy_pages *lazy, const char *criu, const char *path, const int ends[2],
		     struct wh_error *err)
{
	struct birth birth = {.path = path, .ends = ends};
	int pipes[2][2] = {
	    {-EBADF, -EBADF},
            {-EBADF, -EBADF}
        };
	int rc;

	*lazy = LAZY_PAGES_NONE;
	rc = criu_program_find(criu, &birth.program, err);
	if (rc < 0)
		return rc;
	if (pipe2(pipes[0], O_CLOEXEC) < 0 || pipe2(pipes[1], O_CLOEXEC) < 0) {
		rc = wh_fail(err, errno, "make a pipe");
	} else {
		birth.status = pipes[0][1];
		birth.report = pipes[1][1];
		rc = give_birth(lazy, &birth, err);
		pipes[0][1] = fd_close(pipes[0][1]);
		pipes[1][1] = fd_close(pipes[1][1]);
	}
	if (rc == 0)
		rc = criu_hear(pipes[1][0], err);
	if (rc == 0)
		rc = await_ready(pipes[0][0], path, err);
	for (size_t i = 0; i < ARRAY_LEN(pipes); i++) {
		fd_close(pipes[i][0]);
		fd_close(pipes[i][1]);
	}
	if (rc < 0)
		lazy_pages_end(lazy);
	return rc;
}

int lazy_pages_result(struct lazy_pages *lazy, const char *path, struct wh_error *err)
{
	int status = 0;
	int rc = process_reap(lazy->pidfd, &status);

	lazy->pidfd = fd_close(lazy->pidfd);
	lazy->pid = 0;
	if (rc < 0)
		return wh_fail(err, -rc, "wait for 'criu lazy-pages'");
	if (process_status_signal(status))
		return wh_fail(err, 0, "'criu lazy-pages' was ended by signal %d",
			       process_status_signal(status));
	return status == 0 ? 0 : failed(path, "fetch memory", err);
}

void lazy_pages_end(struct lazy_pages *lazy)
{
	int status;

	if (lazy->pid <= 0)
		return;
	sys_pidfd_send_signal(lazy->pidfd, SIGKILL, NULL, 0);
	(void)process_reap(lazy->pidfd, &status);
	lazy->pidfd = fd_close(lazy->pidfd);
	lazy->pid = 0;
}
