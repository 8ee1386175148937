/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether init has become its program. Its socket closes at execve(2) and at its end alike; what went wrong
 * it says over that socket, unless the seccomp filter, which is loaded by then, forbids it, or kills it on
 * its way. Then only its name tells: the one that init took before the filter is still there.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/**
 * After the socket's end: 0 when @pid has executed its program @program, or is gone altogether (its parent
 * has reaped it, and nothing tells), else -errno with the reason as far as its exit status shows it: a filter
 * kills by SIGSYS (seccomp(2)); another signal came from somebody else, and is an error of WH_ERROR_RUNTIME.
 */
int executed_check(pid_t pid, const char *program, struct wh_error *err);
