/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the destination's side share: destination.c has its steps, receive.c the rounds of memory, late.c what of it comes
 * once the container runs.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/checkpoint/page_index.h"
#include "libcontainer/checkpoint/page_server.h"
#include "libcontainer/container.h"
#include "libcontainer/migrate/document.h"
#include "libcontainer/migrate/guard.h"
#include "libcontainer/migrate/host.h"
#include "libcontainer/migrate/lazy.h"
#include "libcontainer/migrate/protocol.h"
#include "libcontainer/migrate/record.h"

struct destination {
	const struct runtime *rt;
	const char *criu;
	struct migrate_conn conn;
	struct arena arena;
	struct migrate_message first; /* what the source began with */
	struct migrate_host host;
	struct migrate_offer offer;
	const char *config; /* its text */
	size_t config_len;
	const struct oci_spec *spec;
	struct migrate_record record;
	struct migrate_guard guard;
	struct migrate_restore restore;
	struct migrate_lazy lazy;
	struct page_index index; /* of memory that is read once the container runs */
	bool deferred;           /* there is such memory */
	char images[PATH_MAX];
	char image[PATH_MAX + 24]; /* of the last round */
	int images_fd;
	int round_fd; /* of the round that is being received */
	int root_fd;
	int receipt_fd;
	struct page_server server; /* writes that round's memory */
	uint64_t rounds;
	bool wanted; /* START came: it was more than a check */
	bool committed;
	bool left; /* what runs without its memory could not be taken away: the guard tries again */
};

/**
 * Receive rounds into the images, each in a directory of its own, until the source asks for the restore: dest->restore is what it
 * says. Returns 0 or -errno: -ECONNABORTED when the source gave up, -EPROTO for what does not belong here or too many rounds, -EFBIG
 * for more than was agreed on, -ENOSPC where there is no room for that.
 */
int migrate_receive_rounds(struct destination *dest, struct wh_error *err);

/** Write down how far it is. Returns 0 or -errno. */
int migrate_receiver_set_phase(struct destination *dest, enum migrate_phase phase,
			       struct wh_error *err);

/** Whether it runs before all of its memory is there. */
bool migrate_late_memory(const struct destination *dest);
/** If so: where the end of what gives memory is seen. */
struct migrate_conn *migrate_late_conn(struct destination *dest);
/** All rounds are here: choose what of the memory can wait. What cannot be known of waits for nothing, and is no failure. */
void migrate_late_choose(struct destination *dest);
/** Start who gives that memory, before the restore. Returns 0 or -errno. Undone by lazy_pages_end() and migrate_lazy_done(). */
int migrate_late_start(struct destination *dest, struct wh_error *err);
/** The image in @image_fd was checked: CRIU is to leave for later what is given then. Returns 0 or -errno. */
int migrate_late_change_image(const struct destination *dest, int image_fd, struct wh_error *err);
/** migrate_late_conn() has ended while CRIU restores. */
void migrate_late_lost(struct destination *dest);
/**
 * It runs: wait until all of its memory is here, and tell the source. Returns 0 or -errno: then it was taken away, or dest->left says
 * that it could not be.
 */
int migrate_late_fetch(struct destination *dest, struct wh_error *err);
