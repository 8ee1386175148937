/* SPDX-License-Identifier: Apache-2.0 */
/* What a JSON text may hold in the way of characters (RFC 3629, RFC 8259 section 8). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** The offset of the first byte of @text that belongs to no valid UTF-8 sequence (no overlong
 * forms, no surrogates), or @len. */
size_t json_utf8_invalid(const char *text, size_t len);
/** Whether the raw inside of a string token holds a \u escape of one half of a surrogate pair
 * without the other. */
bool json_utf8_lone_surrogate(const char *raw, size_t len);
