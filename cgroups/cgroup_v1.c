/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_v1.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/sys.h"

/** Whether the comma separated list @names, which is taken apart, has @name. */
static bool list_has(char *names, const char *name)
{
	char *item;

	while ((item = strsep(&names, ",")) != NULL)
		if (item[0] && streq(item, name)) /* version 2 lists none */
			return true;
	return false;
}

/** Whether @text, /proc/PID/cgroup of lines "4:cpu,cpuacct:/path", has @controller. */
static bool is_listed(char *text, const char *controller)
{
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		char *names = strchr(line, ':');
		char *end = names ? strchr(names + 1, ':') : NULL;

		if (!end)
			continue;
		*end = '\0';
		if (list_has(names + 1, controller))
			return true;
	}
	return false;
}

static bool is_v1_mount(const char *path)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_MAGICLINKS};
	auto_fd fd = sys_openat2(AT_FDCWD, path, &how);
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP_SUPER_MAGIC;
}

bool cgroup_v1_has(const char *controller, char *buf, size_t size)
{
	char text[4 * PATH_MAX];

	buf[0] = '\0';
	if (file_read_small(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) < 0 ||
	    !is_listed(text, controller))
		return false;
	if ((size_t)snprintf(buf, size, "/sys/fs/cgroup/%s", controller) >= size ||
	    !is_v1_mount(buf))
		buf[0] = '\0';
	return true;
}
