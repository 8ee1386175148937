/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/table.h"

#include <assert.h>
#include <string.h>

#define TABLE_MIN_WIDTH   12
#define TABLE_PADDING     3
#define TABLE_MAX_COLUMNS 16

/** The width of UTF-8 text: its characters, each counted as one. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; text && *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void measure(const char *const *row, size_t n_columns, size_t *widths)
{
	for (size_t i = 0; i < n_columns; i++) {
		size_t width = text_width(row[i]) + TABLE_PADDING;

		widths[i] = width > widths[i] ? width : widths[i];
	}
}

static void print_cell(FILE *out, const char *text)
{
	for (; text && *text; text++)
		putc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static void print_row(FILE *out, const char *const *row, size_t n_columns, const size_t *widths)
{
	for (size_t i = 0; i < n_columns; i++) {
		print_cell(out, row[i]);
		if (i + 1 < n_columns)
			fprintf(out, "%*s", (int)(widths[i] - text_width(row[i])), "");
	}
	putc('\n', out);
}

void table_print(FILE *out, const char *const *header, size_t n_columns, const char *const *cells,
		 size_t n_rows)
{
	size_t widths[TABLE_MAX_COLUMNS];

	assert(n_columns <= TABLE_MAX_COLUMNS);
	for (size_t i = 0; i < n_columns; i++)
		widths[i] = TABLE_MIN_WIDTH;
	measure(header, n_columns, widths);
	for (size_t i = 0; i < n_rows; i++)
		measure(cells + i * n_columns, n_columns, widths);
	print_row(out, header, n_columns, widths);
	for (size_t i = 0; i < n_rows; i++)
		print_row(out, cells + i * n_columns, n_columns, widths);
}
