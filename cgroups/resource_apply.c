/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/str.h"
#include "cgroups/cgroup_fs.h"
#include "cgroups/resource_files.h"

static int fail_write(const struct cgroup_write *write, const char *file, const char *value, int rc,
		      struct wh_error *err)
{
	if (rc == -ENOENT)
		return wh_fail_kind(
		    err, WH_ERROR_UNSUPPORTED, 0,
		    "linux.resources.%s: this kernel has no %s in the container's cgroup",
		    write->field, file);
	return wh_fail(err, -rc, "linux.resources.%s: write '%s' to %s", write->field, value, file);
}

/** Returns 0, -EAGAIN when the write is to be tried again at the end, or -errno. */
static int apply_one(const struct cgroup_write *write, int dir_fd, bool last, struct wh_error *err)
{
	const char *file = write->file, *value = write->value;
	int rc = cgroup_fs_write(dir_fd, file, value);

	if (rc == -ENOENT && write->else_file) {
		file = write->else_file;
		value = write->else_value;
		rc = cgroup_fs_write(dir_fd, file, value);
	}
	if (rc == 0 || (rc == -ENOENT && write->optional))
		return 0;
	if (rc == -EINVAL && write->retry_last && !last)
		return -EAGAIN;
	return fail_write(write, file, value, rc, err);
}

/** By the file and not by the field, so that "unified" still comes last of those about one file. */
static bool is_of_part(const struct cgroup_write *write, enum resource_part part)
{
	bool cpu_time = str_after(write->file, "cpu.") != NULL;

	return part == RESOURCE_PART_ALL || cpu_time == (part == RESOURCE_PART_CPU_TIME);
}

int resource_files_apply(const struct cgroup_writes *writes, enum resource_part part, int dir_fd,
			 struct wh_error *err)
{
	const struct cgroup_write *again = NULL; /* there is one such field: cpu.burst */

	for (size_t i = 0; i < writes->count; i++) {
		int rc = is_of_part(&writes->list[i], part)
			     ? apply_one(&writes->list[i], dir_fd, false, err)
			     : 0;

		if (rc == -EAGAIN && writes->list[i].retry_last)
			again = &writes->list[i];
		else if (rc < 0)
			return rc;
	}
	return again ? apply_one(again, dir_fd, true, err) : 0;
}
