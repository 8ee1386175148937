/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_oom.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cgroups/cgroup_fs.h"

/** memory.events' count. Reading re-arms the poll. Returns 0, or -errno when the cgroup is gone. */
static int read_kills(int events_fd, uint64_t *ret_kills)
{
	char text[512];
	ssize_t n = events_fd < 0 ? -1 : pread(events_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return events_fd < 0 ? -EBADF : -errno;
	text[n] = '\0';
	return cgroup_fs_keyed_value(text, "oom_kill", ret_kills);
}

static int open_events(int dir_fd)
{
	int fd = path_open_beneath(dir_fd, "memory.events", O_RDONLY, 0);

	return fd < 0 ? -EBADF : fd;
}

void cgroup_oom_watch_init(struct cgroup_oom_watch *watch, int mount_fd, const char *path,
			   const struct cgroup *cgroup)
{
	struct cgroup_place place = CGROUP_PLACE_NONE;

	*watch = CGROUP_OOM_WATCH_NONE;
	watch->events_fd = open_events(cgroup->dir_fd);
	if (watch->events_fd >= 0 && cgroup_place_find(mount_fd, path, &place) == 0)
		watch->above_fd = open_events(place.parent_fd);
	cgroup_place_done(&place);
	cgroup_oom_watch_read(watch);
}

void cgroup_oom_watch_done(struct cgroup_oom_watch *watch)
{
	watch->events_fd = fd_close(watch->events_fd);
	watch->above_fd = fd_close(watch->above_fd);
}

uint64_t cgroup_oom_watch_read(struct cgroup_oom_watch *watch)
{
	uint64_t kills = watch->kills, above = watch->above, told;
	bool gone = read_kills(watch->events_fd, &kills) < 0;

	/* after its own: what is killed in between is not taken for old */
	read_kills(watch->above_fd, &above);
	told = gone ? above - watch->above : kills - watch->kills;
	watch->kills = kills;
	watch->above = above;
	return told;
}
