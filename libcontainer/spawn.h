/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making init: the sealed image, clone3(2) into the cgroup, and the conversation with it until it
 * is ready.
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/process.h"
#include "libcontainer/container_plan.h"
#include "libcontainer/sync.h"

/**
 * The init image in a sealed memfd: it can be executed and never written (CVE-2019-5736). There is
 * no fall-back to a file that could. Returns the fd, the caller's, or -errno.
 */
int init_image_open(struct wh_error *err);

/** How long init may be silent before it is looked after, in milliseconds. */
#define SPAWN_STALL_MS 100

/** A process being made. */
struct spawn {
	struct arena *arena; /* shared; holds the plan */
	struct container_plan *plan;
	int cgroup_fd;             /* -EBADF: stay in the caller's */
	bool held;                 /* init is not executed before spawn_proceed() */
	int sock;                  /* our end of the pair */
	struct process_id process; /* the container's init, as it is known so far */
	int pidfd;
	/*
	 * Asked every SPAWN_STALL_MS for as long as init does not say a word: 0 to wait on, or -errno with
	 * the reason to give up. NULL: wait. It must change nothing (see sys_clone3_vfork()).
	 */
	int (*stalled)(void *ctx, struct wh_error *err);
	void *stalled_ctx;
	bool lost; /* init ended without a word: what it has done is not known */
};

#define SPAWN_INIT ((struct spawn){.cgroup_fd = -EBADF, .sock = -EBADF, .pidfd = -EBADF})

/**
 * Start init: clone3, id maps where there is a new user namespace, execution of the image.
 * plan->fds must be filled but for sync, and of a held init cgroup. On failure nothing is left. Returns 0 or -errno.
 */
int spawn_start(struct spawn *spawn, struct wh_error *err);
/**
 * Let a held init be executed. @cgroup_fd becomes the plan's fds.cgroup in it; lent. Returns 0 or
 * -errno.
 */
int spawn_proceed(struct spawn *spawn, int cgroup_fd, struct wh_error *err);
/**
 * Complete spawn->process by its start time; the process need not run any more, but must not be
 * reaped. Returns 0 or -errno.
 */
int spawn_identify(struct spawn *spawn, struct wh_error *err);
/** Kill what was started and reap it. */
void spawn_kill(struct spawn *spawn);
/** Close all fds. */
void spawn_done(struct spawn *spawn);

/**
 * What the parent does with init's messages until READY; NULL members: such a message is a protocol
 * error.
 */
struct spawn_handlers {
	int (*console)(void *ctx, int master, struct wh_error *err); /* @master is taken */
	int (*hooks)(void *ctx, struct wh_error *err);
	int (*seccomp)(void *ctx, int listener, struct wh_error *err); /* @listener is taken */
	int (*mounted)(void *ctx, uint64_t mount_id, struct wh_error *err);
	int (*executed)(
	    void *ctx,
	    struct wh_error *err); /* at the end: NULL where nothing forbids init to speak */
	void *ctx;
};

/**
 * Answer init's messages until @until arrives (READY, RELEASED, or EOF after EXECING: the program
 * runs). An error message of init's becomes the error; its end without one is explained (signal,
 * out of memory).
 */
int spawn_wait(struct spawn *spawn, enum sync_type until, const struct spawn_handlers *handlers,
	       struct wh_error *err);
/**
 * The same conversation over any socket: for start, with a pidfd to explain an early end. @pidfd
 * may be -EBADF.
 */
int sync_converse(int sock, enum sync_type until, const struct spawn_handlers *handlers,
		  struct spawn *spawn, struct wh_error *err);
