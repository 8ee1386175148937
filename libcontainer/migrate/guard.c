/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/guard.h"

#include "libcontainer/migrate/fault.h"

/** What is left to do, in the guard. */
struct work {
	void (*recover)(void *ctx);
	void *ctx;
};

static void finish_work(void *ctx, char said)
{
	const struct work *work = ctx;

	migrate_fault_end();
	work->recover(work->ctx);
}

int migrate_guard_start(struct migrate_guard *guard, void (*recover)(void *ctx), void *ctx,
			struct wh_error *err)
{
	struct work work = {.recover = recover, .ctx = ctx};

	return guard_start(&guard->guard,
			   &(struct guard_post){.recover = finish_work, .ctx = &work}, err);
}

void migrate_guard_end(struct migrate_guard *guard)
{
	guard_end(&guard->guard);
}
