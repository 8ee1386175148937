/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/device_property.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "cgroups/device_rules.h"

static bool covers_all(const struct device_rule *rule)
{
	return !rule->type && rule->any_major && rule->any_minor &&
	       rule->access == DEVICE_ACCESS_ALL;
}

/** Where the last rule stands that is about everything: what is before it does not count. */
static size_t find_start(const struct device_rules *rules)
{
	for (size_t i = rules->count; i > 0; i--)
		if (covers_all(&rules->rules[i - 1]))
			return i - 1;
	return 0;
}

/** How systemd writes the devices of @rule that are of @kind ("char", "block"). */
static const char *device_text(const struct device_rule *rule, const char *kind,
			       struct arena *arena)
{
	/* a minor for every major cannot be said: all of the kind */
	if (rule->any_major)
		return arena_printf(arena, "%s-*", kind);
	if (rule->any_minor)
		return arena_printf(arena, "%s-%" PRIu32, kind, rule->major);
	return arena_printf(arena, "/dev/%s/%" PRIu32 ":%" PRIu32, kind, rule->major, rule->minor);
}

static const char *access_text(uint32_t access, struct arena *arena)
{
	return arena_printf(arena, "%s%s%s", access & BPF_DEVCG_ACC_READ ? "r" : "",
			    access & BPF_DEVCG_ACC_WRITE ? "w" : "",
			    access & BPF_DEVCG_ACC_MKNOD ? "m" : "");
}

/** Whether device_text() says the same of both. */
static bool is_same_device(const struct device_rule *a, const struct device_rule *b)
{
	if (a->any_major || b->any_major)
		return a->any_major && b->any_major;
	return a->major == b->major && a->any_minor == b->any_minor &&
	       (a->any_minor || a->minor == b->minor);
}

/** All that @rules from @start on allow with the device of @rule: of two entries systemd keeps the last. */
static uint32_t whole_access(const struct device_rules *rules, size_t start,
			     const struct device_rule *rule, uint32_t type)
{
	uint32_t access = 0;

	for (size_t i = start; i < rules->count; i++)
		if (rules->rules[i].allow && device_rule_has_type(&rules->rules[i], type) &&
		    is_same_device(&rules->rules[i], rule))
			access |= rules->rules[i].access;
	return access;
}

static int add_rule(const struct device_rules *rules, size_t start, const struct device_rule *rule,
		    struct bus_properties *properties)
{
	/* clang-format off */
	static const struct {
		uint32_t type;
		const char *name;
	} kinds[] = { { BPF_DEVCG_DEV_CHAR, "char" }, { BPF_DEVCG_DEV_BLOCK, "block" } };
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *device, *access;

		if (!device_rule_has_type(rule, kinds[i].type))
			continue;
		device = device_text(rule, kinds[i].name, properties->arena);
		access =
		    access_text(whole_access(rules, start, rule, kinds[i].type), properties->arena);
		if (!device || !access ||
		    bus_properties_add_pair(properties, "DeviceAllow", bus_value_text(device),
					    bus_value_text(access)) < 0)
			return -ENOMEM;
	}
	return 0;
}

int device_property_add(const struct oci_device_rule *rules, size_t n_rules,
			struct bus_properties *properties, struct wh_error *err)
{
	static const struct bus_value nothing = {.type = 'a', .text = "(ss)"};
	struct device_rules resolved;
	size_t start;
	bool all;
	int rc = device_rules_resolve(rules, n_rules, properties->arena, &resolved, err);

	if (rc < 0)
		return rc;
	start = find_start(&resolved);
	all = resolved.count && covers_all(&resolved.rules[start]) && resolved.rules[start].allow;
	/* an empty list first: of what was set before nothing stays */
	if (bus_properties_add(properties, "DevicePolicy",
			       bus_value_text(all ? "auto" : "strict")) < 0 ||
	    bus_properties_add(properties, "DeviceAllow", nothing) < 0)
		return wh_oom(err);
	for (size_t i = start; !all && i < resolved.count; i++)
		if (resolved.rules[i].allow &&
		    add_rule(&resolved, start, &resolved.rules[i], properties) < 0)
			return wh_oom(err);
	return 0;
}
