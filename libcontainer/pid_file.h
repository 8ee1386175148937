/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The --pid-file of create, run and exec: relative to the caller's directory, whatever the bundle
 * is (runc).
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/** Fail early when the file's directory is missing. Changes nothing. Returns 0 or -errno. */
int pid_file_check(const char *path, struct wh_error *err);
/** Write the decimal @pid without newline, whole or not at all. Returns 0 or -errno. */
int pid_file_write(const char *path, pid_t pid, struct wh_error *err);
