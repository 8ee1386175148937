/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which namespaces are new, joined or inherited, and in which of three places each one comes about:
 * with clone3(2), by init after it joined (a new namespace must be owned by a joined user
 * namespace; the cgroup namespace's root is where its maker is), or never. Building is pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

struct ns_join {
	int type;         /* CLONE_NEW* */
	const char *path; /* NULL when joined through a pidfd (exec) */
	/* beside a new user namespace: the parent is in it during clone3 (ns_enter_for_clone()) */
	bool by_parent;
};

struct ns_plan {
	uint64_t clone_flags;   /* for clone3(2) */
	uint64_t unshare_flags; /* for init, after the joins */
	struct ns_join *joins;  /* in order of joining: user first, pid last */
	size_t n_joins;
	bool new_cgroup; /* made by init with ns_unshare_cgroup(), once it is in its cgroup */
	/*
	 * init forks once more to be inside a joined (or late made) pid namespace: its child is the
	 * container's init
	 */
	bool fork_after;
	struct oci_id_mapping *uid_mappings; /* of a new user namespace */
	size_t n_uid_mappings;
	struct oci_id_mapping *gid_mappings;
	size_t n_gid_mappings;
	bool deny_setgroups;  /* an unprivileged parent writes gid_map itself */
	const char *hostname; /* NULL: leave */
	const char *domainname;
	struct oci_string_map *sysctl; /* keys with '/' as in /proc/sys */
	size_t n_sysctl;
	struct oci_time_offset *time_offsets;
	size_t n_time_offsets;
	struct oci_net_device *net_devices; /* moved in by the parent */
	size_t n_net_devices;
	bool loopback; /* a new network namespace: bring lo up */
};

/**
 * Build the namespace plan. @privileged: the caller is root in its user namespace.
 *
 * What the document alone can tell (a type given twice, hostname without uts namespace, overlapping
 * mappings) was found when it was decoded. Adds problems: a sysctl whose namespace is the host's
 * (config-linux.md#sysctl), offsets of a joined time namespace, mappings beyond the largest id, two
 * network devices with one name.
 * Returns 0 or -errno.
 */
int ns_plan_build(const struct oci_spec *spec, bool privileged, struct arena *arena,
		  struct problems *problems, struct ns_plan *ret_plan, struct wh_error *err);
/** The name, or the pattern of it, that @device gets in the container. */
const char *net_device_name(const struct oci_net_device *device);
/** Whether the container has its own (new or joined) namespace of @type (CLONE_NEW*). */
bool ns_plan_has(const struct ns_plan *plan, int type);
/** Whether a new namespace of @type is made for the container. */
bool ns_plan_is_new(const struct ns_plan *plan, int type);
