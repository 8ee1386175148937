/* SPDX-License-Identifier: Apache-2.0 */
/* The `linux.seccomp` object (config-linux.md#seccomp). */
#include "oci-spec/config_types.h"
#include "oci-spec/enums.h"
#include "oci-spec/string_rules.h"
#include "oci-spec/types.h"
#include "oci-spec/validate.h"

static const struct enum_type action_enum = {&oci_seccomp_actions, "seccomp action"};
static const struct enum_type operator_enum = {&oci_seccomp_operators, "seccomp operator"};
static const struct enum_type architecture_enum = {&oci_seccomp_architectures,
						   "seccomp architecture"};
static const struct enum_type flag_enum = {&oci_seccomp_flags, "seccomp flag"};

/* A system call has six arguments; an errno and a trace message have 16 bits (SECCOMP_RET_DATA). */
static const struct int_range range_index = {0, 5};
static const struct int_range range_errno = {0, UINT16_MAX};

static const struct field arg_fields[] = {
    FIELD(oci_seccomp_arg, "index", index, field_u32, &range_index, FIELD_REQUIRED),
    FIELD(oci_seccomp_arg, "value", value, field_u64, NULL, FIELD_REQUIRED),
    FIELD(oci_seccomp_arg, "valueTwo", value_two, field_u64, NULL, 0),
    FIELD(oci_seccomp_arg, "op", op, field_enum, &operator_enum, FIELD_REQUIRED),
};
static const struct object_type arg_type = OBJECT_TYPE(oci_seccomp_arg, arg_fields);
static const struct field arg_element = {.type = &field_object, .param = &arg_type};

static const struct field syscall_name_element = {.type = &field_string, .param = &rule_not_empty};
static const struct field syscall_fields[] = {
    FIELD_LIST(oci_seccomp_syscall, "names", names, &syscall_name_element, FIELD_REQUIRED),
    FIELD(oci_seccomp_syscall, "action", action, field_enum, &action_enum, FIELD_REQUIRED),
    FIELD(oci_seccomp_syscall, "errnoRet", errno_ret, field_u32, &range_errno, FIELD_POINTER),
    FIELD_LIST(oci_seccomp_syscall, "args", args, &arg_element, 0),
};
static const struct object_type syscall_type =
    OBJECT_TYPE(oci_seccomp_syscall, syscall_fields, .check = validate_seccomp_syscall);
static const struct field syscall_element = {.type = &field_object, .param = &syscall_type};

static const struct field architecture_element = {.type = &field_enum, .param = &architecture_enum};
static const struct field flag_element = {.type = &field_enum, .param = &flag_enum};
static const struct field seccomp_fields[] = {
    FIELD(oci_seccomp, "defaultAction", default_action, field_enum, &action_enum, FIELD_REQUIRED),
    FIELD(oci_seccomp, "defaultErrnoRet", default_errno_ret, field_u32, &range_errno,
	  FIELD_POINTER),
    FIELD_LIST(oci_seccomp, "architectures", architectures, &architecture_element, 0),
    FIELD_LIST(oci_seccomp, "flags", flags, &flag_element, 0),
    FIELD(oci_seccomp, "listenerPath", listener_path, field_string, &rule_optional, 0),
    FIELD(oci_seccomp, "listenerMetadata", listener_metadata, field_string, &rule_optional, 0),
    FIELD_LIST(oci_seccomp, "syscalls", syscalls, &syscall_element, 0),
};
const struct object_type oci_seccomp_type =
    OBJECT_TYPE(oci_seccomp, seccomp_fields, .check = validate_seccomp);
