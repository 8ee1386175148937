/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/** "1970-01-01T00:00:00Z" with its NUL, and room to spare. */
#define TIMESTAMP_SIZE 32

/** Write the time of the host's clock, in UTC and to the second, into @buf (RFC 3339). */
void timestamp_now(char buf[TIMESTAMP_SIZE]);
