/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled filter: made by the parent (seccomp.c, with libseccomp), loaded by init
 * (load.c, without).
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct seccomp_program {
	struct sock_filter *insns;
	uint32_t n_insns;
	uint32_t flags; /* SECCOMP_FILTER_FLAG_* for seccomp(2) */
	bool notify;    /* an action is SCMP_ACT_NOTIFY: load with a listener */
	const char *listener_path;
	const char *listener_metadata;
};

/**
 * Load @program. With notify *@ret_listener is the listener fd (else -EBADF). Returns 0 or -errno.
 */
int seccomp_program_load(const struct seccomp_program *program, int *ret_listener,
			 struct wh_error *err);
