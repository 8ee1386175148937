/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one protocol between a runtime process and a container's init: named messages, one datagram
 * each, over a SOCK_SEQPACKET pair (create, run, exec) or over the start socket (start). Both ends
 * use this file.
 *
 *	parent (create)                        init
 *	   | clone3 -------------------------->  |
 *	   | write id maps (user namespace)      | waits for SYNC_PROCEED before the image is executed
 *	   | start systemd's unit                |     (only with a new user namespace, or a unit)
 *	   | SYNC_PROCEED ------------------->   |     with a unit: its cgroup
 *	   | compile seccomp into the plan       | joins, root, mounts, devices
 *	   |   <------------------ SYNC_CONSOLE  | pty master, with a terminal
 *	   | SYNC_PLAN_COMPLETE ------------->   | the seccomp program is in the plan; read before NEED_HOOKS or READY
 *	   |   <--------------- SYNC_NEED_HOOKS  | with network devices, prestart or createRuntime hooks
 *	   | moves the devices, runs the hooks   |
 *	   | SYNC_HOOKS_DONE ---------------->   | createContainer hooks, pivot_root, names, masks
 *	   |   <------------------- SYNC_FORKED  | with a joined pid namespace: the first word of the process that
 *	   |                                     |     goes on inside, whose pid the kernel tells
 *	   |   <-------------------- SYNC_TRACE  | with --trace
 *	   |   <-------------------- SYNC_READY  | user, capabilities, cwd are set; the program was found
 *	   | state "created" is on disk          |
 *	   | SYNC_RELEASE ------------------->   | create: stop dying with the parent
 *	   |   <----------------- SYNC_RELEASED  | then waits on the start socket; run and exec skip both
 *	start, or run's parent                   |
 *	   | SYNC_START --------------------->   | startContainer hooks, seccomp, last capabilities
 *	   |   <------------------ SYNC_SECCOMP  | the listener, with SCMP_ACT_NOTIFY
 *	   |   <------------------ SYNC_EXECING  | execve; the socket is close-on-exec:
 *	   |   <------------------- end of file  | the program runs
 *
 *	mounts add                               |
 *	   |   <------------------ SYNC_MOUNTED  | before each is attached
 *	   | it is written down                  |
 *	   | SYNC_PROCEED ------------------->   | attaches it
 *	   |   <-------------------- SYNC_READY  | and it ends
 *	mounts remove                            |
 *	   |   <------------------ SYNC_MOUNTED  | once for each that was found
 *	   |   <-------------------- SYNC_READY  | all are detached, and it ends
 *
 * Instead of any message init may send SYNC_ERROR and exit: the cause inside init is what the user
 * reads. Once init has joined the container the parent treats what it sends as hostile: sizes and
 * types are checked.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/trace.h"

enum sync_type {
	SYNC_EOF,     /* never sent: the other end is gone */
	SYNC_ERROR,   /* payload: struct wh_error */
	SYNC_TRACE,   /* payload: struct trace_span[] */
	SYNC_PROCEED, /* fd: the cgroup, or none */
	SYNC_CONSOLE, /* fd: the pty's master */
	SYNC_NEED_HOOKS,
	SYNC_HOOKS_DONE,
	SYNC_FORKED,
	SYNC_PLAN_COMPLETE,
	SYNC_READY,
	SYNC_RELEASE,
	SYNC_RELEASED,
	SYNC_START,
	SYNC_SECCOMP, /* fd: the seccomp listener */
	SYNC_EXECING,
	SYNC_MOUNTED, /* payload: uint64_t id of a mount */
	SYNC_TYPE_COUNT,
};

#define SYNC_MAX_PAYLOAD 4096
#define SYNC_MAX_SPANS   (SYNC_MAX_PAYLOAD / sizeof(struct trace_span))

struct sync_message {
	uint32_t type;
	uint32_t len; /* of the payload */
	int fd;       /* received with the message, the receiver's; -EBADF: none */
	pid_t sender; /* after sync_ask_sender(), as the receiver's pid namespace sees it; else 0 */
	union {
		struct wh_error error;
		struct trace_span spans[SYNC_MAX_SPANS];
		uint64_t mount_id;
		char bytes[SYNC_MAX_PAYLOAD];
	} payload;
};

/** The name of a message type, for error texts. */
const char *sync_type_name(uint32_t type);
/** A connected pair, both ends CLOEXEC. Returns 0 or -errno. */
int sync_pair(int ret_socks[2], struct wh_error *err);
/** Send one message without payload. Returns 0 or -errno. */
int sync_send(int sock, enum sync_type type, struct wh_error *err);
/**
 * The same, to an end that may have failed and gone: that is no failure here, as its last message is the
 * cause, and is still to be received.
 */
int sync_tell(int sock, enum sync_type type, struct wh_error *err);
/** Send one message with @len bytes of payload and @fd (lent; -EBADF: none). */
int sync_send_data(int sock, enum sync_type type, const void *data, size_t len, int fd,
		   struct wh_error *err);
/** Send the recorded trace in as many messages as it takes, and forget it. */
int sync_send_trace(int sock, struct wh_error *err);
/** Let sync_receive() on @sock wait for @limit_ms at the most. Returns 0 or -errno. */
int sync_limit_wait(int sock, int limit_ms, struct wh_error *err);
/** Have the kernel say who sends what arrives at @sock from now on. Returns 0 or -errno. */
int sync_ask_sender(int sock, struct wh_error *err);
/**
 * Receive one message and check its form. At end of file type is SYNC_EOF. Returns 0 or -errno; -EAGAIN,
 * without a text, when the wait is limited and over.
 */
int sync_receive(int sock, struct sync_message *ret_msg, struct wh_error *err);
/** init's side: receive, and fail unless it is @type; end of file means that the parent is gone. */
int sync_expect(int sock, enum sync_type type, struct wh_error *err);
/** The same; *@ret_fd: the fd that came with it, the caller's, -EBADF without one. */
int sync_expect_fd(int sock, enum sync_type type, int *ret_fd, struct wh_error *err);
