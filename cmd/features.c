/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/seccomp.h>
#include <stdio.h>

#include "cmd/verb.h"
#include "libcontainer/seccomp/seccomp.h"
#include "namespaces/mount_opts.h"
#include "oci-spec/features.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/** What this version can do, on any host: the document is about the program, not about the kernel
 * (features.md). */
static struct oci_features_input describe(void)
{
	return (struct oci_features_input){
	    .mount_options = mount_option_names,
	    .cgroup_rdma = true,
	    .cgroup_systemd = true,
	    .cgroup_systemd_user = true,
	    .seccomp_enabled = true,
	    .seccomp_supported_flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
				       SECCOMP_FILTER_FLAG_SPEC_ALLOW |
				       SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
	    .apparmor_enabled = true,
	    .selinux_enabled = true,
	    .memory_policy_enabled = true,
	    .intel_rdt_enabled = true,
	    .intel_rdt_schemata = true,
	    .intel_rdt_monitoring = true,
	    .idmap_enabled = true,
	    .net_devices_enabled = true,
	    .checkpoint_enabled = true,
	};
}

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	struct oci_features_input input = describe();
	char libseccomp[32];
	const char *json = NULL;
	size_t len = 0;
	int rc;

	seccomp_library_version(libseccomp, sizeof(libseccomp));
	input.libseccomp_version = libseccomp;
	rc = oci_features_encode(&input, cli->arena, &json, &len, err);
	if (rc < 0)
		return rc;
	fwrite(json, 1, len, stdout);
	return 0;
}

const struct verb verb_features = {
    .name = "features",
    .summary = "print what this build can do as JSON",
    .stateless = true,
    .run = run,
};
