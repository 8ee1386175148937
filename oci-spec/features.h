/* SPDX-License-Identifier: Apache-2.0 */
/* The features document (features.md, features-linux.md), filled from the same tables that parse
 * configurations. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/name_table.h"

/** What only the layers above oci-spec know; they pass their tables in. Names are listed in the
 * tables' order. */
struct oci_features_input {
	struct name_table mount_options; /* namespaces/mount_opts.c */
	bool cgroup_systemd;
	bool cgroup_systemd_user;
	bool cgroup_rdma;
	bool seccomp_enabled;
	uint64_t seccomp_supported_flags; /* SECCOMP_FILTER_FLAG_* that wherry can apply, or-ed */
	const char
	    *libseccomp_version; /* annotation io.github.seccomp.libseccomp.version; NULL: none */
	bool apparmor_enabled;
	bool selinux_enabled;
	bool intel_rdt_enabled;
	bool intel_rdt_schemata;
	bool intel_rdt_monitoring;
	bool idmap_enabled;
	bool net_devices_enabled;
	bool memory_policy_enabled; /* with modes and flags from enums.c; else empty arrays */
	bool checkpoint_enabled;    /* annotation org.opencontainers.runc.checkpoint.enabled */
};

/** Write the features document, indented, with a final newline. Returns 0 or -ENOMEM. */
int oci_features_encode(const struct oci_features_input *input, struct arena *arena,
			const char **ret_json, size_t *ret_len, struct wh_error *err);
