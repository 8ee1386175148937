/* SPDX-License-Identifier: Apache-2.0 */
/* Small questions about strings; no allocation. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool streq(const char *a, const char *b)
{
	return a[0] == b[0] && strcmp(a, b) == 0; /* most names that are compared differ at once */
}

static inline bool str_empty(const char *s)
{
	return !s || !s[0];
}

/** The rest of @s after @prefix, or NULL when it does not start with it. */
static inline const char *str_after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/**
 * Parse all of @s as an unsigned decimal number no larger than @max: digits only, no sign, no
 * blank, no prefix, not empty (CVE-2026-30892 and its like: "-1" and "4294967296" must not become
 * uid 0). Returns 0 and sets *@ret, or -EINVAL or -ERANGE and leaves it.
 */
int str_parse_u64(const char *s, uint64_t max, uint64_t *ret);
/** The same with one optional leading '-'. */
int str_parse_i64(const char *s, int64_t *ret);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
