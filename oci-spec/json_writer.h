/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text, value by value. A failure (memory) is remembered and reported once, by
 * json_writer_finish(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct json_writer {
	void *gen;               /* yajl_gen */
	max_align_t memory[128]; /* of the generator */
	size_t memory_used;
	char *text; /* what was written, in a block of @room bytes */
	size_t len;
	size_t room;
	bool pretty;
	bool failed;
	char pending; /* '{' or '[' not written yet: whether it is empty is not known */
};

/** Start a text; the writer stays where it is from here on. @indent: one level's indentation ("\t", "  "), or NULL for all on one line. Ended
 * by json_writer_finish(). */
void json_writer_init(struct json_writer *writer, const char *indent);
/**
 * Copy the text to @arena, NUL-terminated, and release the writer. An indented text ends in a
 * newline, which *@ret_len counts. Returns 0, or -ENOMEM.
 */
int json_writer_finish(struct json_writer *writer, struct arena *arena, const char **ret_json,
		       size_t *ret_len, struct wh_error *err);

void json_write_object_begin(struct json_writer *writer);
void json_write_object_end(struct json_writer *writer);
void json_write_array_begin(struct json_writer *writer);
void json_write_array_end(struct json_writer *writer);
/** The name of the member whose value comes next. */
void json_write_key(struct json_writer *writer, const char *key);
/** A string; NULL is written as null. Bytes that are not valid UTF-8 are replaced by U+FFFD. */
void json_write_string(struct json_writer *writer, const char *text);
void json_write_bool(struct json_writer *writer, bool value);
void json_write_i64(struct json_writer *writer, int64_t value);
void json_write_u64(struct json_writer *writer, uint64_t value);
/** @hundredths / 100, with no more digits than it needs: 0, 1.5, 12.34. */
void json_write_hundredths(struct json_writer *writer, uint64_t hundredths);
