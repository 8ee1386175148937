/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "cgroups/cgroup_controllers.h"
#include "cgroups/cgroup_fs.h"
#include "cgroups/cgroup_owner.h"
#include "cgroups/device_program.h"

#define CGROUP_MODE 0755

/**
 * How often a directory is made again when another container's removal takes a parent away
 * meanwhile.
 */
#define MKDIR_TRIES 16

/**
 * Remove the last @made components of @path, which were made just now: when one does not go, it is
 * not ours any more.
 */
static void undo_make(int mount_fd, const char *path, unsigned int made)
{
	struct cgroup_place place = CGROUP_PLACE_NONE;

	if (!made || cgroup_place_find(mount_fd, path, &place) < 0)
		return;
	if (unlinkat(place.parent_fd, place.name, AT_REMOVEDIR) == 0)
		cgroup_remove_parents(mount_fd, path, made);
	cgroup_place_done(&place);
}

/**
 * Make each missing component of @path below @mount_fd. Returns how many were made, or -errno with
 * none left.
 */
static int make_components(int mount_fd, const char *path)
{
	char prefix[PATH_MAX] = "";
	size_t used = 0;
	unsigned int made = 0;
	auto_fd here = -EBADF;

	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");
		int dir_fd = here >= 0 ? here : mount_fd;
		const char *name = prefix + used + 1;
		int rc, next;

		if (used + 1 + len >= sizeof(prefix))
			return -ENAMETOOLONG;
		prefix[used] = '/';
		memcpy(prefix + used + 1, path, len);
		prefix[used + 1 + len] = '\0';
		rc = mkdirat(dir_fd, name, CGROUP_MODE) < 0 ? -errno : 0;
		if (rc < 0 && rc != -EEXIST) {
			prefix[used] = '\0';
			undo_make(mount_fd, prefix, made);
			return rc;
		}
		made += rc == 0;
		next = cgroup_fs_open_dir(dir_fd, name);
		if (next < 0) {
			undo_make(mount_fd, prefix, made);
			return next;
		}
		fd_close(here);
		here = next;
		used += 1 + len;
		path += len;
		if (rc == 0 && *path)
			cgroup_fs_mark_made(here);
	}
	return made;
}

/**
 * Make the directory: one mkdir when its parent is there. Returns how many were made (0: it
 * existed), or -errno.
 */
static int make_directory(int mount_fd, const char *path)
{
	int rc = -ENOENT;

	for (int i = 0; i < MKDIR_TRIES && rc == -ENOENT; i++) {
		struct cgroup_place place = CGROUP_PLACE_NONE;

		rc = cgroup_place_find(mount_fd, path, &place);
		if (rc == 0)
			rc = mkdirat(place.parent_fd, place.name, CGROUP_MODE) == 0 ? 1 : -errno;
		cgroup_place_done(&place);
		if (rc == -EEXIST)
			return 0;
		if (rc == -ENOENT)
			rc = make_components(mount_fd, path);
	}
	return rc;
}

static int fail_not_empty(const struct cgroup *cgroup, const char *path, struct wh_error *err)
{
	struct arena arena = {.fd = -EBADF};
	size_t count = 0;
	pid_t *pids;
	int rc;

	rc = arena_init(&arena, err);
	if (rc < 0)
		return rc;
	rc = cgroup_pids(cgroup, &arena, &pids, &count, err);
	arena_done(&arena);
	if (rc < 0)
		return rc;
	if (!count)
		return wh_fail(err, 0,
			       "container's cgroup '%s' is not empty: it holds processes of "
			       "another pid namespace",
			       path);
	return wh_fail(err, 0, "container's cgroup '%s' is not empty: %zu process%s found", path,
		       count, count == 1 ? "" : "es");
}

/**
 * An existing cgroup may be another's: killing it later would kill strangers, and a frozen one
 * would hang the start for ever.
 */
static int refuse_used(int mount_fd, const struct cgroup *cgroup, const char *path,
		       struct wh_error *err)
{
	char events[128];
	uint64_t frozen = 0, populated = 0;
	ssize_t n = cgroup_fs_read(cgroup->dir_fd, "cgroup.events", events, sizeof(events));

	if (n < 0)
		return wh_fail(err, (int)-n, "read cgroup.events of '%s'", path);
	(void)cgroup_fs_keyed_value(events, "frozen", &frozen);
	(void)cgroup_fs_keyed_value(events, "populated", &populated);
	if (frozen && cgroup_freeze_asked(mount_fd, path))
		return wh_fail(
		    err, 0,
		    "container's cgroup '%s' is frozen, or a parent of it is: thaw it first", path);
	if (populated)
		return fail_not_empty(cgroup, path, err);
	if (frozen)
		cgroup_freeze_settle(cgroup);
	return 0;
}

/** Below the mount itself nothing can be frozen, so that a new cgroup there needs no look. */
static bool needs_check(const struct cgroup *cgroup, const char *path)
{
	return !cgroup->created || strchr(path + 1, '/');
}

/** What the container's own cgroup holds: its limits but those of cgroup_limit_cpu(), its owner. */
static int settle(const struct cgroup_plan *plan, const struct cgroup *cgroup, struct wh_error *err)
{
	int rc = resource_files_apply(&plan->writes, RESOURCE_PART_FIRST, cgroup->dir_fd, err);

	if (rc < 0)
		return rc;
	return plan->delegate ? cgroup_owner_set(cgroup->dir_fd, plan->delegate_uid, err) : 0;
}

static int prepare(const struct cgroup_plan *plan, int mount_fd, const struct cgroup *cgroup,
		   struct wh_error *err)
{
	int rc;

	if (needs_check(cgroup, plan->path)) {
		rc = refuse_used(mount_fd, cgroup, plan->path, err);
		if (rc < 0)
			return rc;
	}
	rc = cgroup_controllers_enable(mount_fd, plan->path, &plan->writes, err);
	return rc < 0 ? rc : settle(plan, cgroup, err);
}

/** Where systemd has put the process, held against where the record says that the cgroup is. */
static int check_place(const struct cgroup_plan *plan, pid_t pid, struct wh_error *err)
{
	char path[PATH_MAX];
	int rc = cgroup_path_of(pid, path, sizeof(path), err);

	if (rc == 0 && !streq(path, plan->path))
		rc = wh_fail(err, 0,
			     "systemd has put unit '%s' in cgroup '%s', where '%s' was expected",
			     plan->unit->name.name, path, plan->path);
	return rc;
}

/** Of an ordinary user it is the limits that need a cgroup: without any there would be none. */
static int fail_create(const struct cgroup_plan *plan, int code, struct wh_error *err)
{
	if ((code == EACCES || code == EPERM) && plan->own_path && plan->writes.count > 0 &&
	    !cgroup_caller_is_host_root())
		return wh_fail(err, code,
			       "%s needs a cgroup, and none is delegated to you to make '%s' in: "
			       "log in where systemd runs, or leave the limits out",
			       plan->writes.list[0].field, plan->path);
	return wh_fail(err, code, "create cgroup '%s'", plan->path);
}

int cgroup_create(const struct cgroup_plan *plan, int mount_fd, struct cgroup *ret_cgroup,
		  struct wh_error *err)
{
	struct cgroup cgroup = CGROUP_NONE;
	int rc;

	rc = make_directory(mount_fd, plan->path);
	if (rc < 0)
		return fail_create(plan, -rc, err);
	cgroup.made = rc;
	cgroup.created = rc > 0;
	cgroup.dir_fd = cgroup_fs_open_dir(mount_fd, plan->path + 1);
	if (cgroup.dir_fd < 0)
		rc = wh_fail(err, -cgroup.dir_fd, "open cgroup '%s'", plan->path);
	else
		rc = prepare(plan, mount_fd, &cgroup, err);
	if (rc < 0) {
		cgroup_close(&cgroup);
		undo_make(mount_fd, plan->path, cgroup.made);
		return rc;
	}
	*ret_cgroup = cgroup;
	return 0;
}

int cgroup_take_unit(const struct cgroup_plan *plan, int mount_fd, pid_t pid,
		     struct cgroup *ret_cgroup, struct wh_error *err)
{
	struct cgroup cgroup = CGROUP_NONE;
	int rc = cgroup_open(mount_fd, plan->path, &cgroup, err);

	if (rc < 0)
		return rc;
	cgroup.created = !plan->unit->name.is_slice;
	/* systemd puts no process into a slice */
	if (!cgroup.created)
		rc = refuse_used(mount_fd, &cgroup, plan->path, err);
	if (rc == 0 && !cgroup.created)
		rc = cgroup_enter(&cgroup, pid, err);
	if (rc == 0)
		rc = check_place(plan, pid, err);
	if (rc == 0)
		rc = cgroup_controllers_complete(mount_fd, plan->path, cgroup.dir_fd, &plan->writes,
						 err);
	if (rc == 0)
		rc = settle(plan, &cgroup, err);
	if (rc < 0) {
		cgroup_close(&cgroup);
		return rc;
	}
	*ret_cgroup = cgroup;
	return 0;
}

int cgroup_limit_cpu(const struct cgroup_plan *plan, const struct cgroup *cgroup,
		     struct wh_error *err)
{
	return resource_files_apply(&plan->writes, RESOURCE_PART_CPU_TIME, cgroup->dir_fd, err);
}

int cgroup_attach_devices(const struct cgroup_plan *plan, const struct cgroup *cgroup,
			  struct wh_error *err)
{
	if (cgroup->created)
		return device_program_attach(plan->device_program, plan->n_device_program,
					     cgroup->dir_fd, err);
	return device_program_replace(plan->device_program, plan->n_device_program, cgroup->dir_fd,
				      err);
}

int cgroup_enter(const struct cgroup *cgroup, pid_t pid, struct wh_error *err)
{
	char text[16];
	int rc;

	snprintf(text, sizeof(text), "%d", (int)pid);
	rc = cgroup_fs_write(cgroup->dir_fd, "cgroup.procs", text);
	return rc < 0 ? wh_fail(err, -rc, "move process %s to the container's cgroup", text) : 0;
}

int cgroup_open(int mount_fd, const char *path, struct cgroup *ret_cgroup, struct wh_error *err)
{
	const char *relative = path + strspn(path, "/");
	int fd = cgroup_fs_open_dir(mount_fd, str_empty(relative) ? "." : relative);

	if (fd < 0)
		return wh_fail(err, -fd, "open cgroup '%s'", path);
	*ret_cgroup = (struct cgroup){.dir_fd = fd};
	return 0;
}

void cgroup_close(struct cgroup *cgroup)
{
	cgroup->dir_fd = fd_close(cgroup->dir_fd);
}
