/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/mount_source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/sys.h"

int mount_source_clone(const char *path, int same_fd, bool recursive, struct wh_error *err)
{
	auto_fd clone = sys_open_tree(
	    AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
	struct stat wanted;
	struct stat found;

	if (clone < 0)
		return wh_fail(err, -clone, "clone the mount of '%s'", path);
	if (fstat(same_fd, &wanted) < 0 || fstat(clone, &found) < 0)
		return wh_fail(err, errno, "look at '%s'", path);
	if (wanted.st_dev != found.st_dev || wanted.st_ino != found.st_ino)
		return wh_fail(err, ESTALE,
			       "'%s' is another file in the container's mount namespace", path);
	return fd_take(&clone);
}

int mount_source_take(const struct rootfs_fds *fds, int fd, const char *path, bool recursive,
		      struct wh_error *err)
{
	int clone;

	if (!fds->path_only)
		return fd;
	clone = mount_source_clone(path, fd, recursive, err);
	fd_close(fd);
	return clone;
}
