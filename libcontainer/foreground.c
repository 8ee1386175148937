/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"
#include "namespaces/terminal.h"

/**
 * One direction of the relay. A full buffer stops the reading, so nothing is lost and nothing
 * grows.
 */
struct pump {
	int from; /* -EBADF: at its end */
	int to;   /* -EBADF: gone; what is read is dropped */
	size_t start;
	size_t end;
	char buf[16384];
};

struct relay {
	struct foreground *foreground;
	int pidfd;
	pid_t pid;
	int master;
	int notify_fd;
	struct pump in;  /* our stdin to the container */
	struct pump out; /* the container to our stdout */
	bool ended;
};

int foreground_init(struct foreground *foreground, struct wh_error *err)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		sigdelset(&all, own[i]);
	if (sigprocmask(SIG_BLOCK, &all, &foreground->saved_mask) < 0)
		return wh_fail(err, errno, "block signals");
	foreground->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (foreground->signal_fd < 0) {
		int code = errno;

		sigprocmask(SIG_SETMASK, &foreground->saved_mask, NULL);
		return wh_fail(err, code, "make a signalfd");
	}
	return 0;
}

void foreground_done(struct foreground *foreground)
{
	if (foreground->signal_fd < 0)
		return;
	foreground->signal_fd = fd_close(foreground->signal_fd);
	sigprocmask(SIG_SETMASK, &foreground->saved_mask, NULL);
}

int foreground_interrupted(const struct foreground *foreground, struct wh_error *err)
{
	static const int ending[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	sigset_t pending;

	if (foreground->signal_fd < 0 || sigpending(&pending) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(ending); i++) {
		struct sigaction action;

		if (sigismember(&pending, ending[i]) != 1 ||
		    sigaction(ending[i], NULL, &action) < 0 || action.sa_handler == SIG_IGN)
			continue;
		return wh_fail(err, EINTR, "signal %d came before the program was started",
			       ending[i]);
	}
	return 0;
}

/**
 * As the subreaper: orphans of the container are collected; its init is left to foreground_wait().
 */
static void reap_orphans(pid_t keep)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 ||
		    info.si_pid == keep)
			return;
		waitpid(info.si_pid, NULL, 0);
	}
}

static void forward_signals(struct relay *relay)
{
	struct signalfd_siginfo info;

	while (read(relay->foreground->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap_orphans(relay->pid);
			break;
		case SIGWINCH:
			if (relay->master >= 0)
				terminal_copy_size(STDIN_FILENO, relay->master);
			break;
		case SIGPIPE:
		case SIGURG:
			break;
		default:
			sys_pidfd_send_signal(relay->pidfd, (int)info.ssi_signo, NULL, 0);
		}
	}
}

static bool pump_wants_read(const struct pump *pump)
{
	return pump->from >= 0 && pump->end < sizeof(pump->buf);
}

static bool pump_wants_write(const struct pump *pump)
{
	return pump->to >= 0 && pump->start < pump->end;
}

static void pump_read(struct pump *pump)
{
	ssize_t n = read(pump->from, pump->buf + pump->end, sizeof(pump->buf) - pump->end);

	if (n > 0)
		pump->end += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR)) /* EIO: no slave is open any more */
		pump->from = -EBADF;
}

/**
 * No more than a pipe that can be written to has room for: our stdout is not ours to make
 * non-blocking, and while a write waits no signal is forwarded and nothing is read.
 */
static void pump_write(struct pump *pump)
{
	size_t len = pump->end - pump->start;
	ssize_t n = (ssize_t)len;

	if (pump->to >= 0)
		n = write(pump->to, pump->buf + pump->start, len < PIPE_BUF ? len : PIPE_BUF);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) { /* the reader has gone: the container goes on */
		pump->to = -EBADF;
		n = (ssize_t)(pump->end - pump->start);
	}
	pump->start += (size_t)n;
	if (pump->start == pump->end)
		pump->start = pump->end = 0;
}

/** poll(2)'s view of a pump: one slot for each side. */
static void pump_poll(const struct pump *pump, struct pollfd slots[2])
{
	slots[0] = (struct pollfd){.fd = pump_wants_read(pump) ? pump->from : -1, .events = POLLIN};
	slots[1] = (struct pollfd){.fd = pump_wants_write(pump) ? pump->to : -1, .events = POLLOUT};
}

static void pump_run(struct pump *pump, const struct pollfd slots[2])
{
	if (slots[0].revents)
		pump_read(pump);
	if (slots[1].revents || (pump->to < 0 && pump->start < pump->end))
		pump_write(pump);
}

/** What the container wrote before it ended is still in the pty. */
static void drain(struct relay *relay)
{
	struct pump *pump = &relay->out;

	if (relay->master < 0)
		return;
	while (pump->from >= 0 || pump->start < pump->end) {
		struct pollfd slot = {.fd = pump->to, .events = POLLOUT};
		size_t before = pump->end;

		if (pump_wants_read(pump))
			pump_read(pump);
		if (pump->end == before && pump->start == pump->end)
			return;
		if (pump->to >= 0 && poll(&slot, 1, 10000) <= 0)
			return;
		pump_write(pump);
	}
}

static int relay_once(struct relay *relay, struct wh_error *err)
{
	struct pollfd slots[7] = {
	    {.fd = relay->foreground->signal_fd, .events = POLLIN},
	    {.fd = relay->pidfd,                 .events = POLLIN},
	    {.fd = relay->notify_fd,             .events = POLLIN},
	};

	pump_poll(&relay->in, &slots[3]);
	pump_poll(&relay->out, &slots[5]);
	if (poll(slots, ARRAY_LEN(slots), -1) < 0)
		return errno == EINTR ? 0 : wh_fail(err, errno, "wait for the container");
	if (slots[0].revents)
		forward_signals(relay);
	if (slots[2].revents && notify_socket_relay(relay->notify_fd, relay->pid) != 0)
		relay->notify_fd = -1;
	pump_run(&relay->in, &slots[3]);
	pump_run(&relay->out, &slots[5]);
	if (slots[1].revents)
		relay->ended = true;
	return 0;
}

void foreground_plan_size(struct process_plan *plan)
{
	if (plan->terminal)
		terminal_get_size(STDIN_FILENO, &plan->rows, &plan->columns);
}

static void start_relay(struct relay *relay, struct terminal_saved *saved)
{
	relay->in.from = relay->in.to = relay->out.from = relay->out.to = -EBADF;
	if (relay->master < 0)
		return;
	/* a container that does not read would hold us, and then nobody reads what it writes */
	fcntl(relay->master, F_SETFL, fcntl(relay->master, F_GETFL) | O_NONBLOCK);
	terminal_make_raw(STDIN_FILENO, saved);
	terminal_copy_size(STDIN_FILENO, relay->master);
	relay->in.from = STDIN_FILENO;
	relay->in.to = relay->master;
	relay->out.from = relay->master;
	relay->out.to = STDOUT_FILENO;
}

int foreground_wait(struct foreground *foreground, int pidfd, pid_t pid, int master, int notify_fd,
		    int *ret_status, struct wh_error *err)
{
	static struct relay relay;
	struct terminal_saved saved = {.fd = -EBADF};
	int rc = 0;

	relay = (struct relay){.foreground = foreground,
			       .pidfd = pidfd,
			       .pid = pid,
			       .master = master,
			       .notify_fd = notify_fd};
	start_relay(&relay, &saved);
	while (rc == 0 && !relay.ended)
		rc = relay_once(&relay, err);
	drain(&relay);
	terminal_restore(&saved);
	if (rc < 0)
		return rc;
	rc = process_reap(pidfd, ret_status);
	return rc < 0 ? wh_fail(err, -rc, "read the exit status of process %d", pid) : 0;
}
