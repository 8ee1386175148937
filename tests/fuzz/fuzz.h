/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share: a check that ends the run, and bytes taken one after the other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** End the run, saying @what, unless it @holds. */
static inline void fuzz_check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/** The bytes that are left of an input. */
struct fuzz_bytes {
	const uint8_t *next;
	size_t left;
};

/** The next byte; 0 when there is none. */
static inline uint8_t fuzz_take(struct fuzz_bytes *bytes)
{
	if (bytes->left == 0)
		return 0;
	bytes->left--;
	return *bytes->next++;
}

/** One of @count things. */
static inline size_t fuzz_choose(struct fuzz_bytes *bytes, size_t count)
{
	return fuzz_take(bytes) % count;
}

/** All that is left, as a text of at most @size - 1 bytes. */
static inline void fuzz_rest(struct fuzz_bytes *bytes, char *text, size_t size)
{
	size_t len = bytes->left < size - 1 ? bytes->left : size - 1;

	if (len)
		memcpy(text, bytes->next, len);
	text[len] = '\0';
}
