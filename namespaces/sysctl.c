/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/sysctl.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"
#include "base/sys.h"

/** One row a parameter, or a family of them, that the kernel keeps for each namespace of a type. */
struct sysctl_family {
	const char *path; /* below /proc/sys; with is_prefix the beginning of it */
	bool is_prefix;
	int namespace_type; /* 0: refused, see instead */
	const char *namespace_name;
	const char *instead; /* why it is refused */
};

static const struct sysctl_family families[] = {
    {"kernel/hostname",   false, 0,             NULL,      "the property hostname sets it"},
    {"kernel/domainname", false, CLONE_NEWUTS,  "uts",     NULL                           },
    {"kernel/sem",        false, CLONE_NEWIPC,  "ipc",     NULL                           },
    {"kernel/msg",        true,  CLONE_NEWIPC,  "ipc",     NULL                           },
    {"kernel/shm",        true,  CLONE_NEWIPC,  "ipc",     NULL                           },
    {"fs/mqueue/",        true,  CLONE_NEWIPC,  "ipc",     NULL                           },
    {"net/",	      true,  CLONE_NEWNET,  "network", NULL                           },
    {"user/",             true,  CLONE_NEWUSER, "user",    NULL                           },
};

static bool family_matches(const struct sysctl_family *family, const char *path)
{
	return family->is_prefix ? str_after(path, family->path) != NULL
				 : streq(path, family->path);
}

static const struct sysctl_family *family_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		if (family_matches(&families[i], path))
			return &families[i];
	}
	return NULL;
}

/**
 * Whether @path names something below /proc/sys and nothing else: no empty component, ".", "..", or
 * control byte.
 */
static bool path_is_clean(const char *path)
{
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
		if (*p == '/' && !*++p)
			return false;
	}
	for (const char *p = path; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	}
	return path[0] != '\0';
}

static void key_to_path(char *key)
{
	const char *first = strpbrk(key, "./");

	if (!first || *first == '/')
		return;
	for (char *p = key; *p; p++)
		*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
}

static int check_key(const char *key, const char *path, int own_namespaces,
		     struct problems *problems)
{
	const struct sysctl_family *family;

	if (!path_is_clean(path))
		return problems_add(problems, PROBLEM_ERROR,
				    "linux.sysctl: '%s' is not the name of a kernel parameter",
				    key);
	family = family_of(path);
	if (!family)
		return problems_add(
		    problems, PROBLEM_ERROR,
		    "linux.sysctl: '%s' belongs to no namespace, setting it would change the host",
		    key);
	if (family->instead)
		return problems_add(problems, PROBLEM_ERROR, "linux.sysctl: '%s' is refused: %s",
				    key, family->instead);
	if (!(own_namespaces & family->namespace_type))
		return problems_add(
		    problems, PROBLEM_ERROR,
		    "linux.sysctl: '%s' needs the container to have its own %s namespace", key,
		    family->namespace_name);
	return 0;
}

int sysctl_plan_build(const struct oci_string_map *keys, size_t count, int own_namespaces,
		      struct arena *arena, struct problems *problems,
		      struct oci_string_map **ret_sysctl, size_t *ret_count, struct wh_error *err)
{
	struct oci_string_map *planned = arena_array(arena, struct oci_string_map, count);
	size_t n = 0;

	if (!planned)
		return wh_oom(err);
	for (size_t i = 0; i < count; i++) {
		char *path = arena_strdup(arena, keys[i].key);

		if (!path)
			return wh_oom(err);
		key_to_path(path);
		if (check_key(keys[i].key, path, own_namespaces, problems) < 0)
			continue;
		planned[n++] = (struct oci_string_map){.key = path, .value = keys[i].value};
	}
	*ret_sysctl = planned;
	*ret_count = n;
	return 0;
}
