/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/rootfs_move.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "base/sys.h"

/** More mountinfo than this is an error: 100,000 mounts are the kernel's own limit (fs.mount-max).
 */
#define MOUNTINFO_MAX (32UL << 20)

/** All of our mountinfo: the list changes while mounts go, so that it has to be read before. */
static int read_mountinfo(int proc_fd, struct arena *arena, char **ret_text, struct wh_error *err)
{
	auto_fd fd = -EBADF;
	char *text = arena_alloc(arena, MOUNTINFO_MAX);
	size_t used = 0;
	ssize_t n;

	if (!text)
		return wh_oom(err);
	fd = procfs_open_file(proc_fd, "self/mountinfo", O_RDONLY, err);
	if (fd < 0)
		return fd;
	while ((n = read(fd, text + used, MOUNTINFO_MAX - 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		return wh_fail(err, errno, "read mountinfo");
	if (used == MOUNTINFO_MAX - 1)
		return wh_fail(err, EFBIG, "read mountinfo");
	text[used] = '\0';
	*ret_text = text;
	return 0;
}

/** Undo the kernel's escapes (\040 and such), in place. */
static void unescape(char *path)
{
	char *out = path;

	for (char *in = path; *in; out++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] && in[3]) {
			*out = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
}

/**
 * proc(5): "36 35 98:0 /root /mount/point options shared:1 - type source super-options"; cuts
 * @line. Returns false when it is none.
 */
static bool parse_line(char *line, char **ret_mount_point, const char **ret_type)
{
	char *type = strstr(line, " - ");
	char *field = line;

	for (int i = 0; i < 4; i++) {
		field = strchr(field, ' ');
		if (!field)
			return false;
		field++;
	}
	if (!type || type < field)
		return false;
	type += 3;
	type[strcspn(type, " ")] = '\0';
	field[strcspn(field, " ")] = '\0';
	unescape(field);
	*ret_mount_point = field;
	*ret_type = type;
	return true;
}

static int remove_mount(const char *path, struct wh_error *err)
{
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	/* locked in a user namespace: cover it */
	if (errno != EINVAL && errno != EPERM)
		return wh_fail(err, errno, "unmount '%s'", path);
	if (mount("tmpfs", path, "tmpfs", MS_RDONLY, "") < 0)
		return wh_fail(err, errno, "cover '%s'", path);
	return 0;
}

/** Whether @path is @root or lies below it. */
static bool is_within(const char *path, const char *root)
{
	const char *rest = str_after(path, root);

	return rest && (rest[0] == '\0' || rest[0] == '/');
}

static int remove_host_mounts(char *mountinfo, const char *root, struct wh_error *err)
{
	char *next = mountinfo;
	int rc = 0;

	while (rc == 0 && next && *next) {
		char *line = next;
		char *mount_point;
		const char *type;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (parse_line(line, &mount_point, &type) &&
		    (streq(type, "proc") || streq(type, "sysfs")) && !is_within(mount_point, root))
			rc = remove_mount(mount_point, err);
	}
	return rc;
}

static int root_path(const struct rootfs_work *work, char *buf, size_t size, struct wh_error *err)
{
	char name[48];
	ssize_t len;

	snprintf(name, sizeof(name), "self/fd/%d", work->root_fd);
	len = readlinkat(work->proc_fd, name, buf, size);
	if (len < 0)
		return wh_fail(err, errno, "find where the root file system is mounted");
	if ((size_t)len >= size)
		return wh_fail(err, ENAMETOOLONG, "find where the root file system is mounted");
	buf[len] = '\0';
	return 0;
}

int rootfs_move_to_root(const struct rootfs_work *work, struct wh_error *err)
{
	struct arena arena = {.fd = -EBADF};
	char root[PATH_MAX];
	char *mountinfo = NULL;
	int rc = root_path(work, root, sizeof(root), err);

	if (rc == 0)
		rc = arena_init(&arena, err);
	if (rc == 0)
		rc = read_mountinfo(work->proc_fd, &arena, &mountinfo, err);
	if (rc == 0)
		rc = remove_host_mounts(mountinfo, root, err);
	arena_done(&arena);
	if (rc < 0)
		return rc;
	rc = sys_move_mount(work->root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
	return rc < 0 ? wh_fail(err, -rc, "move the root file system over '/'") : 0;
}
