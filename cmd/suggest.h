/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean ...": the known word nearest to one that is not known. */
#pragma once

#include <stddef.h>

struct suggestion {
	const char *text; /* what was typed */
	size_t len;
	const char *word; /* the best so far, NULL while none is near enough */
	size_t distance;  /* of it: a word must be nearer than this */
};

/** Begin with the typed @text of @len bytes; it is lent. */
struct suggestion suggestion_start(const char *text, size_t len);
/** Keep @word, which is lent, if it is nearer than those before. */
void suggestion_consider(struct suggestion *suggestion, const char *word);
