/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/duration.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"

/** A unit in nanoseconds; longer names first where one starts with another. */
static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
    {"ns",        1	    },
    {"us",        1000         },
    {"\xc2\xb5s", 1000         },
    {"\xce\xbcs", 1000         },
    {"ms",        1000000      },
    {"s",         1000000000   },
    {"m",         60000000000  },
    {"h",         3600000000000},
};

/** Take a unit off @text. Returns its nanoseconds, or 0. */
static uint64_t take_unit(const char **text)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		const char *rest = str_after(*text, units[i].name);

		if (!rest)
			continue;
		*text = rest;
		return units[i].ns;
	}
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/** Take "1.5h" off @text and add it to *@ns. */
static int take_part(const char **text, uint64_t *ns)
{
	uint64_t whole = 0, fraction = 0, scale = 1, unit, part;
	bool any = false;

	for (; is_digit(**text); (*text)++, any = true)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(**text - '0'), &whole))
			return -ERANGE;
	if (**text == '.')
		for ((*text)++; is_digit(**text); (*text)++, any = true)
			if (scale < 1000000) {
				fraction = fraction * 10 + (uint64_t)(**text - '0');
				scale *= 10;
			}
	unit = any ? take_unit(text) : 0;
	if (!unit)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, unit, &part) ||
	    __builtin_add_overflow(part, unit / scale * fraction, &part) ||
	    __builtin_add_overflow(*ns, part, ns) || *ns > INT64_MAX)
		return -ERANGE;
	return 0;
}

int duration_parse(const char *text, int64_t *ret_ms)
{
	uint64_t ns = 0;

	if (streq(text, "0")) {
		*ret_ms = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		int rc = take_part(&text, &ns);

		if (rc < 0)
			return rc;
	}
	*ret_ms = (int64_t)(ns / 1000000);
	return 0;
}
