/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/restore_targets.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/** Whether one of the mounts before @index covers its target. */
static bool is_below_another(const struct rootfs_plan *plan, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		const char *rest =
		    str_after(plan->mounts[index].destination, plan->mounts[i].destination);

		if (rest && *rest == '/')
			return true;
	}
	return false;
}

static int make_target(const struct container_plan *plan, size_t index, struct wh_error *err)
{
	const struct mount_entry *entry = &plan->rootfs.mounts[index];
	int source = plan->fds.rootfs.sources[index];
	auto_fd target = -EBADF;
	struct stat st;

	if (source >= 0 && fstat(source, &st) < 0)
		return wh_fail(err, errno, "mounts[%u].source: look at it", entry->index);
	target = path_make_target(plan->fds.rootfs.root, entry->destination,
				  source < 0 || S_ISDIR(st.st_mode), err);
	if (target < 0)
		wh_error_prefix(err, "mounts[%u] '%s'", entry->index, entry->destination);
	return target < 0 ? target : 0;
}

int restore_targets_make(const struct container_plan *plan, struct wh_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->rootfs.n_mounts; i++) {
		if (plan->rootfs.mounts[i].kind != MOUNT_KIND_REMOUNT &&
		    !is_below_another(&plan->rootfs, i))
			rc = make_target(plan, i, err);
	}
	return rc;
}
