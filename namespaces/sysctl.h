/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel parameters (config-linux.md#sysctl): only those that belong to a namespace of the
 * container's own may be set, since any other is the host's. Pure.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/**
 * Turn @keys into paths below /proc/sys, in @arena. As sysctl(8) has it: when the first separator
 * of a key is a dot, dots separate and a slash stands for a dot; when it is a slash, nothing
 * changes.
 *
 * @own_namespaces: CLONE_NEW* of what the container does not share with the host.
 * A parameter that is the host's, unknown to be in a namespace, or no parameter's name adds a
 * problem and is left out.
 * Returns 0 with *@ret_sysctl and *@ret_count, or -ENOMEM.
 */
int sysctl_plan_build(const struct oci_string_map *keys, size_t count, int own_namespaces,
		      struct arena *arena, struct problems *problems,
		      struct oci_string_map **ret_sysctl, size_t *ret_count, struct wh_error *err);
