/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of id mappings, of the user namespace or of a mount. */
#pragma once

#include "oci-spec/field.h"
#include "oci-spec/types.h"

/**
 * Add an error for each mapping of the member @name that overlaps an earlier one, inside or
 * outside, and for more of them than the kernel takes (user_namespaces(7)). Mappings that failed to
 * decode have size 0 and overlap nothing.
 */
void validate_mappings(struct field_context *ctx, const struct json_value *object, const char *name,
		       const struct oci_id_mapping *mappings, size_t count);
