/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destination: a process between what has the memory that comes later and `criu lazy-pages`. Post-copy that is the connection to
 * the source, which the receiver uses at the same time.
 *
 *	source  <== connection ==>  pager  <== link ==>  receiver          all messages but those of memory
 *	                                   <== socket => criu lazy-pages   memory, in the page server's words
 *
 * It also keeps copies of what CRIU gives memory by, from the end of the restore until all of it is here: should CRIU be killed, who
 * lacks memory waits until the container is taken away.
 *
 * Where the images here have the memory (libcontainer/migrate/stored.h) there is no connection, and it reads that itself. To READING
 * it then answers READING, if it has given CRIU something since it did so last.
 *
 * So the receiver goes on as if it had the connection, whatever CRIU or a hook keeps it waiting for. When the connection is
 * lost, or the source answers for too long with nothing what it was asked for, or CRIU does not read, the pager gives up: the
 * receiver sees its link end, and migrate_pager_cause() says why. As long as the source can be reached, what the receiver then has
 * to say still goes there.
 */
#pragma once

#include <errno.h>
#include <sys/types.h>

#include "base/error.h"
#include "libcontainer/checkpoint/lazy_pages.h"
#include "libcontainer/checkpoint/page_index.h"
#include "libcontainer/checkpoint/pagemap.h"
#include "libcontainer/migrate/protocol.h"

struct migrate_pager {
	pid_t pid; /* 0: none */
	int pidfd;
	int report; /* what it has met, a struct wh_error, or the end without one */
};

#define MIGRATE_PAGER_NONE ((struct migrate_pager){.pidfd = -EBADF, .report = -EBADF})

struct migrate_pager_options {
	int pages; /* its end of the socket, which CRIU has open under the same number; lent */
	const struct lazy_pages *criu;  /* the process behind the other end; lent */
	unsigned int criu_version;      /* see migrate_page_request_size() */
	const struct lazy_ranges *left; /* what is to be fetched; lent */
	const struct page_index *index; /* or NULL: what is to be read from the images here; lent */
	int images_fd;                  /* with an index: their directory; lent */
	int answer_ms; /* how long the source and CRIU may keep it waiting: MIGRATE_ANSWER_MS, less in tests */
};

/**
 * Fork the pager. The fds of @conn go to it and are closed here; in their place @conn has the link. With an index it has
 * nothing to do with the source: the fds of @conn are -EBADF, and it sends PREPARED back once it has its copies.
 * Returns 0 or -errno (@conn is as it was). Undone by migrate_pager_end(), once the link is closed.
 */
int migrate_pager_start(struct migrate_pager *pager, struct migrate_conn *conn,
			const struct migrate_pager_options *opts, struct wh_error *err);
/**
 * After the end of its link, or a failure that may come of it: if the pager has given up, @err says why, and over @conn can be
 * sent again where it still leads to the source. Else nothing is changed.
 */
void migrate_pager_cause(struct migrate_pager *pager, struct migrate_conn *conn,
			 struct wh_error *err);
/** Wait for its end, once the link is closed; kill it when it does not come. None is all right. */
void migrate_pager_end(struct migrate_pager *pager);
