/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cgroups/cgroup_fs.h"

static const char fallback_list[] = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads";

static int read_list(char *list, size_t size)
{
	auto_fd dir = open("/sys/kernel/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ssize_t n = dir < 0 ? -errno : cgroup_fs_read(dir, "delegate", list, size);

	if (n >= 0)
		return 0;
	if (n != -ENOENT)
		return n;
	memcpy(list, fallback_list, sizeof(fallback_list));
	return 0;
}

int cgroup_owner_set(int dir_fd, uint32_t uid, struct wh_error *err)
{
	char list[4096];
	char *rest = list, *name;
	int rc;

	rc = read_list(list, sizeof(list));
	if (rc < 0)
		return wh_fail(err, -rc, "read /sys/kernel/cgroup/delegate");
	if (fchown(dir_fd, uid, -1) < 0)
		return wh_fail(err, errno, "give the container's cgroup to user %u", uid);
	while ((name = strsep(&rest, "\n")) != NULL) {
		if (!name[0] || strchr(name, '/'))
			continue;
		if (fchownat(dir_fd, name, uid, -1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return wh_fail(err, errno, "give the container's %s to user %u", name, uid);
	}
	return 0;
}
