/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One round of a migration on the wire: the files of one directory of images, as chunks with their offsets.
 * Holes are not sent. The directory is flat; a symbolic link (CRIU's "parent") and logs stay behind.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "libcontainer/migrate/protocol.h"

/** Most files in a round: one process has about a dozen. */
#define MIGRATE_FILES_MAX 65536

struct migrate_round {
	uint64_t number; /* from 0 on; the receiver wants them in order */
	uint64_t files;
	uint64_t bytes; /* of data, without holes */
	uint64_t pages; /* those of them in pages-*.img: memory */
};

/**
 * Send all files in @dir_fd as round @number and wait until the receiver has written them.
 * Returns 0 with *@ret_round, or -errno (see migrate_send() and migrate_expect()).
 */
int migrate_images_send(struct migrate_conn *conn, int dir_fd, uint64_t number,
			struct migrate_round *ret_round, struct wh_error *err);

/**
 * Receive a round whose MIGRATE_ROUND message was just read as @msg, into the empty directory @dir_fd. Every
 * name, offset and size is checked; files are made new, never through a link, and 0644 as CRIU makes them: it is the directory
 * that keeps others out. At most @limit
 * bytes are written.
 *
 * @expected: the round's number
 * Returns 0 with *@ret_round, or -errno. The receiver's answer has been sent only on success.
 */
int migrate_images_receive(struct migrate_conn *conn, const struct migrate_message *msg, int dir_fd,
			   uint64_t expected, uint64_t limit, struct migrate_round *ret_round,
			   struct wh_error *err);

/** Whether @name can be the name of an image: [A-Za-z0-9._-]+, no dot in front. */
bool migrate_image_name_ok(const char *name, size_t len);
