/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a further process goes. A container that makes cgroups of its own (systemd inside) has its init
 * move below the container's cgroup, which must then hold no process itself: cgroup v2 would refuse to
 * enable controllers in it. So the process goes where init is.
 */
#pragma once

#include <sys/types.h>

#include "libcontainer/access.h"

/** Whether @access's container may make cgroups of its own: it sees its tree writable. Pure. */
bool exec_cgroup_nests(const struct access *access);
/**
 * The path of init's cgroup below the container's own ("" when it is that one), in @buf's end. An init
 * that has left for elsewhere is an error. Returns 0 or -errno.
 */
int exec_cgroup_path_of_init(const struct access *access, char *buf, size_t size,
			     const char **ret_sub, struct wh_error *err);
/**
 * Open the cgroup that the process is to be started in: @asked below the container's (exec --cgroup), or
 * without that init's where the container nests, else the container's own. Returns 0 or -errno.
 */
int exec_cgroup_open(const struct access *access, const char *asked, struct cgroup *ret_cgroup,
		     struct wh_error *err);
/** Open init's cgroup, below the container's. Returns 0 or -errno. */
int exec_cgroup_open_init(const struct access *access, struct cgroup *ret_cgroup,
			  struct wh_error *err);
/**
 * After the process @pid was started in @cgroup, where init was, and before it runs: move it to where init
 * is by now, should that be another place. *@cgroup is then that one. Returns 0 or -errno.
 */
int exec_cgroup_follow_init(const struct access *access, pid_t pid, struct cgroup *cgroup,
			    struct wh_error *err);
