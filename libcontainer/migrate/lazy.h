/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destination: the container is restored without its memory, which comes when it is touched, and by and by.
 *
 * Post-copy: it comes from the source. From the commit until all of it is here the source has the only copy of what is missing:
 * should the two lose each other, the container is taken away here, and goes on there.
 *
 * Else it may be in the images here (libcontainer/checkpoint/page_index.h), which take as long to read as there is memory,
 * and the container need not stand still for that. Then nothing depends on the connection.
 */
#pragma once

#include "base/error.h"
#include "libcontainer/checkpoint/lazy_pages.h"
#include "libcontainer/migrate/pager.h"
#include "libcontainer/migrate/protocol.h"

struct migrate_lazy {
	struct lazy_pages criu;
	struct migrate_pager pager;
	struct migrate_conn link; /* to a pager that has nothing to do with the source */
	const char *path;         /* of the images */
	int ask_ms;               /* how often that pager is asked whether it reads */
	int limit_ms;             /* how long it may have nothing to say to that */
};

#define MIGRATE_LAZY_NONE                                                                          \
	((struct migrate_lazy){.criu = LAZY_PAGES_NONE,                                            \
			       .pager = MIGRATE_PAGER_NONE,                                        \
			       .link.in = -EBADF,                                                  \
			       .link.out = -EBADF,                                                 \
			       .ask_ms = MIGRATE_TELL_MS,                                          \
			       .limit_ms = MIGRATE_WORK_MS})

/**
 * Start what gives memory to the container that is to be restored from the images at @path (which has to live as long),
 * and let it ask the source over @conn: see migrate_pager_start(). @criu: CRIU's path or NULL; @version: of that CRIU.
 * Returns 0 or -errno. Undone by lazy_pages_end(), once nothing runs any more that waits for memory, and migrate_lazy_done().
 */
int migrate_lazy_start(struct migrate_lazy *lazy, const char *criu, const char *path,
		       unsigned int version, struct migrate_conn *conn, struct wh_error *err);
/**
 * The same with memory that @index says the images below @images_fd have; both have to live as long. lazy->link ends when it will not
 * come. Undone in the same way.
 */
int migrate_lazy_start_stored(struct migrate_lazy *lazy, const char *criu, const char *path,
			      unsigned int version, const struct page_index *index, int images_fd,
			      struct wh_error *err);
/** The end of the pager, once its connection is closed, or its link, which this closes. None is all right. */
void migrate_lazy_done(struct migrate_lazy *lazy);
/**
 * Everything is restored, and nothing runs: from here on a process that lacks a page waits for it, whoever of the two is killed, and
 * sees none of zeros in its place. That holds for those that are there now, not for what they fork, nor when both are killed at
 * once; see lazy_keep_take(). Of migrate_lazy_start_stored() alone. Returns 0 or -errno.
 */
int migrate_lazy_prepared(struct migrate_lazy *lazy, struct wh_error *err);
/**
 * Wait until all memory is here. After migrate_lazy_start_stored() the source, at the other end of @conn, hears now and then that
 * it is being read, as long as it is. Returns 0, or -errno when it never will be: -ECONNABORTED when the other side gave up, -EPIPE
 * when it is gone, -ETIMEDOUT when nothing was read for lazy->limit_ms.
 */
int migrate_lazy_finish(struct migrate_lazy *lazy, struct migrate_conn *conn, struct wh_error *err);
