/* SPDX-License-Identifier: Apache-2.0 */
/* What the caller may do with cgroups. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_fs.h"

/** The inode of the initial user namespace in nsfs (PROC_USER_INIT_INO). */
#define INITIAL_USER_NAMESPACE 0xEFFFFFFDU

bool cgroup_caller_is_host_root(void)
{
	struct stat st;

	return geteuid() == 0 &&
	       (stat("/proc/self/ns/user", &st) < 0 || st.st_ino == INITIAL_USER_NAMESPACE);
}

/** Whether the caller may make the cgroup @path, whose parent exists. */
static bool may_make(const char *path)
{
	struct cgroup_place place = CGROUP_PLACE_NONE;
	auto_fd mount_fd = cgroup_open_mount(NULL);
	bool may;

	if (mount_fd < 0 || cgroup_place_find(mount_fd, path, &place) < 0)
		return false;
	may = faccessat(place.parent_fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
	cgroup_place_done(&place);
	return may;
}

static bool has_limits(const struct cgroup_plan *plan)
{
	for (size_t i = 0; i < plan->writes.count; i++)
		if (!plan->writes.list[i].optional)
			return true;
	return false;
}

void cgroup_plan_fit_caller(struct cgroup_plan *plan)
{
	if (plan->manager != CGROUP_MANAGER_CGROUPFS || !plan->own_path || has_limits(plan) ||
	    cgroup_caller_is_host_root() || may_make(plan->path))
		return;
	*plan = (struct cgroup_plan){.manager = CGROUP_MANAGER_DISABLED};
}
