/* SPDX-License-Identifier: Apache-2.0 */
/* What single strings and numbers of the documents must be; the tables point here. */
#pragma once

#include "oci-spec/field.h"

extern const struct string_rule rule_absolute_path; /* begins with '/', no control bytes */
extern const struct string_rule rule_not_empty;
extern const struct string_rule rule_optional;     /* "" is the same as absent */
extern const struct string_rule rule_version;      /* SemVer 1.x */
extern const struct string_rule rule_hostname;     /* at most 64 bytes (uname(2)); "" = absent */
extern const struct string_rule rule_env;          /* NAME=value */
extern const struct string_rule rule_cgroups_path; /* no control bytes; "" = absent */
extern const struct string_rule
    rule_interface; /* a network interface name (the kernel's dev_valid_name()) */
extern const struct string_rule rule_id_list; /* "0-3,7", not empty */
extern const struct string_rule rule_id_list_or_empty;
extern const struct string_rule
    rule_kernel_list; /* handed to the kernel as it is: one line; "" = absent */
extern const struct string_rule rule_device_access; /* of "rwm" */
extern const struct string_rule rule_page_size;     /* "2MB" */
extern const struct string_rule rule_cgroup_file;   /* a file name: no '/' */
extern const struct string_rule rule_sysctl;        /* no control bytes, no ".." */
extern const struct string_rule rule_clos_id;       /* a directory name, or "/" */
extern const struct string_rule rule_word;          /* no blanks: a field of a kernel file */
extern const struct string_rule rule_one_line;
extern const struct string_rule rule_mem_bw; /* begins with "MB:", one line */

extern const struct int_range
    range_id; /* user and group ids: 4294967295 means "leave it" to the kernel */
extern const struct int_range range_positive; /* int64_t > 0 */

extern const struct field absolute_path_element;
extern const struct field id_element;    /* uint32_t in range_id */
extern const struct map_type string_map; /* struct oci_string_map, keys not empty */
