/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>

int str_parse_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	bool too_large = false;

	if (str_empty(s))
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		/* Read on to the end: "99999999999999999999x" is malformed, not merely too large.
		 */
		too_large |= __builtin_mul_overflow(value, 10, &value);
		too_large |= __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value);
	}
	if (too_large || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int str_parse_i64(const char *s, int64_t *ret)
{
	bool negative = s && s[0] == '-';
	uint64_t magnitude;
	int r = str_parse_u64(negative ? s + 1 : s, (uint64_t)INT64_MAX + negative, &magnitude);

	if (r < 0)
		return r;
	*ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return 0;
}
