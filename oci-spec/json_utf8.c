/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/json_utf8.h"

#include <stdint.h>
#include <string.h>

/* Length of the valid sequence at @p, or 0. The second byte's range is what rules out overlong
 * forms, surrogates and > U+10FFFF. */
static size_t sequence_length(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char first_min, first_max, second_min, second_max;
		size_t len;
	} rows[] = {
	    {0x00, 0x7f, 0x00, 0xff, 1},
            {0xc2, 0xdf, 0x80, 0xbf, 2},
            {0xe0, 0xe0, 0xa0, 0xbf, 3},
	    {0xe1, 0xec, 0x80, 0xbf, 3},
            {0xed, 0xed, 0x80, 0x9f, 3},
            {0xee, 0xef, 0x80, 0xbf, 3},
	    {0xf0, 0xf0, 0x90, 0xbf, 4},
            {0xf1, 0xf3, 0x80, 0xbf, 4},
            {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (p[0] < rows[i].first_min || p[0] > rows[i].first_max)
			continue;
		if (rows[i].len == 1)
			return 1;
		if (left < rows[i].len || p[1] < rows[i].second_min || p[1] > rows[i].second_max)
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

size_t json_utf8_invalid(const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t at = 0;

	while (at < len) {
		uint64_t eight;
		size_t step;

		/* Nearly every document is ASCII: eight bytes at a time. */
		if (len - at >= sizeof(eight)) {
			memcpy(&eight, bytes + at, sizeof(eight));
			if (!(eight & 0x8080808080808080ULL)) {
				at += sizeof(eight);
				continue;
			}
		}
		step = sequence_length(bytes + at, len - at);
		if (!step)
			return at;
		at += step;
	}
	return len;
}

/* The four hexadecimal digits of a \u escape, or -1. */
static int escape_unit(const char *raw, size_t left)
{
	int unit = 0;

	if (left < 6 || raw[0] != '\\' || raw[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int c = (unsigned char)raw[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

bool json_utf8_lone_surrogate(const char *raw, size_t len)
{
	for (size_t at = 0; at < len; at++) {
		int unit, low;

		if (raw[at] != '\\')
			continue;
		unit = escape_unit(raw + at, len - at);
		if (unit < 0xd800 || unit > 0xdfff) {
			at++; /* the escaped byte is no backslash of its own */
			continue;
		}
		low = escape_unit(raw + at + 6, len - at > 6 ? len - at - 6 : 0);
		if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff)
			return true;
		at += 11;
	}
	return false;
}
