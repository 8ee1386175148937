/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/criu.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/checkpoint/dump_guard.h"
#include "libcontainer/sync.h"

/**
 * Absolute, since whoever can set our PATH must not choose what runs as root: a caller that wants
 * another names it.
 */
static const char *const programs[] = {
    "/usr/sbin/criu",      "/usr/bin/criu",       "/usr/local/sbin/criu",
    "/usr/local/bin/criu", "/opt/criu/sbin/criu",
};

/** ip, iptables-save, tar */
char criu_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#define CRIU_END_TIMEOUT_MS 10000

/** How long CRIU may take to answer what it has little to do for: less than the other end of a migration waits for us. */
#define CRIU_ANSWER_MS 20000
/** How long it may take to undo what it has done: it is killed afterwards, and must not be a moment too early. */
#define CRIU_UNDO_MS 600000

int criu_program_find(const char *wanted, const char **ret_path, struct wh_error *err)
{
	if (wanted) {
		if (wanted[0] != '/')
			return wh_fail_kind(err, WH_ERROR_USAGE, 0,
					    "--criu '%s': an absolute path is needed", wanted);
		if (access(wanted, X_OK) < 0)
			return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, errno, "--criu '%s'",
					    wanted);
		*ret_path = wanted;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		if (access(programs[i], X_OK) == 0) {
			*ret_path = programs[i];
			return 0;
		}
	}
	return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
			    "CRIU is not installed: no criu in /usr/sbin, /usr/bin, "
			    "/usr/local/sbin, /usr/local/bin or /opt/criu/sbin; install CRIU 4 "
			    "or newer, or name it with --criu");
}

/** What the new process does; the fds are numbers in it. */
struct birth {
	const struct criu_start *start;
	const char *program;
	int sock;
	int report;
	pid_t parent;
};

int criu_streams_settle(struct wh_error *err)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return wh_fail(err, errno, "open /dev/null");
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (dup2(null_fd, fd) < 0)
			return wh_fail(err, errno, "make /dev/null fd %d", fd);
	}
	return 0;
}

/**
 * A socket for the page server of a lazy checkpoint is an option that no request has, only a configuration file: one
 * in memory, named by CRIU's variable for it in @variable.
 */
static int settle_page_socket(int sock, char *variable, size_t size, struct wh_error *err)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "ps-socket %d\n", sock);
	int fd = memfd_create("criu.conf", 0); /* stays open in CRIU */
	int rc = fd < 0 ? -errno : fd_write_all(fd, text, (size_t)len);

	if (rc < 0)
		return wh_fail(err, -rc, "make a configuration for CRIU");
	fcntl(sock, F_SETFD, 0);
	snprintf(variable, size, "CRIU_CONFIG_FILE=/proc/self/fd/%d", fd);
	return 0;
}

static int become(const struct birth *birth, struct wh_error *err)
{
	const struct criu_start *start = birth->start;
	char number[16];
	char config[48];
	char *argv[] = {(char *)(uintptr_t) "criu", (char *)(uintptr_t) "swrk", number, NULL};
	char *envp[] = {criu_path, start->page_socket > 0 ? config : NULL, NULL};
	sigset_t none;
	int rc;

	assert(birth->program);
	if (start->dies_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != birth->parent)
			_exit(1);
	}
	rc = start->born ? sync_expect(start->gate, SYNC_PROCEED, err) : 0;
	if (rc == 0 && start->prepare)
		rc = start->prepare(start->ctx, err);
	if (rc == 0)
		rc = criu_streams_settle(err);
	if (rc == 0 && start->terminal > 0 && dup2(start->terminal, STDIN_FILENO) < 0)
		rc = wh_fail(err, errno, "make the terminal CRIU's standard input");
	if (rc == 0 && start->page_socket > 0)
		rc = settle_page_socket(start->page_socket, config, sizeof(config), err);
	if (rc < 0)
		return rc;
	fcntl(birth->sock, F_SETFD, 0);
	for (size_t i = 0; i < start->n_inherit; i++)
		fcntl(start->inherit[i], F_SETFD, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/*
	 * Who saves must not die of our end: it notices, and lets the container go. What is restored inherits what
	 * it does not set.
	 */
	if (start->dies_with_us)
		signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, start->saves ? SIG_IGN : SIG_DFL);
	/* a session of its own: signals from the caller's terminal are not for it */
	setsid();
	snprintf(number, sizeof(number), "%d", birth->sock);
	execve(birth->program, argv, envp);
	return wh_fail(err, errno, "execute '%s'", birth->program);
}

int criu_hear(int report, struct wh_error *err)
{
	struct wh_error theirs;
	ssize_t n;

	do {
		n = read(report, &theirs, sizeof(theirs));
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(theirs))
		return 0;
	if (err)
		*err = theirs;
	return theirs.code ? -theirs.code : -EINVAL;
}

/** Where it has to wait for the caller. One that is not let go is ended here. */
static int let_go(const struct criu *criu, const struct criu_start *start, struct wh_error *err)
{
	int rc = start->born ? start->born(start->ctx, criu->pid, err) : 0;

	if (rc < 0)
		sys_pidfd_send_signal(criu->pidfd, SIGKILL, NULL, 0);
	return rc;
}

static int give_birth(struct criu *criu, struct birth *birth, struct wh_error *err)
{
	struct clone_args args = {
	    .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&criu->pidfd, .exit_signal = SIGCHLD};
	int ends[2];
	long pid;
	int rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return wh_fail(err, errno, "make a pipe");
	birth->report = ends[1];
	if (birth->start->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)birth->start->cgroup_fd;
	}
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0) {
		struct wh_error reason = WH_ERROR_INIT;

		become(birth, &reason);
		(void)fd_write_all(birth->report, &reason, sizeof(reason));
		_exit(1);
	}
	fd_close(ends[1]);
	if (pid < 0) {
		criu->pidfd = -EBADF;
		rc = wh_fail(err, (int)-pid, "start CRIU");
	} else {
		criu->pid = (pid_t)pid;
		rc = let_go(criu, birth->start, err);
		if (rc == 0)
			rc = criu_hear(ends[0], err);
	}
	fd_close(ends[0]);
	return rc;
}

static int check_version(struct criu *criu, const char *program, struct wh_error *err)
{
	const struct criu_request request = {.type = CRIU_VERSION, .keep_open = true};
	struct criu_response response;
	int rc = criu_call(criu, &request, NULL, NULL, &response, err);

	if (rc < 0 && !wh_error_set(err))
		return wh_fail(err, 0, "'%s' does not tell its version", program);
	if (rc < 0)
		return rc;
	criu->version = response.version;
	if (response.version >= CRIU_VERSION_MIN)
		return 0;
	return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
			    "'%s' is CRIU %u.%u: version 4.0 or newer is needed", program,
			    response.version / 10000, response.version / 100 % 100);
}

int criu_start(struct criu *criu, const struct criu_start *start, struct arena *arena,
	       struct wh_error *err)
{
	struct birth birth = {.start = start, .parent = getpid()};
	int socks[2];
	int rc;

	*criu = CRIU_NONE;
	rc = criu_program_find(start->program, &birth.program, err);
	if (rc < 0)
		return rc;
	criu->buffer = arena_alloc(arena, CRIU_REQUEST_MAX);
	if (!criu->buffer)
		return wh_oom(err);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return wh_fail(err, errno, "make a socket pair");
	criu->sock = socks[0];
	birth.sock = socks[1];
	rc = give_birth(criu, &birth, err);
	fd_close(socks[1]);
	return rc < 0 ? rc : check_version(criu, birth.program, err);
}

void criu_done(struct criu *criu)
{
	int status;

	criu->sock = fd_close(criu->sock);
	if (criu->pidfd < 0)
		return;
	if (process_wait_end(criu->pidfd, CRIU_END_TIMEOUT_MS) < 0)
		sys_pidfd_send_signal(criu->pidfd, SIGKILL, NULL, 0);
	process_reap(criu->pidfd, &status);
	criu->pidfd = fd_close(criu->pidfd);
}

static int send_request(struct criu *criu, const struct criu_request *request, struct wh_error *err)
{
	struct pb_writer writer = {.data = criu->buffer, .size = CRIU_REQUEST_MAX};
	int rc = criu_request_encode(request, &writer);

	if (rc == 0)
		rc = fd_send(criu->sock, writer.data, writer.used, NULL, 0);
	return rc < 0 ? wh_fail(err, -rc, "send CRIU a request") : 0;
}

/** To save or restore takes as long as there is something to do. */
static int answer_ms(enum criu_request_type type)
{
	return type == CRIU_DUMP || type == CRIU_PRE_DUMP || type == CRIU_RESTORE ? -1
										  : CRIU_ANSWER_MS;
}

/**
 * What is saved is let go again; what is restored is the caller's to take away. Returns -ECANCELED, or 0 where CRIU is to
 * be waited for, but for @timeout_ms at most.
 */
static int hear_signal(struct criu *criu, enum criu_request_type type, int *timeout_ms,
		       struct wh_error *err)
{
	int sig = interrupt_take(criu->interrupt_fd);

	if (sig == 0)
		return 0;
	if (criu->settled) {
		*timeout_ms = DUMP_GIVE_UP_MS;
		return 0;
	}
	shutdown(criu->sock, SHUT_RDWR);
	if (type == CRIU_RESTORE)
		sys_pidfd_send_signal(criu->pidfd, SIGKILL, NULL, 0);
	else
		dump_give_up(criu->pid, criu->pidfd, false);
	wh_fail_kind(err, WH_ERROR_RUNTIME, 0, "interrupted by signal %d", sig);
	return -ECANCELED;
}

/** Wait at most @timeout_ms (-1: for ever) for CRIU's next words. One that is mute will not hear our goodbye, either. */
static int await_answer(struct criu *criu, enum criu_request_type type, int timeout_ms,
			struct wh_error *err)
{
	struct pollfd fds[] = {
	    {.fd = criu->sock,         .events = POLLIN},
	    {.fd = criu->interrupt_fd, .events = POLLIN},
	};
	int n;

	do {
		n = poll(fds, ARRAY_LEN(fds), timeout_ms);
		if (n > 0 && fds[1].revents) {
			int rc = hear_signal(criu, type, &timeout_ms, err);

			if (rc < 0)
				return rc;
			continue;
		}
	} while ((n < 0 && errno == EINTR) || (n > 0 && !fds[0].revents));
	if (n < 0)
		return wh_fail(err, errno, "wait for CRIU");
	if (n > 0)
		return 0;
	sys_pidfd_send_signal(criu->pidfd, SIGKILL, NULL, 0);
	return wh_fail(err, ETIMEDOUT, "CRIU (process %d) has not answered for %d s",
		       (int)criu->pid, timeout_ms / 1000);
}

/** Receive an answer, with the fd that came along or -EBADF. */
static int receive(struct criu *criu, struct criu_response *ret_response, int *ret_fd,
		   struct wh_error *err)
{
	static char data[CRIU_RESPONSE_MAX];
	size_t n_fds = 1;
	ssize_t n;

	*ret_fd = -EBADF;
	n = fd_recv(criu->sock, data, sizeof(data), ret_fd, &n_fds);
	if (n_fds == 0)
		*ret_fd = -EBADF;
	if (n == 0)
		return wh_fail(err, 0, "CRIU ended without an answer");
	if (n < 0)
		return wh_fail(err, (int)-n, "receive CRIU's answer");
	if (criu_response_decode(data, (size_t)n, ret_response) < 0) {
		*ret_fd = fd_close(*ret_fd);
		return wh_fail(err, EBADMSG, "read CRIU's answer");
	}
	return 0;
}

/** A notification is answered in any case; what it was refused for is the error of the call. */
static int answer(struct criu *criu, const struct criu_response *response, int fd,
		  criu_notify_fn notify, void *ctx, struct wh_error *err)
{
	struct criu_request request = {.type = CRIU_NOTIFY};
	int rc = 0;

	if (notify)
		rc = notify(ctx, response->script, response->notify_pid, fd, err);
	else
		fd_close(fd);
	request.notify_success = rc == 0;
	if (rc < 0) {
		send_request(criu, &request, NULL); /* the refusal's reason is the error */
		return rc;
	}
	return send_request(criu, &request, err);
}

int criu_call(struct criu *criu, const struct criu_request *request, criu_notify_fn notify,
	      void *ctx, struct criu_response *ret_response, struct wh_error *err)
{
	struct wh_error refusal = WH_ERROR_INIT;
	int refused = 0;
	bool cut_off = false; /* it has nothing to do any more but to end */
	int rc = send_request(criu, request, err);

	if (rc < 0)
		return rc;
	for (;;) {
		int fd = -EBADF;

		if (criu->attend && refused == 0) {
			refused = criu->attend(criu->attend_ctx, criu->sock, &refusal);
			cut_off = refused < 0;
		}
		*ret_response = (struct criu_response){.success = false};
		rc = await_answer(criu, request->type,
				  cut_off ? CRIU_UNDO_MS : answer_ms(request->type),
				  refused < 0 ? NULL : err);
		if (rc == 0)
			rc = receive(criu, ret_response, &fd, refused < 0 ? NULL : err);
		if (rc < 0)
			break;
		if (ret_response->type != CRIU_NOTIFY) {
			fd_close(fd);
			rc = ret_response->success ? 0 : -EIO;
			break;
		}
		rc = answer(criu, ret_response, fd, notify, ctx, &refusal);
		if (rc < 0 && refused == 0)
			refused = rc;
	}
	if (refused == 0)
		return rc;
	if (err)
		*err = refusal;
	return refused;
}
