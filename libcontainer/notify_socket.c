/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/notify_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

bool notify_socket_wanted(void)
{
	return !str_empty(getenv("NOTIFY_SOCKET"));
}

int notify_socket_prepare(int dir_fd, const char *root, struct container_plan *plan,
			  struct arena *arena, struct wh_error *err)
{
	struct rootfs_plan *rootfs = &plan->rootfs;
	struct mount_entry *mounts = arena_array(arena, struct mount_entry, rootfs->n_mounts + 1);
	char absolute[PATH_MAX];

	if (!mounts)
		return wh_oom(err);
	/* 0755 below a directory that is ours alone: the container's user must reach the socket */
	if (mkdirat(dir_fd, NOTIFY_DIRECTORY, 0755) < 0)
		return wh_fail(err, errno, "make the directory of the container's NOTIFY_SOCKET");
	if (!realpath(root, absolute))
		return wh_fail(err, errno, "state directory '%s'", root);
	if (rootfs->n_mounts > 0)
		memcpy(mounts, rootfs->mounts, rootfs->n_mounts * sizeof(*mounts));
	mounts[rootfs->n_mounts] = (struct mount_entry){
	    .index = (uint32_t)rootfs->n_mounts,
	    .kind = MOUNT_KIND_BIND,
 /* a copy: init sees the arena, not this program's own strings */
	    .destination = arena_strdup(arena, NOTIFY_TARGET),
	    .source = arena_printf(arena, "%s/%s/" NOTIFY_DIRECTORY, absolute, plan->id),
	    .flags = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		      .propagation = MS_PRIVATE,
		      .ext = MOUNT_EXT_BIND},
	};
	if (!mounts[rootfs->n_mounts].source || !mounts[rootfs->n_mounts].destination)
		return wh_oom(err);
	rootfs->mounts = mounts;
	rootfs->n_mounts++;
	return 0;
}

int notify_socket_bind(int dir_fd, struct wh_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	auto_fd dir = -EBADF;
	auto_fd sock = -EBADF;

	if (!notify_socket_wanted())
		return -ENOENT;
	dir = openat(dir_fd, NOTIFY_DIRECTORY, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT
			   ? -ENOENT
			   : wh_fail(err, errno,
				     "open the directory of the container's NOTIFY_SOCKET");
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return wh_fail(err, errno, "make the container's NOTIFY_SOCKET");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/notify.sock", dir);
	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return wh_fail(err, errno, "bind the container's NOTIFY_SOCKET");
	/* any user of the container may report */
	if (fchmodat(dir, "notify.sock", 0666, 0) < 0)
		return wh_fail(err, errno, "open the container's NOTIFY_SOCKET to its users");
	return fd_take(&sock);
}

/** Send @text to the caller's NOTIFY_SOCKET; '@' starts an abstract name. */
static int send_to_host(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	auto_fd sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = path ? strlen(path) : 0;

	if (sock < 0)
		return -errno;
	if (len == 0 || len >= sizeof(addr.sun_path))
		return -EINVAL;
	memcpy(addr.sun_path, path, len);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	if (sendto(sock, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&addr,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -errno;
	return 0;
}

/** Whether one of @text's lines is READY=1. */
static bool says_ready(const char *text)
{
	while (text) {
		const char *rest = str_after(text, "READY=1");

		if (rest && (*rest == '\n' || *rest == '\0'))
			return true;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return false;
}

int notify_socket_relay(int fd, pid_t pid)
{
	char buf[4096];
	char text[64];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	buf[n] = '\0';
	if (!says_ready(buf))
		return 0;
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d", (int)pid);
	send_to_host(text);
	return 1;
}

int notify_socket_forward(int fd, int pidfd, pid_t pid, struct wh_error *err)
{
	for (;;) {
		struct pollfd slots[] = {
		    {.fd = fd,    .events = POLLIN},
                    {.fd = pidfd, .events = POLLIN}
                };
		int rc;

		if (poll(slots, ARRAY_LEN(slots), -1) < 0) {
			if (errno == EINTR)
				continue;
			return wh_fail(err, errno, "wait for the container to be ready");
		}
		rc = slots[0].revents ? notify_socket_relay(fd, pid) : 0;
		if (rc < 0)
			return wh_fail(err, -rc, "receive from the container's NOTIFY_SOCKET");
		if (rc > 0 || slots[1].revents)
			return 0;
	}
}
