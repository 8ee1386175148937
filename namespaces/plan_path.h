/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of the document as the plan has them. Pure. */
#pragma once

#include "base/arena.h"
#include "oci-spec/problems.h"

/** A member of a list in the document, for problems: put together only when there is one. */
struct plan_place {
	const char *list;   /* "mounts" */
	size_t index;       /* 3 */
	const char *member; /* ".destination", or "" for the item itself */
};

#define PLAN_PLACE_FMT         "%s[%zu]%s"
#define PLAN_PLACE_ARGS(place) (place).list, (place).index, (place).member

/**
 * The absolute, lexically clean form of @path inside the container, a relative one taken from "/".
 * Any byte may be in it, as in a file's name. A path that is too long is added to @problems, as a
 * text that starts with @place.
 * Returns it in the arena, or NULL after a problem or out of memory.
 */
const char *plan_path_clean(const char *path, struct plan_place place, struct arena *arena,
			    struct problems *problems);
/**
 * A path of the host: an absolute one as it is written, a relative one below @bundle, cleaned as
 * runc does. Returns it in the arena, or NULL out of memory.
 */
const char *plan_path_host(const char *path, const char *bundle, struct arena *arena);
