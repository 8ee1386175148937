/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that comes when it is touched (userfaultfd): `criu lazy-pages`, a process that gives a restored container
 * its pages and asks a page server for them. What it has to ask for an image says: see pagemap.h.
 *
 * A page whose userfaultfd is closed before it came is a page of zeros to whoever touches it next. So neither the
 * process nor its connection may end before all memory is there, but for a container that is gone.
 */
#pragma once

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
