/* SPDX-License-Identifier: Apache-2.0 */
/* The host's ps(1), cut down to some processes. */
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/**
 * Run ps with @options (none: -ef) and print its header and the lines of @pids (ascending).
 * Returns 0 or -errno: ps is not installed, failed, or printed no PID column.
 */
int ps_table_print(FILE *out, const pid_t *pids, size_t count, char *const *options,
		   size_t n_options, struct arena *arena, struct wh_error *err);
/**
 * Copy @in, which is what ps prints, to @out: the header, and the lines whose PID column is one of
 * @pids (ascending). Returns 0, or -EINVAL when there is no such column.
 */
int ps_table_filter(FILE *in, FILE *out, const pid_t *pids, size_t count, struct wh_error *err);
