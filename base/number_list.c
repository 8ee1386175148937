/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number_list.h"

#include <errno.h>
#include <stdlib.h>

#define WORD_BITS (8 * sizeof(unsigned long))

/** Read the digits at *@text and move past them. Returns 0, -EINVAL without a digit, -ERANGE from
 * @limit on. */
static int take_number(const char **text, size_t limit, size_t *ret_number)
{
	size_t number = 0;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		number = number * 10 + (size_t)(**text - '0');
		if (number >= limit)
			return -ERANGE;
	}
	*ret_number = number;
	return 0;
}

int number_list_parse(const char *list, unsigned long *mask, size_t bits)
{
	size_t end = 0;

	while (*list) {
		size_t first;
		size_t last;
		int rc = take_number(&list, bits, &first);

		last = first;
		if (rc == 0 && *list == '-') {
			list++;
			rc = take_number(&list, bits, &last);
		}
		if (rc < 0)
			return rc;
		if (last < first || (*list && *list != ',') || (*list == ',' && !list[1]))
			return -EINVAL;
		for (size_t n = first; n <= last; n++)
			mask[n / WORD_BITS] |= 1UL << n % WORD_BITS;
		end = last + 1 > end ? last + 1 : end;
		list += *list == ',';
	}
	return (int)end;
}
