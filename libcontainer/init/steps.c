/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/init/steps.h"

#include <errno.h>

#include "base/procfs.h"
#include "base/sys.h"
#include "libcontainer/init/init.h"

int init_step_open_proc(void *ctx, struct wh_error *err)
{
	struct init *init = ctx;

	init->proc_fd = procfs_open(false, err);
	if (init->proc_fd < 0)
		return init->proc_fd;
	init->rootfs.proc_fd = init->proc_fd;
	return 0;
}

int init_step_oom_score(void *ctx, struct wh_error *err)
{
	return init_set_oom_score(ctx, err);
}

int init_step_keyring(void *ctx, struct wh_error *err)
{
	return init_join_keyring(ctx, err);
}

int init_needs_keyring(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->process.keyring != NULL;
}

int init_step_become_root(void *ctx, struct wh_error *err)
{
	int rc = sys_setresgid(0, 0, 0);

	if (rc == 0)
		rc = sys_setresuid(0, 0, 0);
	if (rc < 0 && rc != -EINVAL) /* EINVAL: id 0 is not mapped */
		return wh_fail(err, -rc, "become root of the container's user namespace");
	return init_protect(err);
}

int init_needs_terminal(const void *ctx)
{
	const struct init *init = ctx;

	return init->plan->process.terminal;
}
