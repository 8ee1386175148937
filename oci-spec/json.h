/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text to a tree and back, on yajl; the only place that knows yajl. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/problems.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/**
 * One value. Members of objects and elements of arrays are linked by @next in document order. Kept
 * small: a tree costs a page fault for every 85 values.
 */
struct json_value {
	uint8_t kind; /* enum json_kind */
	bool boolean;
	uint32_t
	    offset; /* of the value's first byte in the document: line and column come from it */
	uint32_t key_offset; /* of the key's first quote, when a member of an object */
	uint32_t key_len;
	const char *key; /* when a member of an object */
	union {
		const char *text;         /* STRING: decoded; NUMBER: as written. NUL-terminated */
		struct json_value *first; /* ARRAY, OBJECT */
	};
	struct json_value *next;
	union {
		uint32_t text_len; /* STRING, NUMBER; a string may hold NUL */
		uint32_t count;    /* ARRAY, OBJECT */
	};
};

/** The document a tree came from: needed to say where something is. */
struct json_document {
	const char *name;
	const char *text;
	size_t len;
	const struct json_value *root;
};

/** The most values of one document. */
#define JSON_MAX_VALUES 1000000

/**
 * Parse @len bytes of @text. At most @max_depth nested brackets and JSON_MAX_VALUES values; UTF-8
 * is checked. Values live in @arena, with a copy of the text; @ret_doc keeps pointing at @text for
 * positions. The parser does not recurse.
 *
 * Returns 0 and fills @ret_doc; or -EINVAL with a problem that names line and column. Duplicate
 * keys are problems too, each one, but do not end the parsing: look at @problems->n_errors.
 */
int json_parse(const char *name, const char *text, size_t len, unsigned int max_depth,
	       struct arena *arena, struct problems *problems, struct json_document *ret_doc);
/** Line and column (both from 1; columns count bytes) of byte @offset. */
void json_position(const struct json_document *doc, size_t offset, unsigned int *ret_line,
		   unsigned int *ret_column);
/** The member called @key of object @value, or NULL. */
const struct json_value *json_member(const struct json_value *value, const char *key);
/** "a string", "an object", ...: for "expected ..., found a string". */
const char *json_kind_name(enum json_kind kind);
