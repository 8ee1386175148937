/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a profile as libseccomp takes them: an action a system call. The conditions of
 * rules are not its business: see libcontainer/seccomp/conditions.h.
 *
 * Where several rules are about one call: a rule without conditions decides alone (the first of
 * them), so runc's and crun's filters have it, too. Of several rules whose conditions hold the
 * strictest decides, as the kernel has it for several filters (seccomp(2)), and the first of
 * those.
 */
#pragma once

#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/seccomp/conditions.h"
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
/** Rules of a profile, those about one call together and the first that holds first. */
struct seccomp_rules {
	struct seccomp_rule *rows;
	size_t n;
};

/** How many rows from @at on are about the call of that row. */
size_t seccomp_rules_count(const struct seccomp_rules *rules, size_t at);

/** The calls that are judged by their arguments. */
struct seccomp_calls {
	struct seccomp_call *calls;
	size_t n;
};

/**
 * Add all rules of @profile to @ctx. Rules that say what the default says are left out, and so are
 * system calls unknown to libseccomp. A call whose rules all have conditions is given a marker;
 * these calls are in *@ret_calls, in @arena and @profile. Returns 0 or -errno.
 */
int seccomp_rules_add(scmp_filter_ctx ctx, const struct oci_seccomp *profile, struct arena *arena,
		      struct seccomp_calls *ret_calls, struct wh_error *err);
