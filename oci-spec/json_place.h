/* SPDX-License-Identifier: Apache-2.0 */
/* How messages name places and values of a document. */
#pragma once

#include <stddef.h>

#include "oci-spec/json.h"

/** The way from the root of a document to a value: a list in the stack frames of whoever walks
 * down. */
struct json_place {
	const struct json_place *up; /* NULL at the root */
	const struct json_value *value;
	size_t index; /* when an element of an array */
};

/** Write @place as "process.rlimits[2].soft" to @buf, cut to @size. The root is "". Keys that are
 * no plain words come as ['...']. */
void json_place_text(const struct json_place *place, char *buf, size_t size);
/**
 * Make @len bytes of @text fit for a message: control bytes become \xNN, and what is too long ends
 * in "...". Returns @buf.
 */
const char *json_quote(const char *text, size_t len, char *buf, size_t size);
/** Room for what json_quote() makes in a message. */
#define JSON_QUOTE_SIZE 96
/** Room for what json_place_text() makes in a message. */
#define JSON_PLACE_SIZE 512
