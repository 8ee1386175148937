/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/plan_path.h"

#include <limits.h>

#include "base/path.h"

const char *plan_path_clean(const char *path, struct plan_place place, struct arena *arena,
			    struct problems *problems)
{
	char buf[PATH_MAX];
	const char *absolute = path[0] == '/' ? path : arena_printf(arena, "/%s", path);

	if (!absolute)
		return NULL;
	if (path_clean(absolute, buf, sizeof(buf)) < 0) {
		problems_add(problems, PROBLEM_ERROR, PLAN_PLACE_FMT ": the path is too long",
			     PLAN_PLACE_ARGS(place));
		return NULL;
	}
	return arena_strdup(arena, buf);
}

const char *plan_path_host(const char *path, const char *bundle, struct arena *arena)
{
	char buf[PATH_MAX];
	const char *joined;

	if (path[0] == '/')
		return arena_strdup(arena, path);
	joined = arena_printf(arena, "%s/%s", bundle, path);
	if (!joined || path_clean(joined, buf, sizeof(buf)) < 0)
		return joined;
	return arena_strdup(arena, buf);
}
