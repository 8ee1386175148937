/* SPDX-License-Identifier: Apache-2.0 */
/* The default configuration: what `wherry spec` writes and `wherry run --rootfs` runs. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/types.h"

/**
 * Build the default spec in the arena: runc's in shape (sh, terminal, the default mounts, pid
 * network ipc uts mount cgroup namespaces, masked and read-only paths a superset of moby's list,
 * CVE-2017-16539).
 *
 * @rootless: add a user namespace mapping 0 to (@uid, @gid), drop what an ordinary user cannot have
 * Returns 0 with *@ret_spec (which the caller may still change), or -ENOMEM.
 */
int oci_default_spec(struct arena *arena, bool rootless, uint32_t uid, uint32_t gid,
		     struct oci_spec **ret_spec, struct wh_error *err);
