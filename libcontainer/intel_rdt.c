/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/intel_rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"

/** Where the kernel has a directory for it; it can be mounted once only. */
#define RESCTRL_ROOT "/sys/fs/resctrl"
/** More than any CPU's resources and domains need. */
#define SCHEMATA_SIZE 8192

int intel_rdt_open(struct wh_error *err)
{
	auto_fd root = open(RESCTRL_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd schemata = -EBADF;

	if (root >= 0)
		schemata = path_open_beneath(root, "schemata", O_PATH, 0);
	if (schemata < 0)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, ENOENT,
				    "linux.intelRdt: no resctrl file system is mounted on "
				    "'" RESCTRL_ROOT "' (mount -t resctrl resctrl " RESCTRL_ROOT
				    "; it needs a CPU and a kernel that have it)");
	return fd_take(&root);
}

/** Fail with what resctrl itself says about the last write or mkdir. */
static int fail(struct wh_error *err, int code, int root_fd, const char *what, const char *name)
{
	char status[256];
	ssize_t len = file_read_small(root_fd, "info/last_cmd_status", status, sizeof(status));

	if (len <= 0 || streq(status, "ok"))
		return wh_fail(err, code, "linux.intelRdt: %s '%s'", what, name);
	return wh_fail(err, code, "linux.intelRdt: %s '%s': %s", what, name, status);
}

static bool is_there(int root_fd, const char *path)
{
	auto_fd fd = path_open_beneath(root_fd, path, O_PATH | O_DIRECTORY, 0);

	return fd != -ENOENT;
}

static int read_schemata(const struct intel_rdt_plan *plan, int root_fd,
			 char schemata[SCHEMATA_SIZE], struct wh_error *err)
{
	char path[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/schemata", plan->group);
	len = file_read_small(root_fd, path, schemata, SCHEMATA_SIZE);
	return len < 0 ? fail(err, (int)-len, root_fd, "read", path) : 0;
}

static int compare_limits(const struct intel_rdt_plan *plan, int root_fd, struct wh_error *err)
{
	char schemata[SCHEMATA_SIZE];
	int rc = read_schemata(plan, root_fd, schemata, err);

	if (rc < 0)
		return rc;
	if (!intel_rdt_limits_hold(plan->limits, schemata))
		return wh_fail(err, EEXIST,
			       "linux.intelRdt: the class of service '%s' is there, and its "
			       "schemata are not those of l3CacheSchema and memBwSchema",
			       plan->group);
	return 0;
}

int intel_rdt_check(const struct intel_rdt_plan *plan, int root_fd, bool *ret_missing,
		    struct wh_error *err)
{
	const bool missing = !is_there(root_fd, plan->group);

	*ret_missing = missing;
	if (missing && !plan->own && !plan->limits && !plan->schemata)
		return wh_fail(err, ENOENT,
			       "linux.intelRdt.closID: no class of service '%s', and no schema to "
			       "make it with",
			       plan->group);
	if (!missing && plan->own)
		return wh_fail(err, EEXIST,
			       "linux.intelRdt: a class of service '%s' is there already: name it "
			       "in closID to share it",
			       plan->group);
	if (!missing && plan->monitor && is_there(root_fd, plan->monitor))
		return wh_fail(err, EEXIST, "linux.intelRdt: the monitoring group '%s'",
			       plan->monitor);
	return !missing && plan->limits ? compare_limits(plan, root_fd, err) : 0;
}

static int write_schemata(const struct intel_rdt_plan *plan, int root_fd, const char *text,
			  struct wh_error *err)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s/schemata", plan->group);
	rc = file_write_existing(root_fd, path, text);
	return rc < 0 ? fail(err, -rc, root_fd, "write", path) : 0;
}

/** A class that was there has the limits already: intel_rdt_check() has compared them. */
static int fill(const struct intel_rdt_plan *plan, int root_fd, bool missing, struct wh_error *err)
{
	int rc = 0;

	if (missing && plan->limits)
		rc = write_schemata(plan, root_fd, plan->limits, err);
	if (rc == 0 && plan->schemata)
		rc = write_schemata(plan, root_fd, plan->schemata, err);
	if (rc == 0 && plan->monitor && mkdirat(root_fd, plan->monitor, 0755) < 0)
		rc = fail(err, errno, root_fd, "make the monitoring group", plan->monitor);
	return rc;
}

int intel_rdt_make(const struct intel_rdt_plan *plan, int root_fd, bool missing,
		   struct wh_error *err)
{
	int rc;

	if (missing && mkdirat(root_fd, plan->group, 0755) < 0)
		return fail(err, errno, root_fd, "make the class of service", plan->group);
	rc = fill(plan, root_fd, missing, err);
	if (rc < 0 && missing)
		intel_rdt_remove(root_fd, plan->group, NULL, NULL);
	return rc;
}

int intel_rdt_change(const struct intel_rdt_plan *plan, int root_fd, const char *limits,
		     struct arena *arena, const char **ret_before, struct wh_error *err)
{
	char schemata[SCHEMATA_SIZE];
	int rc = read_schemata(plan, root_fd, schemata, err);

	if (rc < 0)
		return rc;
	*ret_before = arena_printf(arena, "%s\n", schemata);
	if (!*ret_before)
		return wh_oom(err);
	rc = write_schemata(plan, root_fd, limits, err);
	/* of several lines the first ones may have been taken */
	if (rc < 0)
		write_schemata(plan, root_fd, *ret_before, NULL);
	return rc;
}

static int add_to(int root_fd, const char *group, pid_t pid, struct wh_error *err)
{
	char path[PATH_MAX];
	char text[16];
	int rc;

	snprintf(path, sizeof(path), "%s/tasks", group);
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	rc = file_write_existing(root_fd, path, text);
	return rc < 0 ? fail(err, -rc, root_fd, "put the process into", path) : 0;
}

/** A monitoring group only takes who is in its class. */
int intel_rdt_add(const struct intel_rdt_plan *plan, int root_fd, pid_t pid, struct wh_error *err)
{
	int rc = add_to(root_fd, plan->group, pid, err);

	return rc == 0 && plan->monitor ? add_to(root_fd, plan->monitor, pid, err) : rc;
}

static int remove_directory(int root_fd, const char *path, struct wh_error *err)
{
	if (unlinkat(root_fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return fail(err, errno, root_fd, "remove", path);
	return 0;
}

static bool is_in_use(int root_fd, const char *group)
{
	char path[PATH_MAX];
	char first[64];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/tasks", group);
	len = file_read_small(root_fd, path, first, sizeof(first));
	return len > 0 || len == -EFBIG;
}

int intel_rdt_remove(int root_fd, const char *group, const char *monitor, struct wh_error *err)
{
	int rc = monitor ? remove_directory(root_fd, monitor, err) : 0;

	if (rc < 0 || !group)
		return rc;
	if (is_in_use(root_fd, group)) {
		log_debug("the class of service '%s' stays: others are in it", group);
		return 0;
	}
	return remove_directory(root_fd, group, err);
}
