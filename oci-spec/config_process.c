/* SPDX-License-Identifier: Apache-2.0 */
/* The `process` object (config.md#process), which `exec --process` reads on its own too. */
#include "oci-spec/config_types.h"
#include "oci-spec/enums.h"
#include "oci-spec/string_rules.h"
#include "oci-spec/types.h"
#include "oci-spec/validate.h"

static const struct field console_size_fields[] = {
    FIELD(oci_console_size, "height", height, field_u64, NULL, FIELD_REQUIRED),
    FIELD(oci_console_size, "width", width, field_u64, NULL, FIELD_REQUIRED),
};
static const struct object_type console_size_type =
    OBJECT_TYPE(oci_console_size, console_size_fields);

static const struct int_range range_umask = {0, 0777};
static const struct field user_fields[] = {
    FIELD(oci_user, "uid", uid, field_u32, &range_id, FIELD_REQUIRED),
    FIELD(oci_user, "gid", gid, field_u32, &range_id, FIELD_REQUIRED),
    FIELD(oci_user, "umask", umask, field_u32, &range_umask, FIELD_POINTER),
    FIELD_LIST(oci_user, "additionalGids", additional_gids, &id_element, 0),
    FIELD(oci_user, "username", username, field_string, &rule_optional, 0),
};
static const struct object_type user_type = OBJECT_TYPE(oci_user, user_fields);

static const struct enum_type rlimit_enum = {&oci_rlimit_types, "resource limit"};
static const struct field rlimit_fields[] = {
    FIELD(oci_rlimit, "type", type, field_enum, &rlimit_enum, FIELD_REQUIRED),
    FIELD(oci_rlimit, "hard", hard, field_u64, NULL, FIELD_REQUIRED),
    FIELD(oci_rlimit, "soft", soft, field_u64, NULL, FIELD_REQUIRED),
};
static const struct object_type rlimit_type =
    OBJECT_TYPE(oci_rlimit, rlimit_fields, .check = validate_rlimit);
static const struct field rlimit_element = {.type = &field_object, .param = &rlimit_type};

static const struct field capabilities_fields[] = {
    FIELD(oci_capabilities, "bounding", bounding, field_capability_set, NULL, FIELD_POINTER),
    FIELD(oci_capabilities, "effective", effective, field_capability_set, NULL, FIELD_POINTER),
    FIELD(oci_capabilities, "inheritable", inheritable, field_capability_set, NULL, FIELD_POINTER),
    FIELD(oci_capabilities, "permitted", permitted, field_capability_set, NULL, FIELD_POINTER),
    FIELD(oci_capabilities, "ambient", ambient, field_capability_set, NULL, FIELD_POINTER),
};
static const struct object_type capabilities_type =
    OBJECT_TYPE(oci_capabilities, capabilities_fields, .check = validate_capabilities);

static const struct int_range range_nice = {-20, 19};
static const struct int_range range_int32 = {INT32_MIN, INT32_MAX};
static const struct enum_type policy_enum = {&oci_scheduler_policies, "scheduler policy"};
static const struct enum_type scheduler_flag_enum = {&oci_scheduler_flags, "scheduler flag"};
static const struct field scheduler_fields[] = {
    FIELD(oci_scheduler, "policy", policy, field_enum, &policy_enum, FIELD_REQUIRED),
    FIELD(oci_scheduler, "nice", nice, field_i64, &range_nice, FIELD_POINTER),
    FIELD(oci_scheduler, "priority", priority, field_i64, &range_int32, FIELD_POINTER),
    FIELD_FLAGS(oci_scheduler, "flags", flags, &scheduler_flag_enum, 0),
    FIELD(oci_scheduler, "runtime", runtime, field_u64, NULL, FIELD_POINTER),
    FIELD(oci_scheduler, "deadline", deadline, field_u64, NULL, FIELD_POINTER),
    FIELD(oci_scheduler, "period", period, field_u64, NULL, FIELD_POINTER),
};
static const struct object_type scheduler_type =
    OBJECT_TYPE(oci_scheduler, scheduler_fields, .check = validate_scheduler);

static const struct int_range range_io_priority = {0, 7};
static const struct enum_type io_class_enum = {&oci_io_priority_classes, "I/O priority class"};
static const struct field io_priority_fields[] = {
    FIELD(oci_io_priority, "class", io_class, field_enum, &io_class_enum, FIELD_REQUIRED),
    FIELD(oci_io_priority, "priority", priority, field_i64, &range_io_priority, FIELD_REQUIRED),
};
static const struct object_type io_priority_type = OBJECT_TYPE(oci_io_priority, io_priority_fields);

static const struct field affinity_fields[] = {
    FIELD(oci_exec_cpu_affinity, "initial", initial, field_string, &rule_id_list_or_empty, 0),
    FIELD(oci_exec_cpu_affinity, "final", final, field_string, &rule_id_list_or_empty, 0),
};
static const struct object_type affinity_type = OBJECT_TYPE(oci_exec_cpu_affinity, affinity_fields);

/* The kernel's OOM_SCORE_ADJ_MIN and OOM_SCORE_ADJ_MAX. */
static const struct int_range range_oom_score_adj = {-1000, 1000};
static const struct field env_element = {.type = &field_string, .param = &rule_env};
static const struct field process_fields[] = {
    FIELD(oci_process, "terminal", terminal, field_bool, NULL, 0),
    FIELD(oci_process, "consoleSize", console_size, field_object, &console_size_type,
	  FIELD_POINTER),
    FIELD(oci_process, "user", user, field_object, &user_type, FIELD_ALWAYS),
    FIELD_LIST(oci_process, "args", args, &field_string_element, 0),
    FIELD(oci_process, "commandLine", command_line, field_string, &rule_optional, 0),
    FIELD_LIST(oci_process, "env", env, &env_element, 0),
    FIELD(oci_process, "cwd", cwd, field_string, &rule_absolute_path, FIELD_REQUIRED),
    FIELD(oci_process, "capabilities", capabilities, field_object, &capabilities_type,
	  FIELD_POINTER),
    FIELD_LIST(oci_process, "rlimits", rlimits, &rlimit_element, 0),
    FIELD(oci_process, "noNewPrivileges", no_new_privileges, field_bool, NULL, FIELD_POINTER),
    FIELD(oci_process, "apparmorProfile", apparmor_profile, field_string, &rule_optional, 0),
    FIELD(oci_process, "oomScoreAdj", oom_score_adj, field_i64, &range_oom_score_adj,
	  FIELD_POINTER),
    FIELD(oci_process, "scheduler", scheduler, field_object, &scheduler_type, FIELD_POINTER),
    FIELD(oci_process, "selinuxLabel", selinux_label, field_string, &rule_optional, 0),
    FIELD(oci_process, "ioPriority", io_priority, field_object, &io_priority_type, FIELD_POINTER),
    FIELD(oci_process, "execCPUAffinity", exec_cpu_affinity, field_object, &affinity_type,
	  FIELD_POINTER),
};
const struct object_type oci_process_type =
    OBJECT_TYPE(oci_process, process_fields, .check = validate_process, .check_always = true);
