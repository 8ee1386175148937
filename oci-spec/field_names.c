/* SPDX-License-Identifier: Apache-2.0 */
/* What to say about a name that is in no table: all that are, or the one that was probably meant.
 */
#include <stdio.h>
#include <string.h>

#include "oci-spec/field.h"

#define LIST_MAX     10 /* tables up to this length are listed whole */
#define NAME_MAX_LEN 48

/* Edits (insert, remove, replace) that make @b of @a; both no longer than NAME_MAX_LEN. */
static unsigned int distance(const char *a, const char *b)
{
	size_t len = strlen(b);
	unsigned int row[NAME_MAX_LEN + 1];

	for (size_t k = 0; k <= len; k++)
		row[k] = (unsigned int)k;
	for (; *a; a++) {
		unsigned int diagonal = row[0]++;

		for (size_t k = 1; k <= len; k++) {
			unsigned int best = diagonal + (*a != b[k - 1]);

			diagonal = row[k];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			row[k] = best;
		}
	}
	return row[len];
}

/* The name closest to @text, or NULL when none is close. */
static const char *closest(const struct name_table *names, const char *text)
{
	const char *best = NULL;
	size_t len = strlen(text);
	/* At most four edits, and fewer than half of what was written: anything is near to a short
	 * word. */
	unsigned int best_distance = len / 2 + 1 < 5 ? (unsigned int)(len / 2) + 1 : 5;

	if (len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < names->len; i++) {
		unsigned int d;

		if (strlen(names->rows[i].name) > NAME_MAX_LEN)
			continue;
		d = distance(text, names->rows[i].name);
		if (d < best_distance) {
			best_distance = d;
			best = names->rows[i].name;
		}
	}
	return best;
}

static void list_names(const struct name_table *names, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < names->len && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 names->rows[i].name);
}

int field_unknown_name(struct field_context *ctx, const struct enum_type *type,
		       const struct json_value *value)
{
	char quoted[JSON_QUOTE_SIZE];
	char list[512];
	const char *near;

	json_quote(value->text, value->text_len, quoted, sizeof(quoted));
	if (type->names->len <= LIST_MAX) {
		list_names(type->names, list, sizeof(list));
		return field_problem(ctx, value, "unknown %s '%s', expected one of %s", type->noun,
				     quoted, list);
	}
	near = closest(type->names, value->text);
	if (near)
		return field_problem(ctx, value, "unknown %s '%s', did you mean '%s'", type->noun,
				     quoted, near);
	return field_problem(ctx, value, "unknown %s '%s'", type->noun, quoted);
}
