/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that comes when it is touched (userfaultfd): `criu lazy-pages`, a process that gives a restored container
 * its pages and asks a page server for them, and what an image says that was left there.
 *
 * A page whose userfaultfd is closed before it came is a page of zeros to whoever touches it next. So neither the
 * process nor its connection may end before all memory is there, but for a container that is gone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct lazy_pages {
	pid_t pid; /* 0: none */
	int pidfd;
};

#define LAZY_PAGES_NONE ((struct lazy_pages){.pidfd = -EBADF})

/** How it is called in the directory of the images, where its log goes. */
#define LAZY_PAGES_LOG "lazy-pages.log"

/**
 * Start it for the image in the directory @path, and wait until a restore from there can connect to it. It outlives
 * the caller.
 *
 * @criu: CRIU's path, NULL: where it is usually installed
 * @ends: a pair of connected stream sockets. It speaks the page server's protocol over the first, and holds the second as
 *	well, so that it never sees the end of the connection. Lent.
 * Returns 0 or -errno. Undone by lazy_pages_end().
 */
int lazy_pages_start(struct lazy_pages *lazy, const char *criu, const char *path, const int ends[2],
		     struct wh_error *err);
/** It has ended by itself: reap it. Returns 0 when everything that was left is there, or -errno. */
int lazy_pages_result(struct lazy_pages *lazy, const char *path, struct wh_error *err);
/** Kill it, if there is one. Only when nothing runs any more that waits for memory. */
void lazy_pages_end(struct lazy_pages *lazy);

/** Memory of one process that an image was made without, in bytes. */
struct lazy_range {
	uint64_t task; /* its pid in the container */
	uint64_t start;
	uint64_t end;
};

/** In order, and no two of one process touch. */
struct lazy_ranges {
	struct lazy_range *list;
	size_t count;
};

/** What the image in @dir_fd was made without. Returns 0 or -errno. Undone by lazy_ranges_done(). */
int lazy_ranges_read(int dir_fd, struct lazy_ranges *ret_ranges, struct wh_error *err);
/** The same of process @task alone, by its file pagemap-TASK.img of @len bytes at @data: added to @ranges. Returns 0, -EBADMSG or -ENOMEM. */
int lazy_ranges_add(struct lazy_ranges *ranges, uint64_t task, const uint8_t *data, size_t len);
void lazy_ranges_done(struct lazy_ranges *ranges);
/** All of it, in bytes. */
uint64_t lazy_ranges_size(const struct lazy_ranges *ranges);
/** Where the range ends that has @address of process @task; @address itself when none has. */
uint64_t lazy_ranges_end(const struct lazy_ranges *ranges, uint64_t task, uint64_t address);
