/* SPDX-License-Identifier: Apache-2.0 */
/* CLOCK_MONOTONIC (clock_gettime(2)), which nobody sets: for time limits, and for how long something took. */
#pragma once

#include <stdint.h>

/** Milliseconds. */
int64_t clock_ms(void);
/** Nanoseconds. */
uint64_t clock_ns(void);
