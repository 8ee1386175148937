/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of small numbers as the kernel writes them: "0-3,7" (cpuset(7)). */
#pragma once

#include <stddef.h>

/**
 * Set the bits of @list in @mask, an array of @bits bits that the caller zeroed. Blanks are not
 * allowed. Returns the highest number + 1 (0 for an empty list), -EINVAL for what is no list, or
 * -ERANGE for a number that is not below @bits.
 */
int number_list_parse(const char *list, unsigned long *mask, size_t bits);
