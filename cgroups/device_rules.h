/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules in the kernel's terms, reduced to those that decide something. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/types.h"

/** One rule. */
struct device_rule {
	bool allow;
	bool any_major;
	bool any_minor;
	uint32_t type;		/* BPF_DEVCG_DEV_CHAR, BPF_DEVCG_DEV_BLOCK, or 0: both */
	uint32_t major;
	uint32_t minor;
	uint32_t access;	/* BPF_DEVCG_ACC_*, or-ed, never 0 */
};

/** Rules in the order in which they are tried: the first match decides. What matches none is refused. */
struct device_rules {
	struct device_rule *rules;
	size_t count;
};

/**
 * Resolve @rules (last match wins) and the always allowed devices after them into rules of which the first match wins, without those that
 * can never decide. Pure. Returns 0, or -errno with a text that starts with the rule's index ("[2].major: ...").
 */
int device_rules_resolve(const struct oci_device_rule *rules, size_t n_rules, struct arena *arena, struct device_rules *ret_rules,
			 struct wh_error *err);
/** Whether @rules let everything pass, so that no program is needed. */
bool device_rules_allow_all(const struct device_rules *rules);
