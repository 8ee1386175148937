/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/restore_access.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

gid_t restore_gid_of_root(const struct oci_id_mapping *gid_mappings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (gid_mappings[i].container_id == 0 && gid_mappings[i].size > 0)
			return gid_mappings[i].host_id;
	}
	return (gid_t)-1;
}

int restore_let_group(int dir_fd, gid_t gid, mode_t bits, const char *path, struct wh_error *err)
{
	mode_t for_others = bits >> 3;
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return wh_fail(err, errno, "look at image '%s'", path);
	if ((st.st_mode & for_others) == for_others ||
	    ((st.st_mode & bits) == bits && st.st_gid == gid))
		return 0;
	if (fchown(dir_fd, (uid_t)-1, gid) < 0 ||
	    fchmod(dir_fd, (st.st_mode & ~(mode_t)S_IRWXG & 07777) | bits) < 0)
		return wh_fail(err, errno, "let the container's root (group %u) into image '%s'",
			       gid, path);
	return 0;
}
