/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/page_server.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/adoption.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/sys.h"
#include "libcontainer/checkpoint/criu.h"
#include "libcontainer/checkpoint/criu_setup.h"

#define PAGE_SERVER_LOG "page-server.log"
/** Less than debugging, by which CRIU means a line for each part of the memory. */
#define LOG_LEVEL 3

/** What may be under way to it: with the kernel's default both would wake for every few pages. */
#define SOCKET_ROOM (4 << 20)

/** How long a server may take to end whose socket is closed, in milliseconds. */
#define END_TIMEOUT_MS 10000

/** The error of a server that failed, in its own words. Returns -EIO. */
static int failed(const struct page_server *server, struct wh_error *err)
{
	const struct criu_response response = {.success = false};

	/* the image goes with the migration: the error does not name the log */
	return criu_failed(&response, "take memory", server->image_fd, NULL, PAGE_SERVER_LOG, err);
}

/** Ask @criu, which is started with @sock under the same number, to become one. It is a child of CRIU's. */
static int ask(struct criu *criu, int sock, struct page_server *server, struct wh_error *err)
{
	const struct criu_options options = {
	    .images_dir_fd = server->image_fd,
	    .work_dir_fd = server->image_fd,
	    .log_level = LOG_LEVEL,
	    .log_file = PAGE_SERVER_LOG,
	    .page_server = {.fd = sock},
	};
	const struct criu_request request = {.type = CRIU_PAGE_SERVER_CHLD, .options = &options};
	struct criu_response response;
	int rc = criu_call(criu, &request, NULL, NULL, &response, err);

	if (rc < 0)
		return wh_error_set(err) ? rc : failed(server, err);
	/* it waits for its first words: the number is its own */
	server->pidfd = sys_pidfd_open(response.pid, 0);
	return server->pidfd < 0 ? wh_fail(err, -server->pidfd, "open CRIU's page server") : 0;
}

int page_server_start(const char *criu, int image_fd, struct arena *arena,
		      struct page_server *ret_server, struct wh_error *err)
{
	struct page_server server = PAGE_SERVER_NONE;
	struct criu_start start = {.program = criu, .cgroup_fd = -EBADF, .n_inherit = 1};
	struct criu starter = CRIU_NONE;
	struct adoption adoption;
	const int room = SOCKET_ROOM;
	int socks[2];
	int rc;

	server.image_fd = image_fd;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return wh_fail(err, errno, "make a socket pair");
	/* an ordinary size will do, too */
	(void)setsockopt(socks[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	server.sock = socks[0];
	start.inherit = &socks[1];
	/* the server is a child of the CRIU that was asked; once that is gone it becomes ours, and tells us how it ended */
	adoption_begin(&adoption);
	rc = criu_start(&starter, &start, arena, err);
	if (rc == 0)
		rc = ask(&starter, socks[1], &server, err);
	criu_done(&starter);
	adoption_end(&adoption);
	fd_close(socks[1]);
	if (rc < 0)
		page_server_end(&server);
	else
		*ret_server = server;
	return rc;
}

/** Wait until it is gone, which it is soon, and reap it. Returns its exit status, or -errno. */
static int await_end(struct page_server *server)
{
	int status = 0;
	int rc;

	server->sock = fd_close(server->sock);
	if (server->pidfd < 0)
		return 0;
	if (process_wait_end(server->pidfd, END_TIMEOUT_MS) < 0)
		sys_pidfd_send_signal(server->pidfd, SIGKILL, NULL, 0);
	rc = process_reap(server->pidfd, &status);
	server->pidfd = fd_close(server->pidfd);
	return rc < 0 ? rc : status;
}

int page_server_result(struct page_server *server, struct wh_error *err)
{
	int status = await_end(server);

	/* not ours, on a kernel that lists no children: then nobody knows */
	if (status == 0 || status == -ECHILD)
		return 0;
	if (status < 0)
		return wh_fail(err, -status, "wait for CRIU's page server");
	if (process_status_signal(status)) {
		wh_fail(err, 0, "CRIU's page server was ended by signal %d",
			process_status_signal(status));
		return -EIO;
	}
	return failed(server, err);
}

void page_server_end(struct page_server *server)
{
	(void)await_end(server);
}
