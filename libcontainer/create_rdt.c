/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of create for linux.intelRdt. */
#include <errno.h>

#include "base/fd.h"
#include "base/log.h"
#include "libcontainer/create_steps.h"

int create_needs_rdt(const void *ctx)
{
	const struct create *create = ctx;

	return create->plan->rdt.group != NULL;
}

/** Before the claim, whose record tells what will be made. */
int create_step_rdt_look(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	create->rdt_fd = intel_rdt_open(err);
	if (create->rdt_fd < 0)
		return create->rdt_fd;
	return intel_rdt_check(&create->plan->rdt, create->rdt_fd, &create->rdt_missing, err);
}

int create_step_rdt_make(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return intel_rdt_make(&create->plan->rdt, create->rdt_fd, create->rdt_missing, err);
}

void create_undo_rdt_make(void *ctx)
{
	struct create *create = ctx;
	struct wh_error err = WH_ERROR_INIT;

	if (intel_rdt_remove(create->rdt_fd, create->record.rdt_group, create->record.rdt_monitor,
			     &err) < 0)
		log_warning("%s", err.message);
}

/** Once it is known which process is the container's init; what that starts inherits both. */
int create_step_rdt_add(void *ctx, struct wh_error *err)
{
	struct create *create = ctx;

	return intel_rdt_add(&create->plan->rdt, create->rdt_fd, create->spawn.process.pid, err);
}
