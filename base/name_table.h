/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of names and numbers: the same rows parse, print, and feed `features`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name_value {
	const char *name;
	int64_t value;
};

/** A table and its length; rows in the order in which they shall be listed. */
struct name_table {
	const struct name_value *rows;
	size_t len;
};

#define NAME_TABLE(array)                                                                          \
	{                                                                                          \
		.rows = (array), .len = sizeof(array) / sizeof((array)[0])                         \
	}

/** The row called @name (exact match), or NULL. */
const struct name_value *name_table_find(const struct name_table *table, const char *name);
/** The first name of @value, or NULL. */
const char *name_table_name(const struct name_table *table, int64_t value);
