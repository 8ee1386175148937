/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wherry is linked statically, because loading even the C library costs every start a quarter of
 * what `state` takes altogether. A static program cannot load libraries at run time. So there are
 * two of it, of the same objects: the static one, and a dynamically linked twin in libexec that
 * takes over on the hosts and for the options that need a library.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/**
 * Called first in main(): remember how this program was started, before parsing moves its arguments
 * about, and whether it is the static one.
 */
void twin_init(bool is_static, int argc, char **argv);
/**
 * Make sure that dlopen(3) can be used: the static program executes its twin with the same
 * arguments and does not return. Call it before anything that must not be done twice.
 * @library: for whose sake, for the error. Returns 0 in a dynamic program, or -errno.
 */
int twin_require(const char *library, struct wh_error *err);
/** The twin gets the caller's @fd, too, under the same number: all others are close-on-exec. One at most. */
void twin_pass_fd(int fd);
