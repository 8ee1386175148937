/* SPDX-License-Identifier: Apache-2.0 */
/* The one probe of the kernel: what is needed (Linux 5.14) and what is used when it is there. */
#pragma once

#include "base/error.h"

/** The oldest kernel wherry runs on. */
#define PROBE_KERNEL_MAJOR 5
#define PROBE_KERNEL_MINOR 14

/**
 * Check that the running kernel is new enough, from uname(2)'s release. @release: NULL for the
 * running kernel's, else the text to judge (tests; WHERRY_TEST_KERNEL_RELEASE in the environment
 * has the same use). Returns 0, or -ENOSYS with an error that names both versions.
 */
int probe_kernel(const char *release, struct wh_error *err);
