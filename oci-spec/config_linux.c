/* SPDX-License-Identifier: Apache-2.0 */
/* The `linux` object (config-linux.md). */
#include "oci-spec/config_types.h"
#include "oci-spec/enums.h"
#include "oci-spec/string_rules.h"
#include "oci-spec/types.h"
#include "oci-spec/validate.h"

/* A mapping of no ids is refused by the kernel (user_namespaces(7)). */
static const struct int_range range_mapping_size = {1, UINT32_MAX};
static const struct field id_mapping_fields[] = {
    FIELD(oci_id_mapping, "containerID", container_id, field_u32, &range_id, FIELD_REQUIRED),
    FIELD(oci_id_mapping, "hostID", host_id, field_u32, &range_id, FIELD_REQUIRED),
    FIELD(oci_id_mapping, "size", size, field_u32, &range_mapping_size, FIELD_REQUIRED),
};
static const struct object_type id_mapping_type =
    OBJECT_TYPE(oci_id_mapping, id_mapping_fields, .check = validate_id_mapping);
const struct field oci_id_mapping_element = {.type = &field_object, .param = &id_mapping_type};

static const struct enum_type namespace_enum = {&oci_namespace_types, "namespace type"};
static const struct field namespace_fields[] = {
    FIELD(oci_namespace, "type", type, field_enum, &namespace_enum, FIELD_REQUIRED),
    FIELD(oci_namespace, "path", path, field_string, &rule_absolute_path, 0),
};
static const struct object_type namespace_type = OBJECT_TYPE(oci_namespace, namespace_fields);
static const struct field namespace_element = {.type = &field_object, .param = &namespace_type};

/* The kernel's dev_t has 12 and 20 bits. Engines put the file type into fileMode too. */
static const struct int_range range_major = {0, (1 << 12) - 1};
static const struct int_range range_minor = {0, (1 << 20) - 1};
static const struct int_range range_mode = {0, 0177777};
static const struct field device_fields[] = {
    FIELD(oci_device, "path", path, field_string, &rule_absolute_path, FIELD_REQUIRED),
    FIELD(oci_device, "type", type, field_char, "cbup", FIELD_REQUIRED),
    FIELD(oci_device, "major", major, field_i64, &range_major, FIELD_POINTER),
    FIELD(oci_device, "minor", minor, field_i64, &range_minor, FIELD_POINTER),
    FIELD(oci_device, "fileMode", file_mode, field_u32, &range_mode, FIELD_POINTER),
    FIELD(oci_device, "uid", uid, field_u32, &range_id, FIELD_POINTER),
    FIELD(oci_device, "gid", gid, field_u32, &range_id, FIELD_POINTER),
};
static const struct object_type device_type =
    OBJECT_TYPE(oci_device, device_fields, .check = validate_device);
static const struct field device_element = {.type = &field_object, .param = &device_type};

static const struct field net_device_fields[] = {
    FIELD(oci_net_device, "name", name, field_string, &rule_interface, 0),
};
static const struct object_type net_device_type = OBJECT_TYPE(oci_net_device, net_device_fields);
static const struct map_type net_device_map = {
    .key = FIELD(oci_net_device, NULL, host_name, field_string, &rule_interface, 0),
    .value = {.type = &field_object, .param = &net_device_type},
    .size = sizeof(struct oci_net_device),
};

static const struct enum_type clock_enum = {&oci_time_clocks, "clock"};
static const struct int_range range_nanosecs = {0, 999999999};
static const struct field time_offset_fields[] = {
    FIELD(oci_time_offset, "secs", secs, field_i64, NULL, 0),
    FIELD(oci_time_offset, "nanosecs", nanosecs, field_u32, &range_nanosecs, 0),
};
static const struct object_type time_offset_type = OBJECT_TYPE(oci_time_offset, time_offset_fields);
static const struct map_type time_offset_map = {
    .key = FIELD(oci_time_offset, NULL, clock, field_enum, &clock_enum, 0),
    .value = {.type = &field_object, .param = &time_offset_type},
    .size = sizeof(struct oci_time_offset),
};

static const struct field schemata_element = {.type = &field_string, .param = &rule_one_line};
static const struct field intel_rdt_fields[] = {
    FIELD(oci_intel_rdt, "closID", clos_id, field_string, &rule_clos_id, 0),
    FIELD_LIST(oci_intel_rdt, "schemata", schemata, &schemata_element, 0),
    FIELD(oci_intel_rdt, "l3CacheSchema", l3_cache_schema, field_string, &rule_optional, 0),
    FIELD(oci_intel_rdt, "memBwSchema", mem_bw_schema, field_string, &rule_mem_bw, 0),
    FIELD(oci_intel_rdt, "enableMonitoring", enable_monitoring, field_bool, NULL, FIELD_POINTER),
};
static const struct object_type intel_rdt_type = OBJECT_TYPE(oci_intel_rdt, intel_rdt_fields);

static const struct enum_type memory_mode_enum = {&oci_memory_policy_modes, "memory policy"};
static const struct enum_type memory_flag_enum = {&oci_memory_policy_flags, "memory policy flag"};
static const struct field memory_policy_fields[] = {
    FIELD(oci_memory_policy, "mode", mode, field_enum, &memory_mode_enum, FIELD_REQUIRED),
    FIELD(oci_memory_policy, "nodes", nodes, field_string, &rule_id_list_or_empty, 0),
    FIELD_FLAGS(oci_memory_policy, "flags", flags, &memory_flag_enum, 0),
};
static const struct object_type memory_policy_type =
    OBJECT_TYPE(oci_memory_policy, memory_policy_fields, .check = validate_memory_policy);

static const struct enum_type domain_enum = {&oci_personality_domains, "execution domain"};
static const struct field personality_fields[] = {
    FIELD(oci_personality, "domain", domain, field_enum, &domain_enum, FIELD_REQUIRED),
    FIELD_LIST(oci_personality, "flags", flags, &field_string_element, 0),
};
static const struct object_type personality_type =
    OBJECT_TYPE(oci_personality, personality_fields, .check = validate_personality);

static const struct map_type sysctl_map = {
    .key = FIELD(oci_string_map, NULL, key, field_string, &rule_sysctl, 0),
    .value = FIELD(oci_string_map, NULL, value, field_string, NULL, 0),
    .size = sizeof(struct oci_string_map),
};

static const struct enum_type propagation_enum = {&oci_propagations, "propagation"};
static const struct field linux_fields[] = {
    FIELD_LIST(oci_linux, "uidMappings", uid_mappings, &oci_id_mapping_element, 0),
    FIELD_LIST(oci_linux, "gidMappings", gid_mappings, &oci_id_mapping_element, 0),
    FIELD_MAP(oci_linux, "sysctl", sysctl, &sysctl_map, 0),
    FIELD(oci_linux, "resources", resources, field_object, &oci_resources_type, FIELD_POINTER),
    FIELD(oci_linux, "cgroupsPath", cgroups_path, field_string, &rule_cgroups_path, 0),
    FIELD_LIST(oci_linux, "namespaces", namespaces, &namespace_element, 0),
    FIELD_LIST(oci_linux, "devices", devices, &device_element, 0),
    FIELD_MAP(oci_linux, "netDevices", net_devices, &net_device_map, 0),
    FIELD(oci_linux, "seccomp", seccomp, field_object, &oci_seccomp_type, FIELD_POINTER),
    FIELD(oci_linux, "rootfsPropagation", rootfs_propagation, field_enum, &propagation_enum, 0),
    FIELD_LIST(oci_linux, "maskedPaths", masked_paths, &absolute_path_element, 0),
    FIELD_LIST(oci_linux, "readonlyPaths", readonly_paths, &absolute_path_element, 0),
    FIELD(oci_linux, "mountLabel", mount_label, field_string, &rule_optional, 0),
    FIELD(oci_linux, "intelRdt", intel_rdt, field_object, &intel_rdt_type, FIELD_POINTER),
    FIELD(oci_linux, "memoryPolicy", memory_policy, field_object, &memory_policy_type,
	  FIELD_POINTER),
    FIELD(oci_linux, "personality", personality, field_object, &personality_type, FIELD_POINTER),
    FIELD_MAP(oci_linux, "timeOffsets", time_offsets, &time_offset_map, 0),
};
const struct object_type oci_linux_type =
    OBJECT_TYPE(oci_linux, linux_fields, .check = validate_linux, .check_always = true);
