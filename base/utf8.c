/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "base/str.h"

/** The table of RFC 3629 section 4: the second byte's range rules out what is not well formed. */
static const struct {
	unsigned char first_min, first_max, second_min, second_max;
	size_t len;
} forms[] = {
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

size_t utf8_sequence_len(const char *text, size_t left)
{
	const unsigned char *p = (const unsigned char *)text;

	if (left == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (p[0] < forms[i].first_min || p[0] > forms[i].first_max)
			continue;
		if (forms[i].len == 1)
			return 1;
		if (left < forms[i].len || p[1] < forms[i].second_min || p[1] > forms[i].second_max)
			return 0;
		for (size_t k = 2; k < forms[i].len; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].len;
	}
	return 0;
}

size_t utf8_invalid(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint64_t eight;
		size_t step;

		/* nearly every document is ASCII: eight bytes at a time */
		if (len - at >= sizeof(eight)) {
			memcpy(&eight, text + at, sizeof(eight));
			if (!(eight & 0x8080808080808080ULL)) {
				at += sizeof(eight);
				continue;
			}
		}
		step = utf8_sequence_len(text + at, len - at);
		if (!step)
			return at;
		at += step;
	}
	return len;
}
