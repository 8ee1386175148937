/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_controllers.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "cgroups/cgroup_fs.h"
#include "cgroups/cgroup_v1.h"

/** A controller; its files start with its name and a dot. Sets of them are bit masks of rows. */
/* clang-format off */
static const struct controller {
	const char *name;
	const char *v1_name;
} controllers[] = {
	{ "cpu", "cpu" },   { "cpuset", "cpuset" }, { "hugetlb", "hugetlb" }, { "io", "blkio" },
	{ "memory", "memory" }, { "misc", "misc" }, { "pids", "pids" },	      { "rdma", "rdma" },
};
/* clang-format on */

#define CONTROLLER_LIST_SIZE 256

static uint32_t controller_of_file(const char *file)
{
	size_t len = strcspn(file, ".");

	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		if (strlen(controllers[i].name) == len &&
		    strncmp(controllers[i].name, file, len) == 0)
			return 1u << i;
	return 0;
}

/** What the limits cannot do without. */
static uint32_t needed_by(const struct cgroup_writes *writes)
{
	uint32_t needed = 0;

	for (size_t i = 0; i < writes->count; i++)
		if (!writes->list[i].optional)
			needed |= controller_of_file(writes->list[i].file);
	return needed;
}

/** The field of the first write that needs one of @mask. */
static const char *field_of(const struct cgroup_writes *writes, uint32_t mask)
{
	for (size_t i = 0; i < writes->count; i++)
		if (!writes->list[i].optional && (controller_of_file(writes->list[i].file) & mask))
			return writes->list[i].field;
	return "";
}

static const struct controller *first_of(uint32_t mask)
{
	assert(mask);
	return &controllers[__builtin_ctz(mask)];
}

/** The controllers listed in @file ("cpu io memory"). Returns 0 or -errno. */
static int read_set(int dir_fd, const char *file, uint32_t *ret_mask)
{
	char text[CONTROLLER_LIST_SIZE];
	char *rest = text, *name;
	ssize_t n = cgroup_fs_read(dir_fd, file, text, sizeof(text));

	if (n < 0)
		return n;
	*ret_mask = 0;
	while ((name = strsep(&rest, " ")) != NULL)
		*ret_mask |= controller_of_file(name);
	return 0;
}

/** "+cpu +memory", or "cpu memory" without @plus. */
static void format_set(uint32_t mask, const char *plus, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(controllers) && len < size; i++)
		if (mask & (1u << i))
			len += snprintf(buf + len, size - len, "%s%s%s", len ? " " : "", plus,
					controllers[i].name);
}

static int fail_unavailable(const struct controller *controller, uint32_t available,
			    struct wh_error *err)
{
	char where[PATH_MAX], enabled[CONTROLLER_LIST_SIZE];

	format_set(available, "", enabled, sizeof(enabled));
	if (cgroup_v1_has(controller->v1_name, where, sizeof(where)))
		return wh_fail_kind(
		    err, WH_ERROR_UNSUPPORTED, 0,
		    "the %s controller is not available on cgroup v2: it is bound to cgroup v1%s%s "
		    "(enabled on v2: %s)",
		    controller->name, where[0] ? " at " : "", where, available ? enabled : "none");
	return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
			    "the %s controller is not available on cgroup v2: neither the kernel "
			    "nor a parent cgroup offers it (enabled on v2: %s)",
			    controller->name, available ? enabled : "none");
}

static int fail_missing(uint32_t missing, uint32_t available, const char *field,
			struct wh_error *err)
{
	int rc = fail_unavailable(first_of(missing), available, err);

	wh_error_prefix(err, "linux.resources.%s", field);
	return rc;
}

static int fail_enable(int rc, uint32_t missing, const char *field, const char *parent,
		       struct wh_error *err)
{
	const char *name = first_of(missing)->name;

	if (rc == -EBUSY)
		return wh_fail(err, 0,
			       "linux.resources.%s: the %s controller cannot be enabled below "
			       "cgroup '%s', because that cgroup holds "
			       "processes itself (cgroup v2 has no internal processes): choose "
			       "another cgroupsPath or move them",
			       field, name, parent);
	if (rc == -EACCES || rc == -EPERM)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, -rc,
				    "linux.resources.%s: the %s controller is not delegated to "
				    "this user below cgroup '%s'",
				    field, name, parent);
	if (rc == -EOPNOTSUPP)
		return wh_fail(err, 0,
			       "linux.resources.%s: the %s controller cannot be enabled below "
			       "cgroup '%s', because threaded cgroups are in it or it is one "
			       "itself: choose another cgroupsPath",
			       field, name, parent);
	if (rc == -ENOENT)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "linux.resources.%s: the %s controller is not available in "
				    "cgroup '%s': a parent cgroup does not "
				    "pass it on",
				    field, name, parent);
	return wh_fail(err, -rc, "linux.resources.%s: enable the %s controller below cgroup '%s'",
		       field, name, parent);
}

static int write_set(int dir_fd, uint32_t mask)
{
	char text[CONTROLLER_LIST_SIZE];

	format_set(mask, "+", text, sizeof(text));
	return cgroup_fs_write(dir_fd, "cgroup.subtree_control", text);
}

/** Enable for the children of the ancestor @dir_fd, whose path is @parent. */
static int enable_below(int dir_fd, const char *parent, uint32_t needed, uint32_t wished,
			const struct cgroup_writes *writes, struct wh_error *err)
{
	uint32_t enabled, missing;
	int rc = read_set(dir_fd, "cgroup.subtree_control", &enabled);

	if (rc < 0)
		return wh_fail(err, -rc, "read cgroup.subtree_control of cgroup '%s'", parent);
	missing = needed & ~enabled;
	if ((wished & ~enabled) && write_set(dir_fd, wished & ~enabled) == 0)
		return 0;
	/* One of them would not come: one write is all or nothing. */
	rc = missing ? write_set(dir_fd, missing) : 0;
	return rc < 0 ? fail_enable(rc, missing, field_of(writes, missing), parent, err) : 0;
}

/** What of @needed the kernel has is in *@ret_available, with all else that it has; an error otherwise. */
static int require(int mount_fd, uint32_t needed, const struct cgroup_writes *writes,
		   uint32_t *ret_available, struct wh_error *err)
{
	int rc = read_set(mount_fd, "cgroup.controllers", ret_available);

	if (rc < 0)
		return wh_fail(err, -rc, "read cgroup.controllers");
	needed &= ~*ret_available;
	return needed ? fail_missing(needed, *ret_available, field_of(writes, needed), err) : 0;
}

/** Enable in every ancestor of @path. */
static int enable_down(int mount_fd, const char *path, uint32_t needed, uint32_t wished,
		       const struct cgroup_writes *writes, struct wh_error *err)
{
	char parent[PATH_MAX];
	size_t used = 0;
	int rc = enable_below(mount_fd, "/", needed, wished, writes, err);

	while (rc == 0) {
		size_t len = strcspn(path + used + 1, "/");
		auto_fd dir_fd = -EBADF;

		used += 1 + len;
		if (path[used] == '\0' || used >= sizeof(parent))
			break;
		memcpy(parent, path, used);
		parent[used] = '\0';
		dir_fd = path_open_beneath(mount_fd, parent + 1, O_PATH | O_DIRECTORY, 0);
		if (dir_fd < 0)
			return wh_fail(err, -dir_fd, "open cgroup '%s'", parent);
		rc = enable_below(dir_fd, parent, needed, wished, writes, err);
	}
	return rc;
}

int cgroup_controllers_enable(int mount_fd, const char *path, const struct cgroup_writes *writes,
			      struct wh_error *err)
{
	uint32_t needed = needed_by(writes), available = 0;
	int rc = needed ? require(mount_fd, needed, writes, &available, err) : 0;

	if (rc < 0 || !needed)
		return rc;
	return enable_down(mount_fd, path, needed, available, writes, err);
}

int cgroup_controllers_complete(int mount_fd, const char *path, int dir_fd,
				const struct cgroup_writes *writes, struct wh_error *err)
{
	uint32_t needed = needed_by(writes), available = 0;
	int rc = needed ? read_set(dir_fd, "cgroup.controllers", &available) : 0;

	if (rc < 0)
		return wh_fail(err, -rc, "read cgroup.controllers of the container's cgroup");
	needed &= ~available;
	rc = needed ? require(mount_fd, needed, writes, &available, err) : 0;
	if (rc < 0 || !needed)
		return rc;
	return enable_down(mount_fd, path, needed, needed, writes, err);
}

int cgroup_controllers_fail_missing(int mount_fd, const char *name, struct wh_error *err)
{
	uint32_t mask = controller_of_file(name), available = 0;
	int rc = read_set(mount_fd, "cgroup.controllers", &available);

	if (rc < 0)
		return wh_fail(err, -rc, "read cgroup.controllers");
	if (available & mask)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "the %s controller is not enabled for the container's cgroup: "
				    "no limit asked for it",
				    name);
	return fail_unavailable(first_of(mask), available, err);
}
