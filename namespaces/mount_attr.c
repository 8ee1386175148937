/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/mount_attr.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "base/sys.h"

int mount_attr_change(int mount_fd, uint64_t set, uint64_t clr, uint64_t propagation,
		      bool recursive, struct wh_error *err)
{
	struct mount_attr attr = {.attr_set = set, .attr_clr = clr, .propagation = propagation};
	int rc;

	if (!set && !clr && !propagation)
		return 0;
	rc = sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
			       sizeof(attr));
	return rc < 0 ? wh_fail(err, -rc, "set mount attributes") : 0;
}

/** Whether what is asked for leaves nothing of the propagation given to all binds first. */
static bool replaces_propagation(const struct mount_flags *flags)
{
	return (flags->propagation_recursive || !(flags->ext & MOUNT_EXT_RECURSIVE)) &&
	       (flags->propagation == MS_PRIVATE || flags->propagation == MS_UNBINDABLE);
}

int mount_attr_apply_bind(int mount_fd, const struct mount_flags *flags, uint64_t propagation,
			  struct wh_error *err)
{
	int rc = 0;

	if (propagation == MS_UNBINDABLE)
		propagation = MS_PRIVATE;
	if (!replaces_propagation(flags))
		rc = mount_attr_change(mount_fd, 0, 0, propagation, true, err);
	if (rc == 0)
		rc = mount_attr_change(mount_fd, flags->attr_set, flags->attr_clr,
				       flags->propagation_recursive ? 0 : flags->propagation, false,
				       err);
	if (rc == 0)
		rc = mount_attr_change(mount_fd, flags->rec_attr_set, flags->rec_attr_clr,
				       flags->propagation_recursive ? flags->propagation : 0, true,
				       err);
	return rc;
}

uint64_t mount_attr_of_new(const struct mount_flags *flags)
{
	return (flags->attr_set & ~flags->rec_attr_clr) | flags->rec_attr_set;
}

int mount_attr_attach(int mount_fd, int target_fd, struct wh_error *err)
{
	int rc = sys_move_mount(mount_fd, "", target_fd, "",
				MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);

	return rc < 0 ? wh_fail(err, -rc, "attach the mount") : 0;
}
