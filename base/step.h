/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps are data: create, init, exec, delete are each a table of steps walked by this one loop.
 * Order, rollback, the name in an error and the --trace timeline all come from the same array.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

struct step {
	const char *name; /* "pivot root": shown in errors and in the trace */
	/* Returns 0 or -errno; on failure it undoes its own half. */
	int (*run)(void *ctx, struct wh_error *err);
	void (*undo)(void *ctx);        /* NULL when there is nothing to undo; must not fail */
	int (*needed)(const void *ctx); /* NULL = always; 0 = skip this step (and its undo) */
};

/**
 * Run @steps in order. When one fails, the steps already run are undone in reverse order, err->step
 * is set to its name, and its value is returned. Otherwise 0. A step that runs steps of its own
 * keeps the inner name. @count is at most 64.
 */
int steps_run(const struct step *steps, size_t count, void *ctx, struct wh_error *err);

/** Undo all of @steps in reverse order, as if a step after the last had failed. */
void steps_undo(const struct step *steps, size_t count, void *ctx);
