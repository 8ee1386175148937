/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_events.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "cgroups/cgroup_fs.h"

static int read_key(int events_fd, const char *key)
{
	char text[128];
	uint64_t value;
	ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (cgroup_fs_keyed_value(text, key, &value) < 0)
		return -ENODATA;
	return value != 0;
}

int cgroup_events_get(int dir_fd, const char *key)
{
	auto_fd fd = path_open_beneath(dir_fd, "cgroup.events", O_RDONLY, 0);

	return fd < 0 ? fd : read_key(fd, key);
}

int cgroup_events_wait(int dir_fd, const char *key, bool want, int timeout_ms)
{
	auto_fd fd = path_open_beneath(dir_fd, "cgroup.events", O_RDONLY, 0);
	int64_t deadline = clock_ms() + timeout_ms;

	if (fd < 0)
		return fd;
	for (;;) {
		struct pollfd events = {.fd = fd, .events = POLLPRI};
		int value = read_key(fd, key);
		int64_t left;

		if (value < 0)
			return value;
		if (value == want)
			return 0;
		left = deadline - clock_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&events, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
	}
}
