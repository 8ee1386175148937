/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has something to undo does not die of SIGTERM, SIGINT, SIGHUP or SIGQUIT, but hears of it: they are held back,
 * and an fd tells that one has come. One that the caller ignores stays ignored.
 */
#pragma once

#include <errno.h>
#include <signal.h>

#include "base/error.h"

struct interrupt {
	int fd; /* to be read by interrupt_take() when poll(2) says so; -EBADF: nothing is held back */
	sigset_t saved;
};

#define INTERRUPT_NONE ((struct interrupt){.fd = -EBADF})

/** Hold them back from here on. May be nested: who waits first hears of one. Returns 0 or -errno. */
int interrupt_begin(struct interrupt *interrupt, struct wh_error *err);
/** They have their effect again; one that has come and was not taken has it now. */
void interrupt_end(struct interrupt *interrupt);
/** The signal that has come, and is dealt with now, or 0. */
int interrupt_take(int fd);
