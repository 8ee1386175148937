/* SPDX-License-Identifier: Apache-2.0 */
/* Columns for a person, laid out as runc's are (Go's text/tabwriter with cells of 12 or more, three
 * blanks apart). */
#pragma once

#include <stddef.h>
#include <stdio.h>

/**
 * Print @header and @n_rows rows of @n_columns cells each, row after row in @cells; NULL is an
 * empty cell. The last column is not padded. Control bytes are printed as '?', so that what a
 * container's files say cannot steer the terminal.
 */
void table_print(FILE *out, const char *const *header, size_t n_columns, const char *const *cells,
		 size_t n_rows);
