/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes are UTF-8 (RFC 3629). */
#pragma once

#include <stddef.h>

/**
 * The length in bytes of the well-formed sequence at @text, of which @left bytes may be read: no
 * overlong form, no surrogate, nothing past U+10FFFF. 0 when there is none.
 */
size_t utf8_sequence_len(const char *text, size_t left);
/** The offset of the first byte of @text that belongs to no well-formed sequence, or @len. */
size_t utf8_invalid(const char *text, size_t len);
