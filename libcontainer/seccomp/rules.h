/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a profile as libseccomp takes them: actions, operators, conditions. */
#pragma once

#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "oci-spec/types.h"

/** What an action is to libseccomp and to the kernel. */
struct seccomp_action_row {
	uint32_t scmp;    /* without a value */
	uint32_t kernel;  /* SECCOMP_RET_* */
	bool takes_value; /* an errno, or a tracer's message */
	bool lets_pass;   /* as a default: whoever gets it decides about unknown calls, or nobody */
};

/** One row an action, by enum oci_seccomp_action. */
extern const struct seccomp_action_row seccomp_actions[];

/**
 * libseccomp's SCMP_ACT_* of @action (enum oci_seccomp_action) with @value, which is EPERM when
 * NULL (config-linux.md#seccomp) and left out of actions that take none.
 */
uint32_t seccomp_action_value(int64_t action, const uint32_t *value);
/**
 * Add all rules of @profile to @ctx. Rules that say what the default says are left out, and so are
 * system calls unknown to libseccomp. Returns 0 or -errno.
 */
int seccomp_rules_add(scmp_filter_ctx ctx, const struct oci_seccomp *profile, struct wh_error *err);
