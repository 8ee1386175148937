/* SPDX-License-Identifier: Apache-2.0 */
#include "base/step.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/trace.h"

/* One bit a step. */
#define STEP_MAX 64

static bool is_needed(const struct step *step, const void *ctx)
{
	return !step->needed || step->needed(ctx);
}

static int run_one(const struct step *step, void *ctx, struct wh_error *err)
{
	uint64_t start = trace_begin();
	int r = step->run(ctx, err);

	trace_end(start, step->name);
	return r;
}

/* Name the step that failed, unless a step inside it has done so. */
static void name_step(const struct step *step, int r, struct wh_error *err)
{
	if (!err)
		return;
	if (!wh_error_set(err))
		wh_fail(err, -r, "no reason was given");
	if (!err->step[0])
		snprintf(err->step, sizeof(err->step), "%s", step->name);
}

int steps_run(const struct step *steps, size_t count, void *ctx, struct wh_error *err)
{
	/* What ran, not what is needed now: a step may change what the question is answered from.
	 */
	uint64_t ran = 0;

	assert(count <= STEP_MAX);
	for (size_t i = 0; i < count; i++) {
		int r;

		if (!is_needed(&steps[i], ctx))
			continue;
		r = run_one(&steps[i], ctx, err);
		if (r >= 0) {
			ran |= UINT64_C(1) << i;
			continue;
		}
		name_step(&steps[i], r, err);
		while (i-- > 0) {
			if ((ran & UINT64_C(1) << i) && steps[i].undo)
				steps[i].undo(ctx);
		}
		return r;
	}
	return 0;
}

void steps_undo(const struct step *steps, size_t count, void *ctx)
{
	while (count-- > 0) {
		if (steps[count].undo && is_needed(&steps[count], ctx))
			steps[count].undo(ctx);
	}
}
