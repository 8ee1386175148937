/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destination: memory that `criu lazy-pages` wants, and that the images here have (libcontainer/checkpoint/page_index.h).
 */
#pragma once

#include <errno.h>
#include <stdint.h>

#include "base/error.h"
#include "libcontainer/checkpoint/page_index.h"
#include "libcontainer/migrate/fetch.h"
#include "libcontainer/migrate/protocol.h"

struct migrate_stored {
	const struct page_index *index; /* lent. NULL: the images have none, it is the source's */
	int images_fd;                  /* the directory of the images' directories; lent */
	int file_fd;                    /* the file of pages that was read last */
	uint64_t image;                 /* where it is */
	uint32_t pages;
	uint8_t *chunk;
};

#define MIGRATE_STORED_NONE ((struct migrate_stored){.images_fd = -EBADF, .file_fd = -EBADF})

/** Allocate what is read into; the lent fields are set. Returns 0 or -ENOMEM. Undone by migrate_stored_done(). */
int migrate_stored_init(struct migrate_stored *stored, struct wh_error *err);
/** Free it, and close the file that was read last. */
void migrate_stored_done(struct migrate_stored *stored);
/**
 * Answer CRIU, at the other end of @fetch, which wants @range: all of it. Returns 0, -EPROTO for what the images do not have, or
 * -errno: see migrate_fetch_say().
 */
int migrate_stored_give(struct migrate_stored *stored, struct migrate_fetch *fetch,
			const struct migrate_range *range, struct wh_error *err);
