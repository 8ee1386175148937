/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules in the kernel's terms, and what they say about a device. Pure. */
#pragma once

#include <linux/bpf.h>
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
	uint32_t type; /* BPF_DEVCG_DEV_CHAR, BPF_DEVCG_DEV_BLOCK, or 0: both */
	uint32_t major;
	uint32_t minor;
	uint32_t access; /* BPF_DEVCG_ACC_*, or-ed, never 0 */
};

#define DEVICE_ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

/** Rules in the order of the document, what is always allowed after them. */
struct device_rules {
	struct device_rule *rules;
	size_t count;
};

/**
 * Check and translate @rules, and append the devices that no container can do without. Pure.
 * Returns 0, or -errno with a text that starts with the rule's index ("[2].major: ...").
 */
int device_rules_resolve(const struct oci_device_rule *rules, size_t n_rules, struct arena *arena,
			 struct device_rules *ret_rules, struct wh_error *err);
/** Whether @rule is about devices of @type. */
static inline bool device_rule_has_type(const struct device_rule *rule, uint32_t type)
{
	return !rule->type || rule->type == type;
}

/**
 * The access that the rules leave to a device: for each bit the last rule that matches and has the
 * bit decides, none is a refusal. @major and
 * @minor: NULL = a number that no rule names.
 */
uint32_t device_rules_access(const struct device_rules *rules, uint32_t type, const uint32_t *major,
			     const uint32_t *minor);
