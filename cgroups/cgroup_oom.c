/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_oom.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cgroups/cgroup_fs.h"

/** memory.events' count, or @fallback when the cgroup is gone. Reading re-arms the poll. */
static uint64_t read_kills(int events_fd, uint64_t fallback)
{
	char text[512];
	uint64_t kills;
	ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return fallback;
	text[n] = '\0';
	return cgroup_fs_keyed_value(text, "oom_kill", &kills) == 0 ? kills : fallback;
}

void cgroup_oom_watch_init(struct cgroup_oom_watch *watch, const struct cgroup *cgroup)
{
	int fd = path_open_beneath(cgroup->dir_fd, "memory.events", O_RDONLY, 0);

	*watch = (struct cgroup_oom_watch){.events_fd = fd < 0 ? -EBADF : fd};
	if (fd >= 0)
		watch->kills = read_kills(fd, 0);
}

void cgroup_oom_watch_done(struct cgroup_oom_watch *watch)
{
	watch->events_fd = fd_close(watch->events_fd);
}

uint64_t cgroup_oom_watch_read(struct cgroup_oom_watch *watch)
{
	uint64_t before = watch->kills;

	if (watch->events_fd >= 0)
		watch->kills = read_kills(watch->events_fd, before);
	return watch->kills > before ? watch->kills - before : 0;
}
