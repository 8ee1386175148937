/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/device_rules.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <string.h>

#include "base/str.h"

#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

#define ALLOW(kind, number) \
	{ .allow = true, .type = BPF_DEVCG_DEV_##kind, .access = ACCESS_ALL, number }
#define NUMBER(maj, min) .major = (maj), .minor = (min)
#define ANY_MINOR(maj)	 .major = (maj), .any_minor = true

/** What no container can do without, as runc and crun add it after the document's rules. mknod alone gives no access. */
static const struct device_rule always_allowed[] = {
	{ .allow = true, .any_major = true, .any_minor = true, .access = BPF_DEVCG_ACC_MKNOD },
	ALLOW(CHAR, NUMBER(1, 3)),    /* null */
	ALLOW(CHAR, NUMBER(1, 5)),    /* zero */
	ALLOW(CHAR, NUMBER(1, 7)),    /* full */
	ALLOW(CHAR, NUMBER(1, 8)),    /* random */
	ALLOW(CHAR, NUMBER(1, 9)),    /* urandom */
	ALLOW(CHAR, NUMBER(5, 0)),    /* tty */
	ALLOW(CHAR, NUMBER(5, 2)),    /* ptmx */
	ALLOW(CHAR, ANY_MINOR(136)),  /* pts */
	ALLOW(CHAR, NUMBER(10, 200)), /* net/tun */
};

static const struct {
	char letter;
	uint32_t bit;
} access_letters[] = {
	{ 'r', BPF_DEVCG_ACC_READ },
	{ 'w', BPF_DEVCG_ACC_WRITE },
	{ 'm', BPF_DEVCG_ACC_MKNOD },
};

/** A device number; absent or -1 (runc's and Podman's wildcard) is any. */
static int resolve_number(const int64_t *number, bool *ret_any, uint32_t *ret_number)
{
	*ret_any = !number || *number == -1;
	if (*ret_any)
		return 0;
	if (*number < 0 || *number > UINT32_MAX)
		return -ERANGE;
	*ret_number = (uint32_t)*number;
	return 0;
}

static int resolve_type(char type, uint32_t *ret_type)
{
	switch (type) {
	case 'a':
	case '\0':
		*ret_type = 0;
		return 0;
	case 'c':
	case 'u':
		*ret_type = BPF_DEVCG_DEV_CHAR;
		return 0;
	case 'b':
		*ret_type = BPF_DEVCG_DEV_BLOCK;
		return 0;
	default:
		return -EINVAL;
	}
}

static int resolve_access(const char *access, uint32_t *ret_access)
{
	if (str_empty(access)) {
		*ret_access = ACCESS_ALL;
		return 0;
	}
	for (; *access; access++) {
		size_t i = 0;

		while (i < ARRAY_LEN(access_letters) && access_letters[i].letter != *access)
			i++;
		if (i == ARRAY_LEN(access_letters))
			return -EINVAL;
		*ret_access |= access_letters[i].bit;
	}
	return 0;
}

static int resolve_rule(const struct oci_device_rule *rule, size_t index, struct device_rule *ret_rule, struct wh_error *err)
{
	struct device_rule out = { .allow = rule->allow };

	if (resolve_type(rule->type, &out.type) < 0)
		return wh_fail(err, 0, "[%zu].type: expected a, c or b, found '%c'", index, rule->type);
	if (resolve_number(rule->major, &out.any_major, &out.major) < 0)
		return wh_fail(err, 0, "[%zu].major: %" PRId64 " is no device number", index, *rule->major);
	if (resolve_number(rule->minor, &out.any_minor, &out.minor) < 0)
		return wh_fail(err, 0, "[%zu].minor: %" PRId64 " is no device number", index, *rule->minor);
	if (resolve_access(rule->access, &out.access) < 0)
		return wh_fail(err, 0, "[%zu].access: expected letters of 'rwm', found '%s'", index, rule->access);
	*ret_rule = out;
	return 0;
}

/** Whether every device of @inner is one of @outer; the access bits aside. */
static bool covers(const struct device_rule *outer, const struct device_rule *inner)
{
	if (outer->type && outer->type != inner->type)
		return false;
	if (!outer->any_major && (inner->any_major || outer->major != inner->major))
		return false;
	return outer->any_minor || (!inner->any_minor && outer->minor == inner->minor);
}

/** Take from @rule the access bits that an earlier tried rule decides for all its devices, whatever its verdict. */
static void drop_shadowed(struct device_rules *list, struct device_rule rule)
{
	for (size_t i = 0; i < list->count && rule.access; i++)
		if (covers(&list->rules[i], &rule))
			rule.access &= ~list->rules[i].access;
	if (rule.access)
		list->rules[list->count++] = rule;
}

/** Whether a rule after @index, with no contrary one in between, says the same about all of @index's devices and accesses. */
static bool is_repeated_later(const struct device_rules *list, size_t index)
{
	const struct device_rule *rule = &list->rules[index];

	for (size_t i = index + 1; i < list->count && list->rules[i].allow == rule->allow; i++)
		if (covers(&list->rules[i], rule) && !(rule->access & ~list->rules[i].access))
			return true;
	return false;
}

static void drop_repeated(struct device_rules *list)
{
	size_t kept = 0;

	/* Refusing is what happens anyway at the end. */
	while (list->count && !list->rules[list->count - 1].allow)
		list->count--;
	for (size_t i = 0; i < list->count; i++)
		if (!is_repeated_later(list, i))
			list->rules[kept++] = list->rules[i];
	list->count = kept;
}

int device_rules_resolve(const struct oci_device_rule *rules, size_t n_rules, struct arena *arena, struct device_rules *ret_rules,
			 struct wh_error *err)
{
	struct device_rules list = { .rules = arena_array(arena, struct device_rule, n_rules + ARRAY_LEN(always_allowed)) };

	if (!list.rules)
		return wh_oom(err);
	/* A bad rule is an error even where it could never decide. */
	for (size_t i = 0; i < n_rules; i++) {
		struct device_rule unused;
		int rc = resolve_rule(&rules[i], i, &unused, err);

		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < ARRAY_LEN(always_allowed); i++)
		drop_shadowed(&list, always_allowed[i]);
	for (size_t i = n_rules; i-- > 0;) {
		struct device_rule rule;

		if (resolve_rule(&rules[i], i, &rule, NULL) == 0)
			drop_shadowed(&list, rule);
	}
	drop_repeated(&list);
	*ret_rules = list;
	return 0;
}

bool device_rules_allow_all(const struct device_rules *rules)
{
	uint32_t access = 0;

	for (size_t i = 0; i < rules->count && rules->rules[i].allow; i++)
		if (!rules->rules[i].type && rules->rules[i].any_major && rules->rules[i].any_minor)
			access |= rules->rules[i].access;
	return access == ACCESS_ALL;
}
