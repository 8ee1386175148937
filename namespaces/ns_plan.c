/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/ns_plan.h"

#include <string.h>

#include "base/str.h"
#include "base/sys.h"
#include "namespaces/sysctl.h"
#include "oci-spec/namespace.h"

/**
 * All types, in the order of joining: the user namespace gives the rights to join the rest; the
 * mount namespace changes the root, the pid namespace concerns only children, so they come last.
 */
static const int join_order[] = {
    CLONE_NEWUSER,   CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWNET,
    CLONE_NEWCGROUP, CLONE_NEWTIME, CLONE_NEWNS,  CLONE_NEWPID,
};

static bool is_new(const struct oci_linux *linux_, int type)
{
	return oci_namespace_is_new(oci_namespace_find(linux_, type));
}

static bool is_joined(const struct oci_linux *linux_, int type)
{
	return oci_namespace_is_joined(oci_namespace_find(linux_, type));
}

static int own_types(const struct ns_plan *plan)
{
	int types = 0;

	for (size_t i = 0; i < ARRAY_LEN(join_order); i++) {
		if (ns_plan_has(plan, join_order[i]))
			types |= join_order[i];
	}
	return types;
}

/** Where a new namespace of each type is made. */
static void plan_new(struct ns_plan *plan, const struct oci_linux *linux_)
{
	bool late = is_joined(linux_, CLONE_NEWUSER);

	for (size_t i = 0; i < ARRAY_LEN(join_order); i++) {
		int type = join_order[i];

		if (!is_new(linux_, type))
			continue;
		if (type == CLONE_NEWCGROUP)
			plan->new_cgroup = true;
		else if (late || (type == CLONE_NEWTIME && linux_->n_time_offsets > 0))
			plan->unshare_flags |= (uint64_t)type;
		else
			plan->clone_flags |= (uint64_t)type;
	}
	plan->loopback = is_new(linux_, CLONE_NEWNET);
}

/*
 * Beside a new user namespace init has no rights over what it shall join, which its maker owns: the
 * parent is there while it makes init. Not for a mount namespace: it would take the parent's root
 * and working directory away.
 */
static bool joined_by_parent(int type, bool new_user)
{
	return new_user && type != CLONE_NEWNS;
}

static int plan_joins(struct ns_plan *plan, const struct oci_linux *linux_, struct arena *arena,
		      struct wh_error *err)
{
	bool new_user = is_new(linux_, CLONE_NEWUSER);

	plan->joins = arena_array(arena, struct ns_join, ARRAY_LEN(join_order));
	if (!plan->joins)
		return wh_oom(err);
	for (size_t i = 0; i < ARRAY_LEN(join_order); i++) {
		const struct oci_namespace *ns = oci_namespace_find(linux_, join_order[i]);

		if (!oci_namespace_is_joined(ns))
			continue;
		plan->joins[plan->n_joins++] = (struct ns_join){
		    .type = join_order[i],
		    .path = ns->path,
		    .by_parent = joined_by_parent(join_order[i], new_user),
		};
	}
	return 0;
}

/** Whether init is outside of the pid namespace that it makes or joins. */
static bool needs_fork(const struct ns_plan *plan)
{
	for (size_t i = 0; i < plan->n_joins; i++) {
		if (plan->joins[i].type == CLONE_NEWPID)
			return !plan->joins[i].by_parent;
	}
	return (plan->unshare_flags & CLONE_NEWPID) != 0;
}

/**
 * The largest id, 4294967295, is none: it stands for "no change" (chown(2)). The kernel would
 * answer with a bare EINVAL.
 */
static void check_maps(const char *name, const struct oci_id_mapping *maps, size_t count,
		       struct problems *problems)
{
	for (size_t i = 0; i < count; i++) {
		if ((uint64_t)maps[i].container_id + maps[i].size > UINT32_MAX ||
		    (uint64_t)maps[i].host_id + maps[i].size > UINT32_MAX)
			problems_add(problems, PROBLEM_ERROR,
				     "linux.%s[%zu]: goes beyond the largest id", name, i);
	}
}

/** With a joined user namespace the mappings only tell how it is mapped, for idmapped mounts. */
static void plan_maps(struct ns_plan *plan, const struct oci_linux *linux_, bool privileged,
		      struct problems *problems)
{
	check_maps("uidMappings", linux_->uid_mappings, linux_->n_uid_mappings, problems);
	check_maps("gidMappings", linux_->gid_mappings, linux_->n_gid_mappings, problems);
	if (!is_new(linux_, CLONE_NEWUSER))
		return;
	plan->uid_mappings = linux_->uid_mappings;
	plan->n_uid_mappings = linux_->n_uid_mappings;
	plan->gid_mappings = linux_->gid_mappings;
	plan->n_gid_mappings = linux_->n_gid_mappings;
	/*
	 * CVE-2014-8989: without privilege a group that only denies access could be dropped; the
	 * kernel wants setgroups off first.
	 */
	plan->deny_setgroups =
	    !privileged && plan->n_gid_mappings == 1 && plan->gid_mappings[0].size == 1;
}

static void plan_time_offsets(struct ns_plan *plan, const struct oci_linux *linux_,
			      struct problems *problems)
{
	if (linux_->n_time_offsets == 0)
		return;
	if (is_joined(linux_, CLONE_NEWTIME)) {
		problems_add(
		    problems, PROBLEM_ERROR,
		    "linux.timeOffsets: the offsets of a joined time namespace cannot be changed");
		return;
	}
	plan->time_offsets = linux_->time_offsets;
	plan->n_time_offsets = linux_->n_time_offsets;
}

/** The kernel takes one number in a name, and nothing else after a percent sign. */
static bool is_good_pattern(const char *name)
{
	const char *percent = strchr(name, '%');

	return !percent || (percent[1] == 'd' && !strchr(percent + 1, '%'));
}

const char *net_device_name(const struct oci_net_device *device)
{
	return str_empty(device->name) ? device->host_name : device->name;
}

static void plan_net_devices(struct ns_plan *plan, const struct oci_linux *linux_,
			     struct problems *problems)
{
	plan->net_devices = linux_->net_devices;
	plan->n_net_devices = linux_->n_net_devices;
	for (size_t i = 0; i < linux_->n_net_devices; i++) {
		const struct oci_net_device *device = &linux_->net_devices[i];
		const char *name = net_device_name(device);

		if (!is_good_pattern(name))
			problems_add(problems, PROBLEM_ERROR,
				     "linux.netDevices: '%s': the name '%s' may have one %%d, and "
				     "no other %%",
				     device->host_name, name);
		for (size_t j = 0; j < i && !strchr(name, '%'); j++) {
			if (streq(name, net_device_name(&linux_->net_devices[j])))
				problems_add(problems, PROBLEM_ERROR,
					     "linux.netDevices: '%s': the name '%s' is that of "
					     "'%s', too",
					     device->host_name, name,
					     linux_->net_devices[j].host_name);
		}
	}
}

int ns_plan_build(const struct oci_spec *spec, bool privileged, struct arena *arena,
		  struct problems *problems, struct ns_plan *ret_plan, struct wh_error *err)
{
	const struct oci_linux *linux_ = spec->linux_;
	struct ns_plan plan = {0};
	int rc;

	plan_new(&plan, linux_);
	rc = plan_joins(&plan, linux_, arena, err);
	if (rc < 0)
		return rc;
	plan.fork_after = needs_fork(&plan);
	plan_maps(&plan, linux_, privileged, problems);
	plan.hostname = str_empty(spec->hostname) ? NULL : spec->hostname;
	plan.domainname = str_empty(spec->domainname) ? NULL : spec->domainname;
	plan_time_offsets(&plan, linux_, problems);
	plan_net_devices(&plan, linux_, problems);
	if (linux_->n_sysctl > 0) {
		rc = sysctl_plan_build(linux_->sysctl, linux_->n_sysctl, own_types(&plan), arena,
				       problems, &plan.sysctl, &plan.n_sysctl, err);
		if (rc < 0)
			return rc;
	}
	*ret_plan = plan;
	return 0;
}
