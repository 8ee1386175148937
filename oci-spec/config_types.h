/* SPDX-License-Identifier: Apache-2.0 */
/* The field tables of the configuration, one object_type a JSON object that more than one file
 * needs. */
#pragma once

#include "oci-spec/field.h"

extern const struct object_type oci_spec_type;      /* config.c: struct oci_spec */
extern const struct object_type oci_process_type;   /* config_process.c: struct oci_process */
extern const struct object_type oci_hooks_type;     /* config.c: struct oci_hooks */
extern const struct object_type oci_linux_type;     /* config_linux.c: struct oci_linux */
extern const struct object_type oci_resources_type; /* config_resources.c: struct oci_resources */
extern const struct object_type oci_seccomp_type;   /* config_seccomp.c: struct oci_seccomp */
extern const struct field oci_id_mapping_element;   /* config_linux.c: struct oci_id_mapping */
extern const struct field_type
    field_capability_set; /* capability_set.c: struct oci_capability_set */
