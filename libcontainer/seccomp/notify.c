/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/notify.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/arena.h"
#include "base/fd.h"
#include "namespaces/terminal.h"
#include "oci-spec/json_writer.h"

/**
 * How long an agent may let its socket stand full: until it reads, the container does not start.
 */
#define AGENT_TIMEOUT_S 10

/**
 * ContainerProcessState without its state, which is a text already, and without the closing brace.
 */
static int encode_head(const struct seccomp_program *program, pid_t pid, const char *oci_version,
		       struct arena *arena, const char **ret_json, size_t *ret_len,
		       struct wh_error *err)
{
	struct json_writer writer;
	int rc;

	json_writer_init(&writer, NULL);
	json_write_object_begin(&writer);
	json_write_key(&writer, "ociVersion");
	json_write_string(&writer, oci_version);
	json_write_key(&writer, "fds");
	json_write_array_begin(&writer);
	json_write_string(&writer, "seccompFd");
	json_write_array_end(&writer);
	json_write_key(&writer, "pid");
	json_write_i64(&writer, pid);
	if (program->listener_metadata) {
		json_write_key(&writer, "metadata");
		json_write_string(&writer, program->listener_metadata);
	}
	json_write_object_end(&writer);
	rc = json_writer_finish(&writer, arena, ret_json, ret_len, err);
	if (rc < 0)
		return rc;
	(*ret_len)--;
	return 0;
}

/**
 * The first message carries the fd (config-linux.md#containerprocessstate); it takes as much of the
 * text as the socket has room for.
 */
static ssize_t send_first(int sock, const char *text, size_t len, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = len};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
	ssize_t n;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	do {
		n = sendmsg(sock, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int send_rest(int sock, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(sock, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_state(const struct seccomp_program *program, const char *text, size_t len,
		      int listener, struct wh_error *err)
{
	const struct timeval limit = {.tv_sec = AGENT_TIMEOUT_S};
	auto_fd sock = terminal_connect_socket(program->listener_path, err);
	ssize_t n;
	int rc;

	if (sock < 0)
		return sock;
	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return wh_fail(err, errno, "limit the time for '%s'", program->listener_path);
	n = send_first(sock, text, len, listener);
	rc = n < 0 ? (int)n : send_rest(sock, text + n, len - (size_t)n);
	if (rc == -EAGAIN)
		return wh_fail(err, ETIMEDOUT, "the agent at '%s' does not read",
			       program->listener_path);
	return rc < 0
		   ? wh_fail(err, -rc, "send the seccomp listener to '%s'", program->listener_path)
		   : 0;
}

int seccomp_notify_send(const struct seccomp_program *program, int listener, pid_t pid,
			const char *state_json, const char *oci_version, struct wh_error *err)
{
	struct arena arena;
	const char *head;
	const char *text;
	size_t len;
	int rc;

	if (!program->listener_path)
		return wh_fail(
		    err, 0,
		    "linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath: nobody would answer");
	rc = arena_init(&arena, err);
	if (rc < 0)
		return rc;
	rc = encode_head(program, pid, oci_version, &arena, &head, &len, err);
	if (rc == 0) {
		text = arena_printf(&arena, "%.*s,\"state\":%s}", (int)len, head, state_json);
		rc = text ? send_state(program, text, strlen(text), listener, err) : wh_oom(err);
	}
	arena_done(&arena);
	if (rc < 0)
		wh_error_prefix(err, "linux.seccomp.listenerPath");
	return rc;
}
