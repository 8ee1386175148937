/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/string_rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "oci-spec/types.h"

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static const char *complain_absolute_path(const char *s)
{
	if (s[0] != '/')
		return "must be an absolute path";
	return has_control(s) ? "must not hold control characters" : NULL;
}

static const char *complain_empty(const char *s)
{
	return s[0] ? NULL : "must not be empty";
}

/* Digits without a leading zero; returns what follows, or NULL. */
static const char *skip_version_number(const char *s)
{
	if (!isdigit((unsigned char)*s) || (s[0] == '0' && isdigit((unsigned char)s[1])))
		return NULL;
	while (isdigit((unsigned char)*s))
		s++;
	return s;
}

/* Identifiers of a pre-release or build part, separated by single dots; returns what follows, or
 * NULL. */
static const char *skip_version_suffix(const char *s)
{
	do {
		const char *start = s;

		while (isalnum((unsigned char)*s) || *s == '-')
			s++;
		if (s == start)
			return NULL;
	} while (*s++ == '.');
	return s - 1;
}

/* https://semver.org/spec/v2.0.0.html, sections 2, 9 and 10. */
static bool is_semver(const char *s)
{
	for (int part = 0; part < 3; part++) {
		if (part && *s++ != '.')
			return false;
		s = skip_version_number(s);
		if (!s)
			return false;
	}
	if (*s == '-')
		s = skip_version_suffix(s + 1);
	if (s && *s == '+')
		s = skip_version_suffix(s + 1);
	return s && !*s;
}

static const char *complain_version(const char *s)
{
	if (!is_semver(s))
		return "must be a version as SemVer defines it (1.2.0)";
	return str_after(s, "1.") ? NULL : "must be a version 1.x of the runtime-spec";
}

/* __NEW_UTS_LEN; the kernel answers a longer name with EINVAL alone. */
static const char *complain_hostname(const char *s)
{
	return strlen(s) > 64 ? "must not be longer than 64 bytes" : NULL;
}

static const char *complain_env(const char *s)
{
	const char *equals = strchr(s, '=');

	if (!equals)
		return "must have the form NAME=value";
	return equals == s ? "must have a name before the '='" : NULL;
}

static const char *complain_control(const char *s)
{
	return has_control(s) ? "must not hold control characters" : NULL;
}

static const char *complain_interface(const char *s)
{
	if (!s[0] || strlen(s) > 15 || streq(s, ".") || streq(s, ".."))
		return "must be the name of a network interface (1 to 15 bytes)";
	for (; *s; s++)
		if (*s == '/' || *s == ':' || isspace((unsigned char)*s))
			return "must be the name of a network interface (no '/', ':' or blank)";
	return NULL;
}

/* One number below 2^31, as the kernel's own list parser has it; returns what follows, or NULL. */
static const char *skip_list_number(const char *s, unsigned long *ret)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return NULL;
	*ret = strtoul(s, &end, 10);
	return *ret > 0x7fffffff ? NULL : end;
}

static bool is_id_list(const char *s)
{
	for (;;) {
		unsigned long first, last;

		s = skip_list_number(s, &first);
		if (!s)
			return false;
		if (*s == '-') {
			s = skip_list_number(s + 1, &last);
			if (!s || last < first)
				return false;
		}
		if (!*s)
			return true;
		if (*s++ != ',')
			return false;
	}
}

static const char *complain_id_list(const char *s)
{
	return is_id_list(s) ? NULL : "must be a list like '0-3,7'";
}

static const char *complain_id_list_or_empty(const char *s)
{
	return s[0] ? complain_id_list(s) : NULL;
}

static const char *complain_device_access(const char *s)
{
	return s[strspn(s, "rwm")] ? "must be made of 'r', 'w' and 'm'" : NULL;
}

static const char *complain_page_size(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	if (!digits || s[0] == '0')
		return "must be a size like '2MB'";
	s += digits;
	return streq(s, "KB") || streq(s, "MB") || streq(s, "GB") ? NULL
								  : "must be a size like '2MB'";
}

static const char *complain_file_name(const char *s)
{
	if (!s[0] || strchr(s, '/') || streq(s, ".") || streq(s, ".."))
		return "must be the name of a file without '/'";
	return complain_control(s);
}

static const char *complain_sysctl(const char *s)
{
	if (!s[0])
		return "must not be empty";
	return strstr(s, "..") ? "must not hold '..'" : complain_control(s);
}

/* "/" is the default class of service (config-linux.md#intelrdt). */
static const char *complain_clos_id(const char *s)
{
	if (streq(s, "/"))
		return NULL;
	return complain_file_name(s) ? "must be '/' or a directory name without '/'" : NULL;
}

static const char *complain_word(const char *s)
{
	if (!s[0])
		return "must not be empty";
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return "must not hold blanks or control characters";
	return NULL;
}

static const char *complain_lines(const char *s)
{
	return strchr(s, '\n') ? "must be one line" : NULL;
}

static const char *complain_mem_bw(const char *s)
{
	return str_after(s, "MB:") ? complain_lines(s) : "must begin with 'MB:'";
}

const struct string_rule rule_absolute_path = {.complaint = complain_absolute_path};
const struct string_rule rule_not_empty = {.complaint = complain_empty};
const struct string_rule rule_optional = {.empty_is_absent = true};
const struct string_rule rule_version = {.complaint = complain_version};
const struct string_rule rule_hostname = {.complaint = complain_hostname, .empty_is_absent = true};
const struct string_rule rule_env = {.complaint = complain_env};
const struct string_rule rule_cgroups_path = {.complaint = complain_control,
					      .empty_is_absent = true};
const struct string_rule rule_interface = {.complaint = complain_interface};
const struct string_rule rule_id_list = {.complaint = complain_id_list};
const struct string_rule rule_id_list_or_empty = {.complaint = complain_id_list_or_empty};
const struct string_rule rule_kernel_list = {.complaint = complain_control,
					     .empty_is_absent = true};
const struct string_rule rule_device_access = {.complaint = complain_device_access};
const struct string_rule rule_page_size = {.complaint = complain_page_size};
const struct string_rule rule_cgroup_file = {.complaint = complain_file_name};
const struct string_rule rule_sysctl = {.complaint = complain_sysctl};
const struct string_rule rule_clos_id = {.complaint = complain_clos_id};
const struct string_rule rule_word = {.complaint = complain_word};
const struct string_rule rule_one_line = {.complaint = complain_lines};
const struct string_rule rule_mem_bw = {.complaint = complain_mem_bw};

const struct int_range range_id = {0, UINT32_MAX - 1};
const struct int_range range_positive = {1, INT64_MAX};

const struct field absolute_path_element = {.type = &field_string, .param = &rule_absolute_path};
const struct field id_element = {.type = &field_u32, .param = &range_id};
const struct map_type string_map = {
    .key = FIELD(oci_string_map, NULL, key, field_string, &rule_not_empty, 0),
    .value = FIELD(oci_string_map, NULL, value, field_string, NULL, 0),
    .size = sizeof(struct oci_string_map),
};
