/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What create, run and exec hand to whoever called them: the terminal over --console-socket, the
 * process by --pid-file and --pidfd-socket. All of it is opened or looked at before anything is
 * made.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct handover {
	int console_fd;       /* connected; -EBADF: the terminal is ours to relay */
	int pidfd_socket_fd;  /* connected; -EBADF: nobody asked */
	int pty_master;       /* of a terminal that we relay */
	const char *pid_file; /* NULL: nobody asked */
};

#define HANDOVER_INIT                                                                              \
	((struct handover){.console_fd = -EBADF, .pidfd_socket_fd = -EBADF, .pty_master = -EBADF})

/**
 * A terminal that nobody here relays goes to the console socket: @needs_taker without a
 * @console_socket, or the other way round, is a usage error. Returns 0 or -errno.
 */
int handover_check_terminal(bool needs_taker, const char *console_socket, struct wh_error *err);
/** Connect the sockets and check that the pid file can be written; each may be NULL. */
int handover_open(struct handover *handover, const char *console_socket, const char *pidfd_socket,
		  const char *pid_file, struct wh_error *err);
void handover_done(struct handover *handover);
/** Deliver the pty's master, which is taken: over the socket, or to be relayed. */
int handover_console(struct handover *handover, int master, struct wh_error *err);
/** Write the pid file, if asked for. */
int handover_pid_file(const struct handover *handover, pid_t pid, struct wh_error *err);
void handover_undo_pid_file(const struct handover *handover);
/**
 * Send @pidfd (lent) over the socket, if asked for, with @kind as runc names it: standard or setns.
 */
int handover_pidfd(const struct handover *handover, int pidfd, const char *kind,
		   struct wh_error *err);
