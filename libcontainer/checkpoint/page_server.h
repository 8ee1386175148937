/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRIU's page server: it writes the memory that another CRIU saves, as it comes over a socket, into an image's
 * directory. Both have to be of one version: what they say to each other is CRIU's own affair.
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

struct page_server {
	int sock;     /* our end: what the other CRIU says goes in, and its answers come out */
	int pidfd;    /* of the server */
	int image_fd; /* lent */
};

#define PAGE_SERVER_NONE ((struct page_server){.sock = -EBADF, .pidfd = -EBADF})

/**
 * Start one that writes into @image_fd (lent, until it has ended). With a link "parent" there it
 * knows what earlier images hold. @criu: CRIU's path or NULL. It is a child of the caller's, and ends with our end of the
 * socket. Returns 0 or -errno. Undone by page_server_result() or page_server_end().
 */
int page_server_start(const char *criu, int image_fd, struct arena *arena,
		      struct page_server *ret_server, struct wh_error *err);

/**
 * Close the socket, and wait until the server has written everything and is gone; one that does not go within 10 s is
 * killed. Returns 0 when it says that all is well (or there was none to wait for), -EIO with its own words, or -errno.
 */
int page_server_result(struct page_server *server, struct wh_error *err);

/** The same, whatever it says. */
void page_server_end(struct page_server *server);
