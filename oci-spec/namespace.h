/* SPDX-License-Identifier: Apache-2.0 */
/* What linux.namespaces says of one type (config-linux.md#namespaces). Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "oci-spec/types.h"

/** The entry for @type (CLONE_NEW*) in @linux_, lent, or NULL where the container has its caller's. */
const struct oci_namespace *oci_namespace_find(const struct oci_linux *linux_, int64_t type);
/** Whether @ns is made for the container. NULL: it is not. */
bool oci_namespace_is_new(const struct oci_namespace *ns);
/** Whether @ns is there already, and is joined by its path. NULL: it is not. */
bool oci_namespace_is_joined(const struct oci_namespace *ns);
