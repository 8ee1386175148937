/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/unit_name.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

#define ROOT_SLICE "-.slice"

/** What a name may hold as it is; '@' would make an instance of a template of it. */
static const char valid_bytes[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.\\-";

/**
 * Files of the kernel in a cgroup begin with these: systemd puts '_' in front of a unit's directory
 * that would look like one (cg_escape).
 */
static const char *const file_prefixes[] = {"cgroup", "cpu",          "cpuacct",    "cpuset",
					    "io",     "blkio",        "memory",     "devices",
					    "pids",   "bpf-firewall", "bpf-devices"};

bool unit_name_has_form(const char *path)
{
	const char *colon = strchr(path, ':');

	return colon && strchr(colon + 1, ':') && !strchr(path, '/');
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t len = strlen(text), end = strlen(suffix);

	return len > end && streq(text + len - end, suffix);
}

/** Invalid bytes as systemd-escape writes them. */
static const char *escape(const char *text, struct arena *arena)
{
	static const char digits[] = "0123456789abcdef";
	char *out = arena_alloc(arena, 4 * strlen(text) + 1);
	char *end = out;

	if (!out)
		return NULL;
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (strchr(valid_bytes, byte)) {
			*end++ = (char)byte;
			continue;
		}
		*end++ = '\\';
		*end++ = 'x';
		*end++ = digits[byte >> 4];
		*end++ = digits[byte & 15];
	}
	return out;
}

/** A slice's name is its way from the root: "a-b.slice" is in "a.slice". */
static int check_slice(const char *slice, struct wh_error *err)
{
	if (streq(slice, ROOT_SLICE))
		return 0;
	if (!has_suffix(slice, ".slice"))
		return wh_fail(err, 0, "'%s' is no slice: a slice's name ends in '.slice'", slice);
	if (strspn(slice, valid_bytes) != strlen(slice))
		return wh_fail(err, 0, "the slice's name '%s' has bytes that no unit's may have",
			       slice);
	if (slice[0] == '-' || strstr(slice, "--") || has_suffix(slice, "-.slice"))
		return wh_fail(err, 0,
			       "the slice's name '%s' has an empty part: dashes separate the "
			       "slices it is in",
			       slice);
	if (strlen(slice) > UNIT_NAME_MAX_LENGTH)
		return wh_fail(err, 0, "the slice's name is longer than %d bytes",
			       UNIT_NAME_MAX_LENGTH);
	return 0;
}

/** "/a.slice/a-b.slice" of "a-b.slice", "" of the root; NULL when memory ran out. */
static const char *slice_path(const char *slice, struct arena *arena)
{
	size_t stem = strlen(slice) - strlen(".slice");
	const char *path = "";

	if (streq(slice, ROOT_SLICE))
		return path;
	for (size_t i = 1; i <= stem && path; i++)
		if (i == stem || slice[i] == '-')
			path = arena_printf(arena, "%s/%.*s.slice", path, (int)i, slice);
	return path;
}

static bool looks_like_a_file(const char *name)
{
	if (name[0] == '_' || name[0] == '.')
		return true;
	for (size_t i = 0; i < ARRAY_LEN(file_prefixes); i++) {
		const char *rest = str_after(name, file_prefixes[i]);

		if (rest && rest[0] == '.')
			return true;
	}
	return false;
}

/** The slice that the slice @name is in, which its name says. */
static const char *parent_slice(const char *name, struct arena *arena)
{
	const char *dash = strrchr(name, '-');

	return dash ? arena_printf(arena, "%.*s.slice", (int)(dash - name), name) : ROOT_SLICE;
}

static int resolve_slice_unit(const char *name, struct arena *arena, struct unit_name *unit,
			      struct wh_error *err)
{
	int rc = check_slice(name, err);

	if (rc < 0)
		return rc;
	if (streq(name, ROOT_SLICE))
		return wh_fail(err, 0,
			       "it names the root slice, a container needs a unit of its own");
	unit->is_slice = true;
	unit->name = arena_strdup(arena, name);
	unit->slice = parent_slice(name, arena);
	unit->path = slice_path(name, arena);
	return unit->name && unit->slice && unit->path ? 0 : wh_oom(err);
}

static int resolve_scope(const char *slice, const char *prefix, const char *name,
			 struct arena *arena, struct unit_name *unit, struct wh_error *err)
{
	const char *parent, *stem;
	int rc = check_slice(slice, err);

	if (rc < 0)
		return rc;
	unit->slice = arena_strdup(arena, slice);
	parent = slice_path(slice, arena);
	stem = arena_printf(arena, "%s%s%s", prefix, prefix[0] ? "-" : "", name);
	stem = stem ? escape(stem, arena) : NULL;
	unit->name = stem ? arena_printf(arena, "%s.scope", stem) : NULL;
	if (!unit->slice || !parent || !unit->name)
		return wh_oom(err);
	if (strlen(unit->name) > UNIT_NAME_MAX_LENGTH)
		return wh_fail(err, 0, "the unit's name '%s' is longer than %d bytes", unit->name,
			       UNIT_NAME_MAX_LENGTH);
	unit->path = arena_printf(arena, "%s/%s%s", parent,
				  looks_like_a_file(unit->name) ? "_" : "", unit->name);
	return unit->path ? 0 : wh_oom(err);
}

static const char *choose_slice(const char *slice, const char *default_slice)
{
	if (streq(slice, "-"))
		return ROOT_SLICE;
	return slice[0] ? slice : default_slice;
}

int unit_name_parse(const char *path, const char *default_slice, const char *id,
		    struct arena *arena, struct unit_name *ret_unit, struct wh_error *err)
{
	struct unit_name unit = {.name = NULL};
	char *slice = arena_strdup(arena, path);
	char *prefix, *name;
	int rc;

	if (!slice)
		return wh_oom(err);
	if (!unit_name_has_form(path))
		return wh_fail(err, 0,
			       "the systemd cgroup manager wants the form slice:prefix:name");
	prefix = strchr(slice, ':');
	*prefix++ = '\0';
	name = strchr(prefix, ':');
	*name++ = '\0';
	if (has_suffix(name, ".slice"))
		rc = resolve_slice_unit(name, arena, &unit, err);
	else
		rc = resolve_scope(choose_slice(slice, default_slice), prefix, name[0] ? name : id,
				   arena, &unit, err);
	if (rc == 0)
		*ret_unit = unit;
	return rc;
}

bool unit_name_is_slice(const char *unit)
{
	return has_suffix(unit, ".slice");
}
