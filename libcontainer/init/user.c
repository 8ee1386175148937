/* SPDX-License-Identifier: Apache-2.0 */
/* User, groups and capabilities of the container's process (config.md#user, capabilities(7)). */
#include "libcontainer/init/init.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

#define CAP_BIT(cap) (1ULL << (cap))
#ifndef CAP_LAST_CAP
#error "the kernel headers know no CAP_LAST_CAP"
#endif

/** capset(2) of this process, as the raw call: libcap's does the same for three sets. */
static int set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable,
			    struct wh_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
	    {(uint32_t)effective,         (uint32_t)permitted,         (uint32_t)inheritable},
	    {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
	     (uint32_t)(inheritable >> 32)						  },
	};

	if (syscall(SYS_capset, &header, data) < 0)
		return wh_fail(err, errno, "set the capabilities");
	return 0;
}

/** What this process may have at most: the kernel's own permitted set of it. */
static int get_permitted(uint64_t *ret_permitted, struct wh_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return wh_fail(err, errno, "read the capabilities");
	*ret_permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

/**
 * Drop everything from the bounding set that is not in @keep; numbers the kernel does not know end
 * the walk.
 */
static int drop_bounding(uint64_t keep, struct wh_error *err)
{
	for (int cap = 0; cap < 64; cap++) {
		if (keep & CAP_BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			return 0;
		return wh_fail(err, errno, "drop capability %d from the bounding set", cap);
	}
	return 0;
}

/**
 * Where the user namespace denies setgroups(2), as that of `unshare -r` and all below it do, nobody
 * may let go of a group: they stay, as with runc, unless others are asked for. With CAP_SETGID held
 * EPERM has no other reason.
 */
static int set_groups(const struct process_plan *process, uint64_t held, struct wh_error *err)
{
	int rc = sys_setgroups(process->n_groups, process->groups);
	bool denied = rc == -EPERM && (held & CAP_BIT(CAP_SETGID));

	if (rc == 0 || (denied && process->n_groups == 0))
		return 0;
	return wh_fail(err, -rc, "set the additional groups%s",
		       denied ? " (the user namespace denies setgroups)" : "");
}

static int set_ids(const struct process_plan *process, uint64_t held, struct wh_error *err)
{
	int rc;

	if (process->set_groups) {
		rc = set_groups(process, held, err);
		if (rc < 0)
			return rc;
	}
	rc = sys_setresgid(process->gid, process->gid, process->gid);
	if (rc < 0)
		return wh_fail(err, -rc, "set gid %u%s", process->gid,
			       rc == -EINVAL ? " (not mapped in the user namespace)" : "");
	rc = sys_setresuid(process->uid, process->uid, process->uid);
	if (rc < 0)
		return wh_fail(err, -rc, "set uid %u%s", process->uid,
			       rc == -EINVAL ? " (not mapped in the user namespace)" : "");
	return 0;
}

/** Whether its filter, which is loaded after the start, takes CAP_SYS_ADMIN to load (seccomp(2)). */
static bool filter_needs_admin(const struct process_plan *process)
{
	return process->seccomp && !process->no_new_privs;
}

/*
 * Until the start a process whose filter comes late keeps CAP_SYS_ADMIN, which seccomp(2) demands
 * without noNewPrivileges, and CAP_SETPCAP for what it keeps beyond its sets; both go in
 * init_set_final_capabilities().
 */
int init_set_user(struct init *init, struct wh_error *err)
{
	const struct process_plan *process = &init->plan->process;
	uint64_t extra = filter_needs_admin(process) ? CAP_BIT(CAP_SYS_ADMIN) : 0;
	uint64_t permitted = 0;
	uint64_t held;
	int rc;

	rc = get_permitted(&permitted, err);
	if (rc < 0)
		return rc;
	rc = drop_bounding(process->caps_bounding, err);
	if (rc < 0)
		return rc;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return wh_fail(err, errno, "keep capabilities over the change of user");
	rc = set_ids(process, permitted, err);
	if (rc < 0)
		return rc;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return wh_fail(err, errno, "stop keeping capabilities");
	/*
	 * What cannot be granted is left out with a warning by the parent, not an error
	 * (config.md#linux-process).
	 */
	held = (process->caps_permitted | extra) & permitted;
	rc = set_capabilities((process->caps_effective | extra) & held, held,
			      process->caps_inheritable & permitted, err);
	if (rc < 0)
		return rc;
	return init_protect(err);
}

int init_set_final_capabilities(const struct process_plan *process, struct wh_error *err)
{
	uint64_t permitted = 0;
	uint64_t held;
	int rc;

	rc = get_permitted(&permitted, err);
	if (rc < 0)
		return rc;
	held = process->caps_permitted & permitted;
	if (filter_needs_admin(process)) {
		rc = set_capabilities(process->caps_effective & held, held,
				      process->caps_inheritable & permitted, err);
		if (rc < 0)
			return rc;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return wh_fail(err, errno, "clear the ambient capabilities");
	for (int cap = 0; cap < 64; cap++) {
		if (!(process->caps_ambient & held & CAP_BIT(cap)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return wh_fail(err, errno, "raise ambient capability %d", cap);
	}
	return 0;
}
