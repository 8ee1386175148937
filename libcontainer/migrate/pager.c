/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/pager.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/checkpoint/lazy_keep.h"

/** The first CRIU that counts pages in 64 bits. */
#define WIDE_COUNT_CRIU 40200U

/** A request on the socket, in the order of bytes of the host. */
struct narrow_request {
	uint32_t command;
	uint32_t count;
	uint64_t address;
	uint64_t task;
};
struct wide_request {
	uint32_t command;
	uint32_t unused;
	uint64_t count;
	uint64_t address;
	uint64_t task;
};
static_assert(sizeof(struct narrow_request) == 24, "as CRIU has it");
static_assert(sizeof(struct wide_request) == MIGRATE_PAGE_REQUEST_MAX, "as CRIU has it");

/** Most pages in one answer: more than CRIU asks for at once. */
#define ANSWER_PAGES_MAX 65536

/** Where the pager's fds are, and that of nothing else. */
enum { PAGER_IN = 3, PAGER_OUT, PAGER_LINK, PAGER_PAGES, PAGER_CRIU, N_PAGER_FDS };

/** How long a copy may outlive what it is a copy of. */
#define PRUNE_MS 20

struct pager {
	struct migrate_conn source;
	struct migrate_conn receiver;
	int pages; /* -EBADF once CRIU is gone */
	struct migrate_answer_state answer;
	unsigned int asked; /* for so many answers the source is waited for */
	uint64_t heard_ms;  /* when it was last heard, or began to be waited for */
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

size_t migrate_page_request_size(unsigned int version)
{
	return version < WIDE_COUNT_CRIU ? sizeof(struct narrow_request)
					 : sizeof(struct wide_request);
}

void migrate_page_request_encode(const struct migrate_page_request *request, unsigned int version,
				 void *raw)
{
	const struct narrow_request narrow = {.command = request->command,
					      .count = (uint32_t)request->count,
					      .address = request->address,
					      .task = request->task};
	const struct wide_request wide = {.command = request->command,
					  .count = request->count,
					  .address = request->address,
					  .task = request->task};

	if (version < WIDE_COUNT_CRIU)
		memcpy(raw, &narrow, sizeof(narrow));
	else
		memcpy(raw, &wide, sizeof(wide));
}

struct migrate_page_request migrate_page_request_decode(const void *raw, unsigned int version)
{
	struct narrow_request narrow;
	struct wide_request wide;

	if (version < WIDE_COUNT_CRIU) {
		memcpy(&narrow, raw, sizeof(narrow));
		return (struct migrate_page_request){narrow.command, narrow.count, narrow.address,
						     narrow.task};
	}
	memcpy(&wide, raw, sizeof(wide));
	return (struct migrate_page_request){wide.command, wide.count, wide.address, wide.task};
}

int migrate_pager_answer(struct migrate_answer_state *state, const struct migrate_message *msg,
			 int pages, struct wh_error *err)
{
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX];
	int rc;

	if (msg->type == MIGRATE_GIVEN) {
		const struct migrate_range answer = migrate_get_range(msg);
		const struct migrate_page_request head = {
		    .command = PAGE_SERVER_ADD | PAGE_SERVER_PRESENT << 16,
		    .count = answer.count,
		    .address = answer.address,
		    .task = answer.task,
		};

		if (state->left > 0 || answer.count == 0 || answer.count > ANSWER_PAGES_MAX)
			return wh_fail(err, EPROTO, "the source sent pages out of order");
		state->left = answer.count * (uint64_t)sysconf(_SC_PAGESIZE);
		migrate_page_request_encode(&head, state->version, raw);
		rc = fd_write_all(pages, raw, migrate_page_request_size(state->version));
	} else {
		if (msg->len > state->left)
			return wh_fail(err, EPROTO, "the source sent memory that nobody wants");
		state->left -= msg->len;
		rc = fd_write_all(pages, msg->payload, msg->len);
	}
	return rc < 0 ? wh_fail(err, -rc, "give memory to CRIU") : 0;
}

/** What is still on its way for it is dropped. Whether that is well is the receiver's to find out. */
static int criu_has_ended(struct pager *pager)
{
	pager->pages = -EBADF;
	pager->asked = 0;
	return 0;
}

/** One message to whom it is for. Returns 0, or -errno when there is no going on. */
static int pass_on(struct migrate_conn *to, const struct migrate_message *msg)
{
	return migrate_send(to, msg->type, msg->payload, msg->len, NULL, 0, NULL);
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
	if (pager->pages < 0)
		return 0; /* for what has ended meanwhile */
	rc = migrate_pager_answer(&pager->answer, &msg, pager->pages, NULL);
	if (rc == -EPIPE)
		return criu_has_ended(pager);
	if (rc == 0 && pager->answer.left == 0 && pager->asked > 0)
		pager->asked--;
	return rc;
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
	const unsigned int version = pager->answer.version;
	const int32_t good = 0;
	struct migrate_page_request request;
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX];
	/* it is sent at once: what is shorter is something else, of which the rest will not come */
	ssize_t n = recv(pager->pages, raw, migrate_page_request_size(version), MSG_DONTWAIT);

	if (n == 0)
		return criu_has_ended(pager);
	if (n != (ssize_t)migrate_page_request_size(version))
		return -EPROTO;
	request = migrate_page_request_decode(raw, version);
	if (request.command == PAGE_SERVER_CLOSE || request.command == PAGE_SERVER_FORCE_CLOSE)
		return fd_write_all(pager->pages, &good, sizeof(good));
	if (request.command != PAGE_SERVER_GET || request.count == 0)
		return -EPROTO;
	if (pager->asked++ == 0)
		pager->heard_ms = now_ms();
	return migrate_send_range(&pager->source, MIGRATE_WANT,
				  &(struct migrate_range){.task = request.task,
							  .address = request.address,
							  .count = request.count},
				  NULL);
}

/** Who is heard, in this order: what CRIU wants keeps a process waiting. */
static int (*const handlers[])(struct pager *pager) = {from_criu, from_source, from_receiver};

/** Until something has to be done though nobody said anything. */
static int timeout_of(const struct pager *pager)
{
	if (pager->keep.count > 0)
		return PRUNE_MS;
	return pager->asked > 0 ? MIGRATE_ANSWER_MS : -1;
}

static int serve_once(struct pager *pager)
{
	struct pollfd fds[] = {
	    {.fd = pager->pages,       .events = POLLIN},
	    {.fd = pager->source.in,   .events = POLLIN},
	    {.fd = pager->receiver.in, .events = POLLIN},
	};
	int n = poll(fds, ARRAY_LEN(fds), timeout_of(pager));

	static_assert(ARRAY_LEN(fds) == ARRAY_LEN(handlers), "a handler for each");
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		int rc = fds[i].revents ? handlers[i](pager) : 0;

		if (rc < 0)
			return rc;
	}
	if (pager->keep.count > 0 && now_ms() - pager->pruned_ms >= PRUNE_MS) {
		lazy_keep_prune(&pager->keep);
		pager->pruned_ms = now_ms();
	}
	return pager->asked > 0 && now_ms() - pager->heard_ms >= MIGRATE_ANSWER_MS ? -ETIMEDOUT : 0;
}

/** In the child: nothing is open but these fds, and standard error. */
static _Noreturn void serve(const int fds[N_PAGER_FDS - PAGER_IN], pid_t criu, unsigned int version)
{
	static const int deaf_to[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	struct pager pager = {
	    .pages = PAGER_PAGES,
	    .answer = {.version = version  },
	    .criu = criu,
	    .witness = { .theirs = fds[PAGER_PAGES - PAGER_IN], .ours = PAGER_PAGES}
        };
	int high[N_PAGER_FDS - PAGER_IN];

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
			      NULL) < 0)
		_exit(1);
	while (serve_once(&pager) == 0)
		;
	_exit(0);
}

int migrate_pager_start(struct migrate_pager *pager, struct migrate_conn *conn, int pages,
			const struct lazy_pages *criu, unsigned int version, struct wh_error *err)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	int ends[2];
	long pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return wh_fail(err, errno, "make a socket pair");
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		serve((const int[]){conn->in, conn->out, ends[1], pages, criu->pidfd}, criu->pid,
		      version);
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
