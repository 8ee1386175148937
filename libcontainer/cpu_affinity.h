/* SPDX-License-Identifier: Apache-2.0 */
/* process.execCPUAffinity: the CPUs of an exec'ed process before and after it enters the cgroup
 * (config.md#linux-process). */
#pragma once

#include "base/error.h"

/** The most CPUs a list may name. */
#define CPU_AFFINITY_MAX 8192

/** Pin the calling thread to the CPUs of @list ("0-3,7"). @place: of the list in the document, for
 * the error. Returns 0 or -errno. */
int cpu_affinity_set(const char *list, const char *place, struct wh_error *err);
