/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify(3) through the container's wall: when the caller has NOTIFY_SOCKET, the container gets
 * one of its own at /run/notify/notify.sock, and what says READY=1 there is passed on with the
 * MAINPID that the host sees.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/container_plan.h"

#define NOTIFY_DIRECTORY "notify"
#define NOTIFY_TARGET    "/run/notify"

/** Whether the caller has a NOTIFY_SOCKET. */
bool notify_socket_wanted(void);
/**
 * create: make the directory in the state directory @dir_fd and add its bind mount to the plan.
 * Returns 0 or -errno.
 */
int notify_socket_prepare(int dir_fd, const char *root, struct container_plan *plan,
			  struct arena *arena, struct wh_error *err);
/**
 * start: bind the container's socket. Returns the fd, -ENOENT when the container has none or the
 * caller has no NOTIFY_SOCKET, or -errno.
 */
int notify_socket_bind(int dir_fd, struct wh_error *err);
/**
 * Read one message and pass on READY=1. Returns 0 to go on, 1 when the container is ready, or
 * -errno.
 */
int notify_socket_relay(int fd, pid_t pid);
/** start: wait until the container is ready or has ended (runc does so). Returns 0 or -errno. */
int notify_socket_forward(int fd, int pidfd, pid_t pid, struct wh_error *err);
