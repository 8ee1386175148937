/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/clone_owner.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

/** The largest id there is; 2^32 - 1 is none. */
#define NOBODY_RUNS_AS (UINT32_MAX - 1)
/** setresuid(2): leave it. */
#define KEEP ((uid_t)-1)

bool clone_owner_matters(const struct ns_plan *plan)
{
	if (!(plan->clone_flags & CLONE_NEWUSER))
		return false;
	for (size_t i = 0; i < plan->n_joins; i++) {
		if (plan->joins[i].type == CLONE_NEWPID && plan->joins[i].by_parent)
			return true;
	}
	return false;
}

/** The effective set goes with the euid 0; the permitted one stays. */
static int raise_effective(struct wh_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return wh_fail(err, errno, "read the capabilities");
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		return wh_fail(err, errno, "keep the capabilities");
	return 0;
}

int clone_owner_take(const struct ns_plan *plan, struct wh_error *err)
{
	int rc = sys_setresuid(KEEP, NOBODY_RUNS_AS, KEEP);

	/* inside of a user namespace it is not mapped: take the last one of those for the container */
	if (rc == -EINVAL && plan->n_uid_mappings > 0) {
		const struct oci_id_mapping *last = &plan->uid_mappings[plan->n_uid_mappings - 1];
		uint32_t id = last->host_id + last->size - 1;

		rc = id == geteuid() ? -EINVAL : sys_setresuid(KEEP, id, KEEP);
	}
	if (rc < 0)
		return wh_fail(err, -rc,
			       "find an owner for the user namespace that the processes of the pid "
			       "namespace to join cannot be");
	rc = raise_effective(err);
	if (rc < 0)
		clone_owner_restore(NULL);
	return rc;
}

int clone_owner_restore(struct wh_error *err)
{
	int rc = sys_setresuid(KEEP, getuid(), KEEP);

	if (rc < 0)
		return wh_fail(err, -rc, "be user %u again", getuid());
	rc = raise_effective(err);
	/* both changes of user made us undumpable, and our own /proc root's */
	if (rc == 0 && prctl(PR_SET_DUMPABLE, 1) < 0)
		rc = wh_fail(err, errno, "make this process dumpable again");
	return rc;
}
