/* SPDX-License-Identifier: Apache-2.0 */
/* What a person, or a program, sees of a migration while it goes on: one line for each thing that happened. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "libcontainer/migrate/migrate.h"

struct migrate_progress {
	FILE *out;
	bool json; /* one object a line */
	struct arena *arena;
	const char *id;
	const char *destination;
};

/** An observer of container_migrate(); @ctx is a struct migrate_progress. */
void migrate_progress_event(void *ctx, const struct migrate_event *event);
/** The last line of a migration that succeeded. */
void migrate_progress_report(const struct migrate_progress *progress,
			     const struct migrate_report *report);
/** The last line of one that did not: where the container is now. The error itself is main()'s. */
void migrate_progress_where(const struct migrate_progress *progress, enum migrate_where where);
/** The records of migrations, as a table or as one JSON list. Returns 0 or -ENOMEM. */
int migrate_progress_status(const struct migrate_progress *progress,
			    const struct migrate_status *list, size_t count, struct wh_error *err);

/** @bytes as "12.3 MiB" into @buf. Returns @buf. */
const char *migrate_size_text(uint64_t bytes, char *buf, size_t size);
/** @ns as "345 ms" or "1.23 s" into @buf. Returns @buf. */
const char *migrate_time_text(uint64_t ns, char *buf, size_t size);
