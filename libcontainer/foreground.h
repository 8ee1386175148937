/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a container's process in the foreground: signals go to it, a terminal is relayed, its
 * exit status comes back.
 */
#pragma once

#include <signal.h>

#include "base/error.h"
#include "libcontainer/container_plan.h"
#include "libcontainer/notify_socket.h"

struct foreground {
	int signal_fd;
	sigset_t saved_mask;
};

#define FOREGROUND_INIT ((struct foreground){.signal_fd = -EBADF})

/**
 * Let a terminal that will be relayed have the size of the caller's, if that is one, from its
 * making on: the program may ask for it before the relaying begins.
 */
void foreground_plan_size(struct process_plan *plan);
/**
 * Catch the signals that will be forwarded, before the process starts, so that none is lost. Undone
 * by foreground_done().
 */
int foreground_init(struct foreground *foreground, struct wh_error *err);
void foreground_done(struct foreground *foreground);
/**
 * Whether one of the caught signals would have ended the caller. Before there is a process for it to go to, it
 * ends what the caller waits for: the signal stays where it is, and once foreground_done() lets it through, the
 * caller ends of it as any program does. Returns 0, or -EINTR with a text.
 */
int foreground_interrupted(const struct foreground *foreground, struct wh_error *err);

/**
 * Wait until the child @pid behind @pidfd has ended, and reap it.
 * @master: relay it to the caller's stdin and stdout (terminal in raw mode meanwhile); -EBADF: the
 * process has our stdio itself
 * @notify: forward its readiness meanwhile; its fd may be -EBADF *@ret_status: exit status, or 128
 * + signal. Returns 0 or -errno.
 */
int foreground_wait(struct foreground *foreground, int pidfd, pid_t pid, int master, int notify_fd,
		    int *ret_status, struct wh_error *err);
