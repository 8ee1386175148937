/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-terminals: the container's side, and the caller's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/error.h"

/**
 * Init: open a new pty from the container's own devpts (dev/pts/ptmx below @root_fd, verified to be
 * devpts), with the peer by TIOCGPTPEER (never by path: CVE-2025-52565), ONLCR cleared as runc
 * does, size set when not 0. Both fds are the caller's. Returns 0 or -errno.
 */
int terminal_open(int root_fd, uint16_t rows, uint16_t columns, int *ret_master, int *ret_slave,
		  struct wh_error *err);
/**
 * Init: new session, @slave as controlling terminal and as fds 0, 1, 2; fchown to @uid. Closes
 * @slave when above 2. Returns 0 or -errno.
 */
int terminal_attach(int slave, uint32_t uid, struct wh_error *err);
/**
 * Connect to the AF_UNIX stream socket @path (longer than sun_path too). Returns the fd or -errno.
 */
int terminal_connect_socket(const char *path, struct wh_error *err);
/**
 * Send @master over @socket in one message with a name as payload (conmon, containerd: one fd, non-
 * empty payload). Returns 0 or -errno.
 */
int terminal_send(int socket, int master, struct wh_error *err);

/** The caller's terminal, put in raw mode; restored by terminal_restore(). */
struct terminal_saved {
	int fd; /* -EBADF: nothing to restore */
	struct termios attrs;
};

/** Put @fd in raw mode. Returns 0, or -ENOTTY when it is no terminal (nothing is changed). */
int terminal_make_raw(int fd, struct terminal_saved *ret_saved);
void terminal_restore(struct terminal_saved *saved);
/** The window size of @fd. What is no terminal, or has no size, leaves both as they are. */
void terminal_get_size(int fd, uint16_t *rows, uint16_t *columns);
/** Copy the window size of @from to @to; not a terminal is not an error. */
void terminal_copy_size(int from, int to);
