/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/json_surrogate.h"

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

bool json_surrogate_lone(const char *raw, size_t len)
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
