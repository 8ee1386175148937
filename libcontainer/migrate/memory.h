/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source, post-copy: the memory of a container that stands still, read out of its processes for the destination. It is
 * there as long as CRIU holds them: what CRIU itself would serve could not be taken back when the destination fails.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/migrate/protocol.h"

/** Most pages in one answer; the other side asks again for the rest. */
#define MIGRATE_ANSWER_PAGES 1024

/** One process. */
struct migrate_task {
	uint64_t number; /* its pid in the container */
	int fd;          /* /proc/PID/mem */
};

struct migrate_memory {
	struct migrate_task *tasks;
	size_t n_tasks;
	uint64_t left; /* bytes that the images were made without */
	uint64_t sent; /* bytes that were asked for and sent */
	uint8_t *buffer;
};

/**
 * Open the memory of @pids, which stand still and are in a pid namespace of their own; @images_fd is the directory of their
 * images. Returns 0 or -errno. Undone by migrate_memory_close().
 */
int migrate_memory_open(struct migrate_memory *memory, const pid_t *pids, size_t count,
			int images_fd, struct wh_error *err);
void migrate_memory_close(struct migrate_memory *memory);
/** Answer the received WANT @msg over @conn. Returns 0, -EPROTO for what nobody can want, or -errno. */
int migrate_memory_send(struct migrate_memory *memory, struct migrate_conn *conn,
			const struct migrate_message *msg, struct wh_error *err);

/**
 * The pid in the innermost namespace that the text of a /proc/PID/status shows, or 0 when that is our own namespace:
 * "NSpid:  1234  1" is 1.
 */
uint64_t migrate_inner_pid(const char *status);
