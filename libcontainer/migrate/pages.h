/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a round on its way while CRIU saves it: CRIU's dump at the source and its page server at the destination
 * each have a socket to wherry, and what they say into it travels as PAGES, looked at by nobody. CRIU is the same
 * version at both ends then; otherwise memory is saved as images, and sent as they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libcontainer/checkpoint/page_server.h"
#include "libcontainer/migrate/protocol.h"

/** The source's end. */
struct migrate_pages {
	int sock;       /* ours */
	int criu_sock;  /* CRIU's */
	bool ready;     /* the page server waits for its first words */
	bool ended;     /* it has written everything, and is gone */
	uint64_t bytes; /* sent so far */
};

#define MIGRATE_PAGES_NONE ((struct migrate_pages){.sock = -EBADF, .criu_sock = -EBADF})

/** Have a page server for round @number started, and not wait for it. Returns 0 or -errno. Undone by migrate_pages_close(). */
int migrate_pages_open(struct migrate_pages *pages, struct migrate_conn *conn, uint64_t number,
		       struct wh_error *err);
/** Wait until that is done. Returns 0 or -errno: the destination's error, when it could not. */
int migrate_pages_await(struct migrate_pages *pages, struct migrate_conn *conn,
			struct wh_error *err);
/** After CRIU has said its last word: wait until everything is written. Returns 0 or -errno. */
int migrate_pages_finish(struct migrate_pages *pages, struct migrate_conn *conn,
			 struct wh_error *err);
/**
 * Pass on what the two have to say until @rpc, on which CRIU says how far it is, can be read. A failure cuts CRIU off, which
 * then fails as well. Returns 0 or -errno.
 */
int migrate_pages_attend(struct migrate_pages *pages, struct migrate_conn *conn, int rpc,
			 struct wh_error *err);
void migrate_pages_close(struct migrate_pages *pages);

/**
 * The destination's end: pass on what the source and @server have to say until another message than PAGES has come, which
 * is *@ret_msg. At most @limit bytes are taken. Returns 0 or -errno.
 */
int migrate_pages_receive(struct migrate_conn *conn, struct page_server *server, uint64_t limit,
			  struct migrate_message *ret_msg, struct wh_error *err);
