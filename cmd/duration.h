/* SPDX-License-Identifier: Apache-2.0 */
/* Durations as Go's programs take them: "5s", "100ms", "1m30s", "1.5h". */
#pragma once

#include <stdint.h>

/**
 * Parse all of @text. Returns 0 and sets *@ret_ms, -EINVAL for what is no duration or is negative,
 * or -ERANGE above 292 years. What is left of a millisecond is dropped.
 */
int duration_parse(const char *text, int64_t *ret_ms);
