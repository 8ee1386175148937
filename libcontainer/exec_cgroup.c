/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/exec_cgroup.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/str.h"

bool exec_cgroup_nests(const struct access *access)
{
	return access->record.cgroup_path && cgroup_plan_may_nest(access->spec);
}

int exec_cgroup_path_of_init(const struct access *access, char *buf, size_t size,
			     const char **ret_sub, struct wh_error *err)
{
	int rc = cgroup_path_of(access->record.init.pid, buf, size, err);

	if (rc < 0)
		return rc;
	*ret_sub = str_after(buf, access->record.cgroup_path);
	if (!*ret_sub || ((*ret_sub)[0] && (*ret_sub)[0] != '/'))
		return wh_fail(err, 0, "the container's init is in cgroup '%s', not below '%s'",
			       buf, access->record.cgroup_path);
	return 0;
}

int exec_cgroup_open_init(const struct access *access, struct cgroup *ret_cgroup,
			  struct wh_error *err)
{
	char path[PATH_MAX];
	const char *sub = "";
	int rc = exec_cgroup_path_of_init(access, path, sizeof(path), &sub, err);

	return rc < 0 ? rc : cgroup_open_sub(&access->cgroup, sub, ret_cgroup, err);
}

int exec_cgroup_open(const struct access *access, const char *asked, struct cgroup *ret_cgroup,
		     struct wh_error *err)
{
	int rc;

	/* where init cannot be followed the container's own is as good a place as any */
	if (!asked && exec_cgroup_nests(access) &&
	    exec_cgroup_open_init(access, ret_cgroup, NULL) == 0)
		return 0;
	rc = cgroup_open_sub(&access->cgroup, asked ? asked : "/", ret_cgroup, err);
	if (rc < 0)
		wh_error_prefix(err, "--cgroup '%s'", asked ? asked : "/");
	return rc;
}

static bool is_same(const struct cgroup *a, const struct cgroup *b)
{
	struct stat x, y;

	return fstat(a->dir_fd, &x) == 0 && fstat(b->dir_fd, &y) == 0 && x.st_ino == y.st_ino;
}

int exec_cgroup_follow_init(const struct access *access, pid_t pid, struct cgroup *cgroup,
			    struct wh_error *err)
{
	struct cgroup now = CGROUP_NONE;
	int rc;

	/* it has ended, or left: nothing to follow */
	if (exec_cgroup_open_init(access, &now, NULL) < 0)
		return 0;
	if (is_same(&now, cgroup)) {
		cgroup_close(&now);
		return 0;
	}
	rc = cgroup_enter(&now, pid, err);
	if (rc < 0) {
		cgroup_close(&now);
		return rc;
	}
	cgroup_close(cgroup);
	*cgroup = now;
	return 0;
}
