/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/pager.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/checkpoint/lazy_keep.h"
#include "libcontainer/migrate/fetch.h"

/** Where the pager's fds are, and that of nothing else. */
enum { PAGER_IN = 3, PAGER_OUT, PAGER_LINK, PAGER_PAGES, PAGER_CRIU, N_PAGER_FDS };

/** How long a copy may outlive what it is a copy of. */
#define PRUNE_MS 20

struct pager {
	struct migrate_conn source;
	struct migrate_conn receiver;
	struct migrate_fetch fetch;
	uint64_t heard_ms; /* when the source was last heard, or began to be waited for */
	uint64_t pruned_ms;
	pid_t criu;
	struct lazy_copy witness; /* CRIU holds our end of its socket, too, and never closes it */
	struct lazy_keep keep;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/** What is still on its way for it is dropped. Whether that is well is the receiver's to find out. */
static int criu_has_ended(struct pager *pager)
{
	migrate_fetch_stop(&pager->fetch);
	return 0;
}

/** One message to whom it is for. Returns 0, or -errno when there is no going on. */
static int pass_on(struct migrate_conn *to, const struct migrate_message *msg)
{
	return migrate_send(to, msg->type, msg->payload, msg->len, NULL, 0, NULL);
}

/** What became of giving memory to CRIU: that it is gone is no failure. */
static int fetched(struct pager *pager, int rc)
{
	return rc == -EPIPE && !pager->source.broken ? criu_has_ended(pager) : rc;
}

static int from_source(struct pager *pager)
{
	struct migrate_message msg;
	int rc = migrate_receive(&pager->source, MIGRATE_ANSWER_MS, &msg, NULL);

	if (rc < 0 || msg.type == MIGRATE_EOF)
		return rc < 0 ? rc : -EPIPE;
	pager->heard_ms = now_ms();
	if (msg.type != MIGRATE_GIVEN && msg.type != MIGRATE_GIVEN_DATA)
		return pass_on(&pager->receiver, &msg);
	if (pager->fetch.criu < 0)
		return 0; /* for what has ended meanwhile */
	return fetched(pager, migrate_fetch_given(&pager->fetch, &msg, NULL));
}

static int from_receiver(struct pager *pager)
{
	struct migrate_message msg;
	int rc = migrate_receive(&pager->receiver, MIGRATE_ANSWER_MS, &msg, NULL);

	if (rc < 0 || msg.type == MIGRATE_EOF)
		return rc < 0 ? rc : -EPIPE;
	if (msg.type == MIGRATE_PREPARED)
		rc = lazy_keep_take(&pager->keep, pager->criu, PAGER_CRIU, pager->witness, NULL);
	else if (msg.type == MIGRATE_COMPLETE)
		lazy_keep_drop(&pager->keep);
	return rc < 0 ? rc : pass_on(&pager->source, &msg);
}

static int from_criu(struct pager *pager)
{
	const size_t size = migrate_page_request_size(pager->fetch.version);
	const int32_t good = 0;
	struct migrate_page_request request;
	struct migrate_range range;
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX];
	/* it is sent at once: what is shorter is something else, of which the rest will not come */
	ssize_t n = recv(pager->fetch.criu, raw, size, MSG_DONTWAIT);

	/* the latter when it has left something unread */
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return criu_has_ended(pager);
	if (n != (ssize_t)size)
		return -EPROTO;
	request = migrate_page_request_decode(raw, pager->fetch.version);
	if (request.command == PAGE_SERVER_CLOSE || request.command == PAGE_SERVER_FORCE_CLOSE)
		return fetched(pager, fd_write_all(pager->fetch.criu, &good, sizeof(good)));
	if (request.command != PAGE_SERVER_GET || request.count == 0)
		return -EPROTO;
	if (pager->fetch.asked.count == 0)
		pager->heard_ms = now_ms();
	range = (struct migrate_range){
	    .task = request.task, .address = request.address, .count = request.count};
	return fetched(pager, migrate_fetch_want(&pager->fetch, &range, NULL));
}

/** Who is heard, in this order: what CRIU wants keeps a process waiting. */
static int (*const handlers[])(struct pager *pager) = {from_criu, from_source, from_receiver};

/** Until something has to be done though nobody said anything. */
static int timeout_of(const struct pager *pager)
{
	if (pager->keep.count > 0)
		return PRUNE_MS;
	return pager->fetch.asked.count > 0 ? MIGRATE_ANSWER_MS : -1;
}

static int serve_once(struct pager *pager)
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
		return errno == EINTR ? 0 : -errno;
	/* what has come while CRIU kept us waiting is an answer */
	if (fds[1].revents == 0 && pager->fetch.asked.count > 0 &&
	    now_ms() - pager->heard_ms >= MIGRATE_ANSWER_MS)
		return -ETIMEDOUT;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		int rc = fds[i].revents ? handlers[i](pager) : 0;

		if (rc < 0)
			return rc;
	}
	if (pager->keep.count > 0 && now_ms() - pager->pruned_ms >= PRUNE_MS) {
		lazy_keep_prune(&pager->keep);
		pager->pruned_ms = now_ms();
	}
	return 0;
}

/** In the child: nothing is open but these fds, and standard error. */
static _Noreturn void serve(const int fds[N_PAGER_FDS - PAGER_IN],
			    const struct migrate_pager_options *opts)
{
	static const int deaf_to[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	static struct pager pager;
	int high[N_PAGER_FDS - PAGER_IN];

	pager = (struct pager){
	    .fetch = {.source = &pager.source,
		      .criu = PAGER_PAGES,
		      .version = opts->criu_version,
		      .left = *opts->left},
	    .criu = opts->criu->pid,
	    .witness = {.theirs = opts->pages,     .ours = PAGER_PAGES},
	};
	setsid();
	for (size_t i = 0; i < ARRAY_LEN(deaf_to); i++)
		signal(deaf_to[i], SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(high); i++)
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, N_PAGER_FDS);
	for (size_t i = 0; i < ARRAY_LEN(high); i++) {
		if (high[i] < 0 || dup3(high[i], PAGER_IN + (int)i, O_CLOEXEC) < 0)
			_exit(1);
	}
	sys_close_range(N_PAGER_FDS, ~0U, 0);
	/* they may be the connection itself, whose end the source has to see */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	if (migrate_conn_init(&pager.source, PAGER_IN, PAGER_OUT, "pager", "the source", NULL) <
		0 ||
	    migrate_conn_init(&pager.receiver, PAGER_LINK, PAGER_LINK, "pager", "the receiver",
			      NULL) < 0 ||
	    migrate_fetch_init(&pager.fetch, NULL) < 0)
		_exit(1);
	while (serve_once(&pager) == 0)
		;
	_exit(0);
}

int migrate_pager_start(struct migrate_pager *pager, struct migrate_conn *conn,
			const struct migrate_pager_options *opts, struct wh_error *err)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	int ends[2];
	long pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return wh_fail(err, errno, "make a socket pair");
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		serve((const int[]){conn->in, conn->out, ends[1], opts->pages, opts->criu->pidfd},
		      opts);
	fd_close(ends[1]);
	if (pid < 0) {
		fd_close(ends[0]);
		return wh_fail(err, (int)-pid, "fork");
	}
	pager->pid = (pid_t)pid;
	if (conn->out != conn->in)
		fd_close(conn->out);
	fd_close(conn->in);
	conn->in = ends[0];
	conn->out = ends[0];
	return 0;
}

void migrate_pager_end(struct migrate_pager *pager)
{
	if (pager->pid <= 0)
		return;
	while (waitpid(pager->pid, NULL, 0) < 0 && errno == EINTR)
		;
	pager->pid = 0;
}
