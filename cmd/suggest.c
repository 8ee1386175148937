/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/suggest.h"

#include <string.h>

/** Longer words are never names of ours. */
#define SUGGEST_MAX 40
/**
 * A slip of the finger is at most two edits: two letters in the wrong order are two. Of short
 * words, one.
 */
#define SHORT_WORD    4
#define TOO_FAR_SHORT 2
#define TOO_FAR       3

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/** The number of bytes to insert, remove or replace (Levenshtein), by the usual two rows kept in
 * one. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[SUGGEST_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

struct suggestion suggestion_start(const char *text, size_t len)
{
	struct suggestion suggestion = {.text = text, .len = len, .distance = TOO_FAR};

	if (len > SUGGEST_MAX)
		suggestion.distance = 0;
	else if (len < SHORT_WORD)
		suggestion.distance = TOO_FAR_SHORT;
	return suggestion;
}

void suggestion_consider(struct suggestion *suggestion, const char *word)
{
	size_t len = strlen(word);
	size_t distance;

	if (suggestion->distance == 0 || suggestion->len < 2 || len > SUGGEST_MAX)
		return;
	/* a beginning says more than its distance: "--console" */
	if (len > suggestion->len && strncmp(word, suggestion->text, suggestion->len) == 0)
		distance = 0;
	else
		distance = edit_distance(suggestion->text, suggestion->len, word, len);
	if (distance >= suggestion->distance || distance >= len)
		return;
	suggestion->word = word;
	suggestion->distance = distance;
}
