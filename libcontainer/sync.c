/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/sync.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/fd.h"

static const char *const sync_type_names[] = {
    [SYNC_EOF] = "end of file",
    [SYNC_ERROR] = "error",
    [SYNC_TRACE] = "trace",
    [SYNC_PROCEED] = "proceed",
    [SYNC_CONSOLE] = "console",
    [SYNC_NEED_HOOKS] = "need hooks",
    [SYNC_HOOKS_DONE] = "hooks done",
    [SYNC_FORKED] = "forked",
    [SYNC_PLAN_COMPLETE] = "plan complete",
    [SYNC_READY] = "ready",
    [SYNC_RELEASE] = "release",
    [SYNC_RELEASED] = "released",
    [SYNC_START] = "start",
    [SYNC_SECCOMP] = "seccomp",
    [SYNC_EXECING] = "executing",
    [SYNC_MOUNTED] = "mounted",
};
static_assert(sizeof(sync_type_names) / sizeof(sync_type_names[0]) == SYNC_TYPE_COUNT,
	      "a name for each message");

/** What travels: the header and then the payload. */
struct sync_wire {
	uint32_t type;
	char payload[SYNC_MAX_PAYLOAD];
};

const char *sync_type_name(uint32_t type)
{
	return type < SYNC_TYPE_COUNT ? sync_type_names[type] : "unknown";
}

int sync_pair(int ret_socks[2], struct wh_error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_socks) < 0)
		return wh_fail(err, errno, "make a socket pair for init");
	return 0;
}

int sync_limit_wait(int sock, int limit_ms, struct wh_error *err)
{
	const struct timeval limit = {.tv_sec = limit_ms / 1000,
				      .tv_usec = (limit_ms % 1000) * 1000L};

	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return wh_fail(err, errno, "limit the wait for init");
	return 0;
}

int sync_ask_sender(int sock, struct wh_error *err)
{
	const int on = 1;

	if (setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return wh_fail(err, errno, "ask who sends init's messages");
	return 0;
}

int sync_send_data(int sock, enum sync_type type, const void *data, size_t len, int fd,
		   struct wh_error *err)
{
	struct sync_wire wire;
	int rc;

	assert(len <= sizeof(wire.payload));
	wire.type = type;
	if (len > 0)
		memcpy(wire.payload, data, len);
	rc = fd_send(sock, &wire, offsetof(struct sync_wire, payload) + len, &fd, fd >= 0 ? 1 : 0);
	if (rc < 0)
		return wh_fail(err, -rc, "send '%s' to the other side", sync_type_name(type));
	return 0;
}

int sync_send(int sock, enum sync_type type, struct wh_error *err)
{
	return sync_send_data(sock, type, NULL, 0, -EBADF, err);
}

int sync_tell(int sock, enum sync_type type, struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	int rc = sync_send(sock, type, &reason);

	if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
		return 0;
	if (err)
		*err = reason;
	return rc;
}

int sync_send_trace(int sock, struct wh_error *err)
{
	size_t count;
	const struct trace_span *spans = trace_spans(&count);

	for (size_t i = 0; i < count; i += SYNC_MAX_SPANS) {
		size_t n = count - i < SYNC_MAX_SPANS ? count - i : SYNC_MAX_SPANS;
		int rc =
		    sync_send_data(sock, SYNC_TRACE, spans + i, n * sizeof(*spans), -EBADF, err);

		if (rc < 0)
			return rc;
	}
	trace_reset();
	return 0;
}

/** Whether a payload of @len bytes fits @type. */
static bool payload_fits(uint32_t type, size_t len)
{
	if (type == SYNC_ERROR)
		return len == sizeof(struct wh_error);
	if (type == SYNC_TRACE)
		return len > 0 && len % sizeof(struct trace_span) == 0;
	if (type == SYNC_MOUNTED)
		return len == sizeof(uint64_t);
	return len == 0;
}

static int check_message(struct sync_message *msg, struct wh_error *err)
{
	if (msg->type == SYNC_EOF || msg->type >= SYNC_TYPE_COUNT ||
	    !payload_fits(msg->type, msg->len))
		return wh_fail(err, EPROTO, "malformed message %u of %u bytes", msg->type,
			       msg->len);
	if (msg->type == SYNC_ERROR) {
		msg->payload.error.message[sizeof(msg->payload.error.message) - 1] = '\0';
		msg->payload.error.step[sizeof(msg->payload.error.step) - 1] = '\0';
	}
	if (msg->type != SYNC_PROCEED &&
	    (msg->type == SYNC_CONSOLE || msg->type == SYNC_SECCOMP) != (msg->fd >= 0))
		return wh_fail(err, EPROTO, "message '%s' with a wrong number of fds",
			       sync_type_name(msg->type));
	return 0;
}

int sync_receive(int sock, struct sync_message *ret_msg, struct wh_error *err)
{
	struct sync_wire wire;
	size_t n_fds = 1;
	ssize_t n;
	int rc;

	ret_msg->type = SYNC_EOF;
	ret_msg->len = 0;
	ret_msg->fd = -EBADF;
	ret_msg->sender = 0;
	n = fd_recv_from(sock, &wire, sizeof(wire), &ret_msg->fd, &n_fds, &ret_msg->sender);
	/*
	 * An end that closed with something unread resets us, before its own last message is delivered. And one that sent and
	 * closed at once may look closed and empty: the kernel, which waits, looks for a message first and then for the end.
	 */
	if (n == -ECONNRESET || n == 0) {
		n_fds = 1;
		n = fd_recv_from(sock, &wire, sizeof(wire), &ret_msg->fd, &n_fds, &ret_msg->sender);
	}
	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n == -EAGAIN)
		return -EAGAIN;
	if (n < 0)
		return wh_fail(err, (int)-n, "receive from the other side");
	if (n_fds == 0)
		ret_msg->fd = -EBADF;
	if ((size_t)n < offsetof(struct sync_wire, payload))
		return wh_fail(err, EPROTO, "message of %zd bytes", n);
	ret_msg->type = wire.type;
	ret_msg->len = (uint32_t)((size_t)n - offsetof(struct sync_wire, payload));
	memcpy(&ret_msg->payload, wire.payload, ret_msg->len);
	rc = check_message(ret_msg, err);
	if (rc < 0)
		ret_msg->fd = fd_close(ret_msg->fd);
	return rc;
}

int sync_expect_fd(int sock, enum sync_type type, int *ret_fd, struct wh_error *err)
{
	struct sync_message msg;
	int rc = sync_receive(sock, &msg, err);

	if (rc < 0)
		return rc;
	if (msg.type == type) {
		*ret_fd = msg.fd;
		return 0;
	}
	fd_close(msg.fd);
	if (msg.type == SYNC_EOF)
		return wh_fail(err, EPIPE, "the runtime process is gone while init waits for '%s'",
			       sync_type_name(type));
	return wh_fail(err, EPROTO, "expected '%s', received '%s'", sync_type_name(type),
		       sync_type_name(msg.type));
}

int sync_expect(int sock, enum sync_type type, struct wh_error *err)
{
	int fd = -EBADF;
	int rc = sync_expect_fd(sock, type, &fd, err);

	fd_close(fd);
	return rc;
}
