/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destination, post-copy: the container is restored without its memory, which comes when it is touched, and by and
 * by. From the commit until all of it is here the source has the only copy of what is missing: should the two lose each
 * other, the container is taken away here, and goes on there.
 */
#pragma once

#include "base/error.h"
#include "libcontainer/checkpoint/lazy_pages.h"
#include "libcontainer/migrate/pager.h"
#include "libcontainer/migrate/protocol.h"

struct migrate_lazy {
	struct lazy_pages criu;
	struct migrate_pager pager;
	const char *path; /* of the images */
};

#define MIGRATE_LAZY_NONE                                                                          \
	((struct migrate_lazy){.criu = LAZY_PAGES_NONE, .pager = MIGRATE_PAGER_NONE})

/**
 * Start what gives memory to the container that is to be restored from the images at @path (which has to live as long),
 * and let it ask the source over @conn: see migrate_pager_start(). @criu: CRIU's path or NULL; @version: of that CRIU.
 * Returns 0 or -errno. Undone by lazy_pages_end(), once nothing runs any more that waits for memory, and migrate_pager_end().
 */
int migrate_lazy_start(struct migrate_lazy *lazy, const char *criu, const char *path,
		       unsigned int version, struct migrate_conn *conn, struct wh_error *err);
/**
 * Wait until all memory is here. Returns 0, or -errno when it never will be: -ECONNABORTED when the source gave up, -EPIPE
 * when it is gone.
 */
int migrate_lazy_finish(struct migrate_lazy *lazy, struct migrate_conn *conn, struct wh_error *err);
