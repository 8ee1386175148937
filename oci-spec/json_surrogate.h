/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes of halves of a character inside a JSON string (RFC 8259 section 8.2). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/**
 * Whether the raw inside of a string token holds a \u escape of one half of a surrogate pair without the
 * other.
 */
bool json_surrogate_lone(const char *raw, size_t len);
