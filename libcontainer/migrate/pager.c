/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/pager.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/checkpoint/lazy_keep.h"
#include "libcontainer/migrate/fetch.h"
#include "libcontainer/migrate/stored.h"

/** Where the pager's fds are, and that of nothing else. */
enum {
	PAGER_IN = 3,
	PAGER_OUT,
	PAGER_LINK,
	PAGER_PAGES,
	PAGER_CRIU,
	PAGER_REPORT,
	PAGER_IMAGES,
	N_PAGER_FDS
};

/** How long a copy may outlive what it is a copy of. */
#define PRUNE_MS 20

struct pager {
	struct migrate_conn source;
	struct migrate_conn receiver;
	struct migrate_fetch fetch;
	struct migrate_stored stored; /* instead of the source */
	int64_t heard_ms; /* when the source was last heard, or began to be waited for */
	int64_t pruned_ms;
	bool has_read; /* of the images, since the receiver was told that last */
	int answer_ms;
	pid_t criu;
	struct lazy_copy witness; /* CRIU holds our end of its socket, too, and never closes it */
	struct lazy_keep keep;
};

/** What is still on its way for it is dropped. Whether that is well is the receiver's to find out. */
static int criu_has_ended(struct pager *pager)
{
	migrate_fetch_stop(&pager->fetch);
	return 0;
}

/** One message to whom it is for. Returns 0, or -errno when there is no going on. */
static int pass_on(struct migrate_conn *to, const struct migrate_message *msg, struct wh_error *err)
{
	return migrate_send(to, msg->type, msg->payload, msg->len, NULL, 0, err);
}

/** The next message of @from, whose end is a failure as well. */
static int hear(struct pager *pager, struct migrate_conn *from, struct migrate_message *ret_msg,
		struct wh_error *err)
{
	int rc = migrate_receive(from, pager->answer_ms, ret_msg, err);

	return rc == 0 && ret_msg->type == MIGRATE_EOF
		   ? wh_fail(err, EPIPE, "the connection to %s was lost", from->peer)
		   : rc;
}

/** What became of giving memory to CRIU: that it is gone is no failure. */
static int fetched(struct pager *pager, int rc)
{
	return rc == -EPIPE && (pager->stored.index || !pager->source.broken)
		   ? criu_has_ended(pager)
		   : rc;
}

static int from_source(struct pager *pager, struct wh_error *err)
{
	struct migrate_message msg;
	int rc = hear(pager, &pager->source, &msg, err);

	if (rc < 0)
		return rc;
	pager->heard_ms = clock_ms();
	if (msg.type != MIGRATE_GIVEN && msg.type != MIGRATE_GIVEN_DATA)
		return pass_on(&pager->receiver, &msg, err);
	if (pager->fetch.criu < 0)
		return 0; /* for what has ended meanwhile */
	return fetched(pager, migrate_fetch_given(&pager->fetch, &msg, err));
}

/** Over the images it is answered by us: that there are copies, and whether something was read since it was told so last. */
static int answer_receiver(struct pager *pager, const struct migrate_message *msg,
			   struct wh_error *err)
{
	bool answered = msg->type == MIGRATE_PREPARED;

	if (msg->type == MIGRATE_READING) {
		answered = pager->has_read;
		pager->has_read = false;
	}
	return answered ? pass_on(&pager->receiver, msg, err) : 0;
}

static int from_receiver(struct pager *pager, struct wh_error *err)
{
	struct migrate_message msg;
	int rc = hear(pager, &pager->receiver, &msg, err);

	if (rc < 0)
		return rc;
	if (msg.type == MIGRATE_PREPARED)
		rc = lazy_keep_take(&pager->keep, pager->criu, PAGER_CRIU, pager->witness, err);
	else if (msg.type == MIGRATE_COMPLETE)
		lazy_keep_drop(&pager->keep);
	if (rc < 0)
		return rc;
	return pager->stored.index ? answer_receiver(pager, &msg, err)
				   : pass_on(&pager->source, &msg, err);
}

/**
 * CRIU has done what it wanted to, waits for this word, and ends. Until it has the word what it has closed itself, and what it
 * still has, can be told apart: the copies of the former go now.
 */
static int say_goodbye(struct pager *pager, struct wh_error *err)
{
	const int32_t good = 0;

	lazy_keep_prune(&pager->keep);
	return fetched(pager, migrate_fetch_say(&pager->fetch, &good, sizeof(good), err));
}

static int give_stored(struct pager *pager, const struct migrate_range *range, struct wh_error *err)
{
	int rc = migrate_stored_give(&pager->stored, &pager->fetch, range, err);

	pager->has_read = pager->has_read || rc == 0;
	return fetched(pager, rc);
}

static int from_criu(struct pager *pager, struct wh_error *err)
{
	const size_t size = migrate_page_request_size(pager->fetch.version);
	struct migrate_page_request request;
	struct migrate_range range;
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX];
	/* it is sent at once: what is shorter is something else, of which the rest will not come */
	ssize_t n = recv(pager->fetch.criu, raw, size, MSG_DONTWAIT);

	/* the latter when it has left something unread */
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return criu_has_ended(pager);
	if (n != (ssize_t)size)
		return wh_fail(err, n < 0 ? errno : EPROTO,
			       "read from 'criu lazy-pages' what it wants");
	request = migrate_page_request_decode(raw, pager->fetch.version);
	if (request.command == PAGE_SERVER_CLOSE || request.command == PAGE_SERVER_FORCE_CLOSE)
		return say_goodbye(pager, err);
	if (request.command != PAGE_SERVER_GET || request.count == 0)
		return wh_fail(err, EPROTO,
			       "'criu lazy-pages' asks for something else than memory (%u)",
			       request.command);
	if (pager->fetch.asked.count == 0)
		pager->heard_ms = clock_ms();
	range = (struct migrate_range){
	    .task = request.task, .address = request.address, .count = request.count};
	if (pager->stored.index)
		return give_stored(pager, &range, err);
	return fetched(pager, migrate_fetch_want(&pager->fetch, &range, err));
}

/** Who is heard, in this order: what CRIU wants keeps a process waiting. */
static int (*const handlers[])(struct pager *pager, struct wh_error *err) = {from_criu, from_source,
									     from_receiver};

/** Until something has to be done though nobody said anything. */
static int timeout_of(const struct pager *pager)
{
	if (pager->keep.count > 0)
		return PRUNE_MS;
	return pager->fetch.asked.count > 0 ? pager->answer_ms : -1;
}

static int serve_once(struct pager *pager, struct wh_error *err)
{
	struct pollfd fds[] = {
	    {.fd = migrate_fetch_has_room(&pager->fetch) ? pager->fetch.criu : -EBADF,
	     .events = POLLIN									  },
	    {.fd = pager->source.in,						   .events = POLLIN},
	    {.fd = pager->receiver.in,						 .events = POLLIN},
	};
	int n = poll(fds, ARRAY_LEN(fds), timeout_of(pager));

	static_assert(ARRAY_LEN(fds) == ARRAY_LEN(handlers), "a handler for each");
	if (n < 0)
		return errno == EINTR ? 0 : wh_fail(err, errno, "wait for messages");
	/* what has come while CRIU kept us waiting is an answer */
	if (fds[1].revents == 0 && pager->fetch.asked.count > 0 &&
	    clock_ms() - pager->heard_ms >= pager->answer_ms)
		return wh_fail(err, ETIMEDOUT, "%s has not given for %d s memory that is wanted",
			       pager->source.peer, pager->answer_ms / 1000);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		int rc = fds[i].revents ? handlers[i](pager, err) : 0;

		if (rc < 0)
			return rc;
	}
	if (pager->keep.count > 0 && clock_ms() - pager->pruned_ms >= PRUNE_MS) {
		lazy_keep_prune(&pager->keep);
		pager->pruned_ms = clock_ms();
	}
	return 0;
}

/**
 * There is no going on. The receiver learns that, and why, and takes its container away; what it has to say then goes to the
 * source, unless that is who was lost. What lacks memory waits for it as long (see lazy_keep).
 */
static void give_up(struct pager *pager, const struct wh_error *reason)
{
	struct migrate_message msg;

	if (pager->receiver.broken)
		return;
	(void)fd_write_all(PAGER_REPORT, reason, sizeof(*reason));
	close(PAGER_REPORT);
	shutdown(PAGER_LINK, SHUT_WR);
	while (!pager->source.broken) {
		struct pollfd fds[] = {
		    {.fd = pager->source.in,   .events = POLLIN},
		    {.fd = pager->receiver.in, .events = POLLIN},
		};

		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return;
		/* what it still gives is dropped, since it does not hear while it waits for somebody to read */
		if (fds[0].revents)
			(void)hear(pager, &pager->source, &msg, NULL);
		if (fds[1].revents && (hear(pager, &pager->receiver, &msg, NULL) < 0 ||
				       pass_on(&pager->source, &msg, NULL) < 0))
			return;
	}
}

static int init(struct pager *pager)
{
	int rc = migrate_conn_init(&pager->receiver, PAGER_LINK, PAGER_LINK, "pager",
				   "the receiver", NULL);

	if (rc == 0 && pager->stored.index) {
		pager->source = (struct migrate_conn){.in = -EBADF, .out = -EBADF, .broken = true};
		return migrate_stored_init(&pager->stored, NULL);
	}
	if (rc == 0)
		rc = migrate_conn_init(&pager->source, PAGER_IN, PAGER_OUT, "pager", "the source",
				       NULL);
	return rc < 0 ? rc : migrate_fetch_init(&pager->fetch, NULL);
}

/** In the child: nothing is open but these fds, and standard error. */
static _Noreturn void serve(const int fds[N_PAGER_FDS - PAGER_IN],
			    const struct migrate_pager_options *opts)
{
	static const int deaf_to[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	static struct pager pager;
	struct wh_error err = WH_ERROR_INIT;
	int high[N_PAGER_FDS - PAGER_IN];

	pager = (struct pager){
	    .fetch = {.source = &pager.source,
		      .criu = PAGER_PAGES,
		      .version = opts->criu_version,
		      .answer_ms = opts->answer_ms},
	    .stored = {.index = opts->index, .images_fd = PAGER_IMAGES,                .file_fd = -EBADF},
	    .answer_ms = opts->answer_ms,
	    .criu = opts->criu->pid,
	    .witness = {.theirs = opts->pages,   .ours = PAGER_PAGES},
	};
	if (!opts->index)
		pager.fetch.left = *opts->left;
	setsid();
	for (size_t i = 0; i < ARRAY_LEN(deaf_to); i++)
		signal(deaf_to[i], SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(high); i++)
		high[i] = fds[i] < 0 ? -EBADF : fcntl(fds[i], F_DUPFD_CLOEXEC, N_PAGER_FDS);
	for (size_t i = 0; i < ARRAY_LEN(high); i++) {
		close(PAGER_IN + (int)i);
		if (fds[i] >= 0 && (high[i] < 0 || dup3(high[i], PAGER_IN + (int)i, O_CLOEXEC) < 0))
			_exit(1);
	}
	sys_close_range(N_PAGER_FDS, ~0U, 0);
	/* they may be the connection itself, whose end the source has to see */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	if (init(&pager) < 0)
		_exit(1);
	while (serve_once(&pager, &err) == 0)
		;
	give_up(&pager, &err);
	_exit(0);
}

int migrate_pager_start(struct migrate_pager *pager, struct migrate_conn *conn,
			const struct migrate_pager_options *opts, struct wh_error *err)
{
	struct clone_args args = {
	    .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pager->pidfd, .exit_signal = SIGCHLD};
	int ends[2], report[2];
	long pid;
	int rc;

	*pager = MIGRATE_PAGER_NONE;
	if (pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0)
		return wh_fail(err, errno, "make a pipe");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		rc = wh_fail(err, errno, "make a socket pair");
		fd_close(report[0]);
		fd_close(report[1]);
		return rc;
	}
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		serve((const int[]){conn->in, conn->out, ends[1], opts->pages, opts->criu->pidfd,
				    report[1], opts->index ? opts->images_fd : -EBADF},
		      opts);
	fd_close(ends[1]);
	fd_close(report[1]);
	if (pid < 0) {
		*pager = MIGRATE_PAGER_NONE;
		fd_close(ends[0]);
		fd_close(report[0]);
		return wh_fail(err, (int)-pid, "fork");
	}
	pager->pid = (pid_t)pid;
	pager->report = report[0];
	if (conn->out != conn->in)
		fd_close(conn->out);
	fd_close(conn->in);
	conn->in = ends[0];
	conn->out = ends[0];
	return 0;
}

void migrate_pager_cause(struct migrate_pager *pager, struct migrate_conn *conn,
			 struct wh_error *err)
{
	struct wh_error cause;

	static_assert(sizeof(cause) <= PIPE_BUF, "written and read in one piece");
	/* a source that has said itself why knows better */
	if (pager->pid <= 0 || conn->given_up ||
	    read(pager->report, &cause, sizeof(cause)) != (ssize_t)sizeof(cause))
		return;
	*err = cause;
	conn->broken = false;
}

void migrate_pager_end(struct migrate_pager *pager)
{
	int status;

	if (pager->pid <= 0)
		return;
	if (process_wait_end(pager->pidfd, MIGRATE_END_MS) < 0)
		sys_pidfd_send_signal(pager->pidfd, SIGKILL, NULL, 0);
	(void)process_reap(pager->pidfd, &status);
	fd_close(pager->pidfd);
	fd_close(pager->report);
	*pager = MIGRATE_PAGER_NONE;
}
