/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRIU's image files, as far as some are changed here: a header of two numbers, and messages that follow each other,
 * each after its length. The format is that of CRIU's crit.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/protobuf.h"

/** One message, lent from the file's bytes. */
struct image_entry {
	const uint8_t *data;
	size_t len;
};

/**
 * The messages of a file whose second number is @magic. Returns how many there are, -EBADMSG when it is no such
 * file, or -ENOMEM.
 */
ssize_t image_entries_read(const uint8_t *data, size_t len, uint32_t magic, struct arena *arena,
			   struct image_entry **ret_entries);
/** A writer with room for what becomes of a file of @len bytes, its header written. Returns 0 or -ENOMEM. */
int image_entries_begin(const uint8_t *data, size_t len, struct arena *arena,
			struct pb_writer *ret_writer);
/** Write the header of a file whose second number is @magic. */
void image_header_write(struct pb_writer *writer, uint32_t magic);
/** Start a message: what is written up to image_entry_end(), given this value, is in it. */
size_t image_entry_begin(struct pb_writer *writer);
/** Put the length in front of the message that began at @begun. */
void image_entry_end(struct pb_writer *writer, size_t begun);
/** Write a field as it was read. A kind that CRIU does not use makes the writer full: better no image than a wrong one. */
void image_field_copy(struct pb_writer *writer, const struct pb_field *field);

/** How a file is changed: image_mounts_adapt() and its like. */
typedef int (*image_adapt_fn)(const uint8_t *data, size_t len, struct arena *arena,
			      uint8_t **ret_data, size_t *ret_len);
/** Replace the file @name by what @adapt makes of it. Returns 0 or -errno. */
int image_file_adapt(int dir_fd, const char *name, image_adapt_fn adapt, struct arena *arena,
		     struct wh_error *err);
