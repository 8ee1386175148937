/* SPDX-License-Identifier: Apache-2.0 */
/* The names of signals (signal(7)). */
#pragma once

#include "base/name_table.h"

/** The standard signals without "SIG", by number; the names first listed are the usual ones. */
extern const struct name_table signal_names;

/**
 * Parse a signal: a number of 1 to 64, or a name with or without "SIG", in any case, RTMIN+N and
 * RTMAX-N among them, counted as the kernel does for programs of a C library (34 is RTMIN, as
 * kill(1) has it). Returns the number, or -EINVAL.
 */
int signal_parse(const char *text);
