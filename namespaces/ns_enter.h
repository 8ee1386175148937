/* SPDX-License-Identifier: Apache-2.0 */
/* Doing what the namespace plan says: opening, joining, mapping, naming. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "namespaces/ns_plan.h"

/**
 * Parent: open every joined namespace and check that it is of its type (NS_GET_NSTYPE), before
 * anything is made.
 * @ret_fds: n_joins fds, owned by the caller, CLOEXEC. Errors: "linux.namespaces: network '/x': is
 * a mount namespace". Returns 0 or -errno.
 */
int ns_open_joins(const struct ns_plan *plan, int *ret_fds, struct wh_error *err);
/**
 * Init: join each of @fds but the parent's (setns(2)), then unshare what is left, then write the
 * time offsets and enter. Beside a joined user namespace the rest is joined before it where the
 * caller's rights suffice, else after it.
 * @ret_pid_later: the pid namespace of the joins was not joined, since setns(2) can do that later as
 * well. Until then the caller's children are born outside of it, and to get out again would take a
 * right over the caller's own that root of a user namespace has not.
 * @proc_fd: private procfs that knows the caller, for the time namespace only. Returns 0 or -errno.
 */
int ns_enter(const struct ns_plan *plan, const int *fds, int proc_fd, bool *ret_pid_later,
	     struct wh_error *err);
/** Where the parent came from while it is in the namespaces marked by_parent. */
struct ns_home {
	int types[8];
	int fds[8];
	size_t n;
};

/**
 * Parent, right before clone3(2): enter the namespaces marked by_parent, so that init is born in
 * them; nothing when there are none. The caller must have no threads. Undone by
 * ns_leave_for_clone(), by itself on failure. Returns 0 or -errno.
 */
int ns_enter_for_clone(const struct ns_plan *plan, const int *fds, struct ns_home *ret_home,
		       struct wh_error *err);
/** Parent, right after: go back. Returns 0 or -errno: then the caller must not go on. */
int ns_leave_for_clone(struct ns_home *home, struct wh_error *err);
/** Init: a new cgroup namespace, once init is in its cgroup. Returns 0 or -errno. */
int ns_unshare_cgroup(struct wh_error *err);
/**
 * exec: join @flags' namespaces of the process behind @pidfd in one setns(2). Returns 0 or -errno.
 */
int ns_enter_process(int pidfd, uint64_t flags, struct wh_error *err);
/** Set host and domain name, through system calls. Returns 0 or -errno. */
int ns_set_names(const struct ns_plan *plan, struct wh_error *err);
/**
 * Write plan->sysctl (paths below /proc/sys) through the whole private procfs @proc_fd. Errors name
 * the key. Returns 0 or -errno.
 */
int ns_set_sysctls(const struct ns_plan *plan, int proc_fd, struct wh_error *err);
/** Bring the loopback interface of this network namespace up. Returns 0 or -errno. */
int ns_loopback_up(struct wh_error *err);

/**
 * Parent: the namespace @name ("net", "user", ...) of the process @pid, as the procfs @proc_fd has it.
 * Returns an fd owned by the caller, or -errno.
 */
int ns_open_of_process(int proc_fd, pid_t pid, const char *name, struct wh_error *err);
/**
 * Parent: write the id maps of the child @pid, directly when the kernel allows it (root, or a
 * single own id), else by newuidmap(1) and newgidmap(1), found in a fixed list of directories,
 * never in the caller's PATH, with an empty environment and a time limit. setgroups(2) is denied
 * only where the kernel demands it (plan->deny_setgroups and a map of the caller's own group).
 * @proc_fd: private procfs of the parent. Returns 0 or -errno, with what the helpers printed in the
 * error.
 */
int id_map_write(const struct ns_plan *plan, pid_t pid, int proc_fd, struct wh_error *err);
/** Whether newuidmap(1) and newgidmap(1) are where id_map_write() looks for them. */
bool id_map_has_helpers(void);
