/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/device_rules.h"

#include <errno.h>
#include <inttypes.h>

#include "base/str.h"

#define ALLOW(kind, number)                                                                        \
	{                                                                                          \
		.allow = true, .type = BPF_DEVCG_DEV_##kind, .access = DEVICE_ACCESS_ALL, number   \
	}
#define NUMBER(maj, min) .major = (maj), .minor = (min)
#define ANY_MINOR(maj)   .major = (maj), .any_minor = true

/**
 * What no container can do without, as runc and crun add it after the document's rules. mknod alone
 * gives no access.
 */
/* clang-format off */
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
/* clang-format on */

/* clang-format off */
static const struct {
	char letter;
	uint32_t bit;
} access_letters[] = {
	{ 'r', BPF_DEVCG_ACC_READ },
	{ 'w', BPF_DEVCG_ACC_WRITE },
	{ 'm', BPF_DEVCG_ACC_MKNOD },
};
/* clang-format on */

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
		*ret_access = DEVICE_ACCESS_ALL;
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

static int resolve_rule(const struct oci_device_rule *rule, size_t index,
			struct device_rule *ret_rule, struct wh_error *err)
{
	struct device_rule out = {.allow = rule->allow};

	if (resolve_type(rule->type, &out.type) < 0)
		return wh_fail(err, 0, "[%zu].type: expected a, c or b, found '%c'", index,
			       rule->type);
	if (resolve_number(rule->major, &out.any_major, &out.major) < 0)
		return wh_fail(err, 0, "[%zu].major: %" PRId64 " is no device number", index,
			       *rule->major);
	if (resolve_number(rule->minor, &out.any_minor, &out.minor) < 0)
		return wh_fail(err, 0, "[%zu].minor: %" PRId64 " is no device number", index,
			       *rule->minor);
	if (resolve_access(rule->access, &out.access) < 0)
		return wh_fail(err, 0, "[%zu].access: expected letters of 'rwm', found '%s'", index,
			       rule->access);
	*ret_rule = out;
	return 0;
}

int device_rules_resolve(const struct oci_device_rule *rules, size_t n_rules, struct arena *arena,
			 struct device_rules *ret_rules, struct wh_error *err)
{
	struct device_rules list = {
	    .rules = arena_array(arena, struct device_rule, n_rules + ARRAY_LEN(always_allowed))};

	if (!list.rules)
		return wh_oom(err);
	for (size_t i = 0; i < n_rules; i++) {
		int rc = resolve_rule(&rules[i], i, &list.rules[list.count++], err);

		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < ARRAY_LEN(always_allowed); i++)
		list.rules[list.count++] = always_allowed[i];
	*ret_rules = list;
	return 0;
}

uint32_t device_rules_access(const struct device_rules *rules, uint32_t type, const uint32_t *major,
			     const uint32_t *minor)
{
	uint32_t access = 0;

	for (size_t i = 0; i < rules->count; i++) {
		const struct device_rule *rule = &rules->rules[i];

		if (!device_rule_has_type(rule, type) ||
		    (!rule->any_major && (!major || rule->major != *major)) ||
		    (!rule->any_minor && (!minor || rule->minor != *minor)))
			continue;
		if (rule->allow)
			access |= rule->access;
		else
			access &= ~rule->access;
	}
	return access;
}
