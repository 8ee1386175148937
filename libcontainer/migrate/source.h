/* SPDX-License-Identifier: Apache-2.0 */
/* The source's side of a migration: the steps in source.c, the state between them here. */
#pragma once

#include <limits.h>

#include "libcontainer/access.h"
#include "libcontainer/migrate/document.h"
#include "libcontainer/migrate/guard.h"
#include "libcontainer/migrate/host.h"
#include "libcontainer/migrate/images.h"
#include "libcontainer/migrate/memory.h"
#include "libcontainer/migrate/migrate.h"
#include "libcontainer/migrate/obstacles.h"
#include "libcontainer/migrate/pace.h"
#include "libcontainer/migrate/pages.h"
#include "libcontainer/migrate/protocol.h"
#include "libcontainer/migrate/transport.h"
#include "libcontainer/migrate/unsure.h"

struct migrate_source {
	const struct runtime *rt;
	const struct migrate_options *opts;
	struct migrate_report *report;
	struct wh_error *err; /* of the whole: undo tells the other side why */
	struct access access; /* without its lock, which each checkpoint takes for itself */
	struct migrate_guard guard;
	struct migrate_destination destination;
	struct migrate_transport transport;
	struct migrate_conn conn;
	struct migrate_host host;
	struct migrate_obstacles obstacles;
	struct migrate_record record;
	struct migrate_offer offer;
	struct migrate_verdict verdict;
	struct migrate_pace pace;
	struct migrate_pages pages;
	struct migrate_copied rootfs_copied;
	struct migrate_memory memory; /* post-copy: of the container that stands still */
	enum migrate_mode mode;
	const char *why; /* of the mode */
	char number[MIGRATE_NUMBER_SIZE];
	char images[PATH_MAX];
	int images_fd;
	uint64_t round;      /* number of the next one */
	uint64_t started_ns; /* clock_ns() */
	uint64_t since_ns;   /* when the last round's memory was saved */
	uint64_t frozen_ns;
	bool streams;   /* memory travels while CRIU saves it */
	bool receiving; /* the destination has something to undo */
	bool moved;     /* the destination has confirmed */
	bool in_doubt;  /* it was told to go on, and did not say that it did */
	bool deferred;  /* the destination reads memory once it runs there */
	bool ran_there; /* it has said that it runs, and is not whole yet */
	bool went_back; /* it was lost there after that, and goes on here from its freeze */
};

/** Tell whoever watches. */
void migrate_tell(const struct migrate_source *source, const struct migrate_event *event);

/** Save memory and send it, while the container runs, until the rest is small. Returns 0 or -errno. */
int migrate_send_rounds(struct migrate_source *source, struct wh_error *err);
/**
 * Freeze the container, send what remains, and hand it over. Returns 0 when it runs at the destination; else -errno,
 * and it runs here unless source->in_doubt.
 */
int migrate_hand_over(struct migrate_source *source, struct wh_error *err);

/** Post-copy: open the memory that the images in @images_fd were made without. Returns 0 or -errno. */
int migrate_serve_open(struct migrate_source *source, int images_fd, struct wh_error *err);
/**
 * migrate_expect(), which meanwhile answers what the destination wants of the memory, and waits anew whenever it says that it
 * reads memory there.
 */
int migrate_serve_until(struct migrate_source *source, enum migrate_type type, int timeout_ms,
			struct migrate_message *ret_msg, struct wh_error *err);
/**
 * It runs there: give the rest of the memory (post-copy), or wait until it is read there. Returns 0 when all of it is there, or
 * -errno: then it is not to be known from here what became of it.
 */
int migrate_serve_rest(struct migrate_source *source, struct wh_error *err);

/**
 * Ask the destination of @record what became of the container, over a connection of our own, as often as
 * @attempts with growing pauses; one that answers that it still reads memory is asked again for as long as MIGRATE_WORK_MS.
 * Returns 0 with *@ret_fate, or -errno.
 */
int migrate_ask(const struct migrate_record *record, unsigned int attempts,
		enum migrate_fate *ret_fate, struct wh_error *err);
