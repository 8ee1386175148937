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
	const char *image_path; /* how errors name the image; lent */
};

#define PAGE_SERVER_NONE ((struct page_server){.sock = -EBADF, .pidfd = -EBADF})

/**
 * Start one that writes into @image_fd (lent, as @image_path is, until it has ended). With a link "parent" there it
 * knows what earlier images hold. @criu: CRIU's path or NULL. It ends with our end of the socket. Returns 0 or
 * -errno. Undone by page_server_end().
 */
int page_server_start(const char *criu, int image_fd, const char *image_path, struct arena *arena,
		      struct page_server *ret_server, struct wh_error *err);

/**
 * Close the socket, and wait until the server, which had its last word, has written everything and is gone; one that
 * does not go within 10 s is killed. None is all right.
 */
void page_server_end(struct page_server *server);

/** The error of a server that went too early, in its own words. Returns -EIO. */
int page_server_failed(const struct page_server *server, struct wh_error *err);
