/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that is wrong with a document or a plan, not only the first of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum problem_severity { PROBLEM_ERROR, PROBLEM_WARNING };

struct problem {
	enum problem_severity severity;
	const char *text; /* complete: "config.json:41:17: process.rlimits[2].soft: expected an
			     unsigned integer, found a string" */
	size_t
	    offset; /* where in the document, in bytes; SIZE_MAX when it is not about one place */
	struct problem *next;
};

/**
 * A list in the order of discovery; lives in the arena. After PROBLEMS_MAX errors further ones are
 * only counted, and the same holds for warnings: a document of 16 MiB may hold a million mistakes.
 */
struct problems {
	struct arena *arena;
	struct problem *first;
	struct problem *last;
	size_t n_errors;
	size_t n_warnings;
};

#define PROBLEMS_MAX 64

static inline void problems_init(struct problems *problems, struct arena *arena)
{
	*problems = (struct problems){.arena = arena};
}

/** Add one. Returns -EINVAL for an error and 0 for a warning, so that a caller may return it. */
int problems_add(struct problems *problems, enum problem_severity severity, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** The same, about byte @offset of the document: see problems_sort(). */
int problems_add_at(struct problems *problems, enum problem_severity severity, size_t offset,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/** Whether a further problem of this severity would only be counted, so that its text need not be
 * made. */
static inline bool problems_full(const struct problems *problems, enum problem_severity severity)
{
	return (severity == PROBLEM_ERROR ? problems->n_errors : problems->n_warnings) >=
	       PROBLEMS_MAX;
}
/** Count one that problems_full() said would not be kept. Returns what problems_add() returns. */
int problems_count(struct problems *problems, enum problem_severity severity);
/** Put the list into the order of the document; what has no place comes last, in the order of
 * discovery. */
void problems_sort(struct problems *problems);
/** Fill @err (kind CONFIG, code 0) with all errors, one a line, as far as they fit. Returns -EINVAL
 * when there is an error, else 0. */
int problems_to_error(const struct problems *problems, struct wh_error *err);
