/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/** In steps of 1024. */
static const char units[] = "kmgtp";

/** How many digits behind the point count: more than a petabyte has bytes. */
#define FRACTION_DIGITS 16

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/** The unit at @text, as a number of bits to shift by. Returns it, or -EINVAL. */
static int parse_unit(const char *text)
{
	int shift = 0;
	const char *found;

	if (*text == ' ')
		text++;
	found = *text ? strchr(units, *text | 0x20) : NULL;
	if (found) {
		shift = 10 * (int)(found - units + 1);
		text++;
	}
	if (strcasecmp(text, "") == 0 || strcasecmp(text, "b") == 0 || strcasecmp(text, "ib") == 0)
		return shift;
	return -EINVAL;
}

int size_parse(const char *text, int64_t *ret)
{
	uint64_t whole = 0, fraction = 0, scale = 1, bytes;
	int shift;

	if (!is_digit(*text))
		return -EINVAL;
	for (; is_digit(*text); text++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*text - '0'), &whole))
			return -ERANGE;
	if (*text == '.' && !is_digit(*++text))
		return -EINVAL;
	for (int i = 0; is_digit(*text); i++, text++) {
		if (i < FRACTION_DIGITS) {
			fraction = fraction * 10 + (uint64_t)(*text - '0');
			scale *= 10;
		}
	}
	shift = parse_unit(text);
	if (shift < 0)
		return shift;
	if (whole > (uint64_t)INT64_MAX >> shift)
		return -ERANGE;
	bytes = (whole << shift) +
		(uint64_t)((unsigned __int128)fraction * ((uint64_t)1 << shift) / scale);
	if (bytes > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)bytes;
	return 0;
}

const char *size_format(uint64_t bytes, char buf[SIZE_TEXT])
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;
	double value = (double)bytes;

	while (value >= 1023.995 && unit + 1 < sizeof(names) / sizeof(names[0])) {
		value /= 1024;
		unit++;
	}
	if (unit == 0 || value >= 99.995)
		snprintf(buf, SIZE_TEXT, "%.0f%s", value, names[unit]);
	else
		snprintf(buf, SIZE_TEXT, value >= 9.995 ? "%.1f%s" : "%.2f%s", value, names[unit]);
	return buf;
}
