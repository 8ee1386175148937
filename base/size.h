/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as people write them ("512m", "1.5GiB"), and as they read them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * Parse all of @text: a number, which may have a decimal point, and at most one of the units k, m,
 * g, t, p in either case, each 1024 times the one before; "b" and "ib" behind it mean nothing, as
 * in runc. What is left of a byte is dropped. Returns 0 and sets *@ret, -EINVAL for what is no size,
 * or -ERANGE above INT64_MAX.
 */
int size_parse(const char *text, int64_t *ret);
/** Room for what size_format() writes. */
#define SIZE_TEXT 16
/** Write @bytes with three digits or so and a binary unit: "0B", "512KiB", "1.25GiB". Returns @buf. */
const char *size_format(uint64_t bytes, char buf[SIZE_TEXT]);
