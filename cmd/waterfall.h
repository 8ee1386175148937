/* SPDX-License-Identifier: Apache-2.0 */
/* A timeline drawn in text, one line a span. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cmd/trace_file.h"

/** The narrowest and the widest picture. */
#define WATERFALL_MIN_WIDTH 60
#define WATERFALL_MAX_WIDTH 200

struct waterfall_style {
	size_t width; /* columns in all, between the two limits */
	bool utf8;    /* block characters; else '#' */
};

/** Draw @count events (at least one), as trace_file_read() orders them. */
void waterfall_print(FILE *out, const struct trace_event *events, size_t count,
		     const struct waterfall_style *style);
/** Write @us for a person, with its unit, in at most 7 columns: "4.21 us", "312 us", "3.21 ms",
 * "1.20 s". Returns @buf. */
const char *waterfall_time(double us, char *buf, size_t size);
