/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destination, post-copy: a process between the connection to the source and the two that use it at the same time, the
 * receiver and `criu lazy-pages`.
 *
 *	source  <== connection ==>  pager  <== link ==>  receiver          all messages but those of memory
 *	                                   <== socket => criu lazy-pages   memory, in the page server's words
 *
 * It also keeps copies of what CRIU gives memory by, from the end of the restore until all of it is here: should CRIU be killed, who
 * lacks memory waits until the container is taken away.
 *
 * So the receiver goes on as if it had the connection, whatever CRIU or a hook keeps it waiting for. When the connection is
 * lost, or the source answers for too long with nothing what it was asked for, the pager ends, and the receiver sees its link end.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "libcontainer/checkpoint/lazy_pages.h"
#include "libcontainer/migrate/protocol.h"

struct migrate_pager {
	pid_t pid; /* 0: none */
};

/**
 * Fork the pager. The fds of @conn go to it and are closed here; in their place @conn has the link.
 *
 * @pages: its end of the socket, which CRIU has open under the same number; lent
 * @criu: the process behind the other end; lent
 * @version: CRIU's, see migrate_page_request_size()
 * Returns 0 or -errno (@conn is as it was). Undone by migrate_pager_end(), once the link is closed.
 */
int migrate_pager_start(struct migrate_pager *pager, struct migrate_conn *conn, int pages,
			const struct lazy_pages *criu, unsigned int version, struct wh_error *err);
/** Wait for its end. None is all right. */
void migrate_pager_end(struct migrate_pager *pager);

/** What `criu lazy-pages` and a page server say to each other; after an answer come as many pages. */
struct migrate_page_request {
	uint32_t command;
	uint64_t count; /* of pages */
	uint64_t address;
	uint64_t task;
};

/** How long one is on the socket at the most. */
#define MIGRATE_PAGE_REQUEST_MAX 32

/**
 * How long one is as CRIU @version (major * 10000 + minor * 100 + sublevel) has it. Up to 4.1 the number of pages has 32
 * bits, since then 64: struct page_server_iov in CRIU's criu/page-xfer.c.
 */
size_t migrate_page_request_size(unsigned int version);
/** Put it into @raw (MIGRATE_PAGE_REQUEST_MAX bytes); @request->count is one that fits. */
void migrate_page_request_encode(const struct migrate_page_request *request, unsigned int version,
				 void *raw);
/** Read it from the migrate_page_request_size() bytes at @raw. */
struct migrate_page_request migrate_page_request_decode(const void *raw, unsigned int version);

enum {
	PAGE_SERVER_ADD = 6, /* an answer; with PAGE_SERVER_PRESENT << 16 */
	PAGE_SERVER_GET = 7,
	PAGE_SERVER_CLOSE = 0x1023,
	PAGE_SERVER_FORCE_CLOSE = 0x1024,
};
#define PAGE_SERVER_PRESENT 4U

/** An answer that is on its way through: how much of it is still to come. */
struct migrate_answer_state {
	unsigned int version; /* of the CRIU that gets it */
	uint64_t left;        /* bytes of pages */
};

/**
 * Take GIVEN or GIVEN_DATA from the source and give it to CRIU at @pages. Returns 0, -EPROTO for what is out of order, or
 * -errno.
 */
int migrate_pager_answer(struct migrate_answer_state *state, const struct migrate_message *msg,
			 int pages, struct wh_error *err);
