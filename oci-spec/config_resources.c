/* SPDX-License-Identifier: Apache-2.0 */
/* The `linux.resources` object (config-linux.md#control-groups), which `update -r` reads on its own
 * too. */
#include <errno.h>
#include <inttypes.h>

#include "oci-spec/config_types.h"
#include "oci-spec/string_rules.h"
#include "oci-spec/types.h"
#include "oci-spec/validate.h"

/* Device numbers of rules: -1 is how engines write "any", which the spec writes by leaving the
 * property out. */
static int rule_number_decode(struct field_context *ctx, const struct field *field,
			      const struct json_value *value, void *dest)
{
	static const struct int_range range = {-1, UINT32_MAX};
	const struct field number_field = {.type = &field_i64, .param = &range};
	int64_t number;
	int64_t *kept;

	if (field_i64.decode(ctx, &number_field, value, &number) < 0)
		return -EINVAL;
	if (number == -1)
		return 0;
	kept = field_alloc(ctx, 1, sizeof(*kept));
	if (!kept)
		return -EINVAL;
	*kept = number;
	*(const int64_t **)dest = kept;
	return 0;
}

static bool rule_number_present(const struct field *field, const void *src)
{
	return *(const int64_t *const *)src != NULL;
}

static void rule_number_encode(struct json_writer *writer, const struct field *field,
			       const void *src)
{
	json_write_i64(writer, **(const int64_t *const *)src);
}

static const struct field_type field_rule_number = {
    .expected = "an integer",
    .size = sizeof(const int64_t *),
    .decode = rule_number_decode,
    .present = rule_number_present,
    .encode = rule_number_encode,
};

/* An absent type is 'a'. */
static const struct field device_rule_fields[] = {
    FIELD(oci_device_rule, "allow", allow, field_bool, NULL, FIELD_REQUIRED),
    FIELD(oci_device_rule, "type", type, field_char, "acb", 0),
    FIELD(oci_device_rule, "major", major, field_rule_number, NULL, 0),
    FIELD(oci_device_rule, "minor", minor, field_rule_number, NULL, 0),
    FIELD(oci_device_rule, "access", access, field_string, &rule_device_access, 0),
};

static void default_device_rule(struct field_context *ctx, const struct json_value *object,
				const void *decoded)
{
	/* The one check that completes what it checks: `type` has a default that is not zero. */
	struct oci_device_rule *rule = (struct oci_device_rule *)(uintptr_t)decoded;

	if (!rule->type)
		rule->type = 'a';
}

static const struct object_type device_rule_type =
    OBJECT_TYPE(oci_device_rule, device_rule_fields, .check = default_device_rule);
static const struct field device_rule_element = {.type = &field_object, .param = &device_rule_type};

static const struct int_range range_limit = {-1, INT64_MAX};
static const struct int_range range_percent = {0, 100};
static const struct field memory_fields[] = {
    FIELD(oci_memory, "limit", limit, field_i64, &range_limit, FIELD_POINTER),
    FIELD(oci_memory, "reservation", reservation, field_i64, &range_limit, FIELD_POINTER),
    FIELD(oci_memory, "swap", swap, field_i64, &range_limit, FIELD_POINTER),
    FIELD(oci_memory, "kernel", kernel, field_i64, &range_limit, FIELD_POINTER),
    FIELD(oci_memory, "kernelTCP", kernel_tcp, field_i64, &range_limit, FIELD_POINTER),
    FIELD(oci_memory, "swappiness", swappiness, field_u64, &range_percent, FIELD_POINTER),
    FIELD(oci_memory, "disableOOMKiller", disable_oom_killer, field_bool, NULL, FIELD_POINTER),
    FIELD(oci_memory, "useHierarchy", use_hierarchy, field_bool, NULL, FIELD_POINTER),
    FIELD(oci_memory, "checkBeforeUpdate", check_before_update, field_bool, NULL, FIELD_POINTER),
};
static const struct object_type memory_type =
    OBJECT_TYPE(oci_memory, memory_fields, .check = validate_memory);

static const struct int_range range_idle = {0, 1};
static const struct field cpu_fields[] = {
    FIELD(oci_cpu, "shares", shares, field_u64, NULL, FIELD_POINTER),
    FIELD(oci_cpu, "quota", quota, field_i64, NULL, FIELD_POINTER),
    FIELD(oci_cpu, "burst", burst, field_u64, NULL, FIELD_POINTER),
    FIELD(oci_cpu, "period", period, field_u64, NULL, FIELD_POINTER),
    FIELD(oci_cpu, "realtimeRuntime", realtime_runtime, field_i64, NULL, FIELD_POINTER),
    FIELD(oci_cpu, "realtimePeriod", realtime_period, field_u64, NULL, FIELD_POINTER),
    FIELD(oci_cpu, "cpus", cpus, field_string, &rule_kernel_list, 0),
    FIELD(oci_cpu, "mems", mems, field_string, &rule_kernel_list, 0),
    FIELD(oci_cpu, "idle", idle, field_i64, &range_idle, FIELD_POINTER),
};
static const struct object_type cpu_type = OBJECT_TYPE(oci_cpu, cpu_fields, .check = validate_cpu);

static const struct field pids_fields[] = {
    FIELD(oci_pids, "limit", limit, field_i64, NULL, FIELD_POINTER),
};
static const struct object_type pids_type = OBJECT_TYPE(oci_pids, pids_fields);

/* Weights are 10 to 1000; 0 is how `runc update`'s documents write "not changed". */
static int weight_decode(struct field_context *ctx, const struct field *field,
			 const struct json_value *value, void *dest)
{
	const struct field number_field = {.type = &field_u64};
	uint64_t number = 0;
	uint16_t *kept;

	if (field_u64.decode(ctx, &number_field, value, &number) < 0)
		return -EINVAL;
	if (!number)
		return 0;
	if (number < 10 || number > 1000)
		return field_problem(ctx, value, "must be between 10 and 1000, found %" PRIu64,
				     number);
	kept = field_alloc(ctx, 1, sizeof(*kept));
	if (!kept)
		return -EINVAL;
	*kept = (uint16_t)number;
	*(const uint16_t **)dest = kept;
	return 0;
}

static bool weight_present(const struct field *field, const void *src)
{
	return *(const uint16_t *const *)src != NULL;
}

static void weight_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	json_write_u64(writer, **(const uint16_t *const *)src);
}

static const struct field_type field_weight = {
    .expected = "an unsigned integer",
    .size = sizeof(const uint16_t *),
    .decode = weight_decode,
    .present = weight_present,
    .encode = weight_encode,
};

static const struct int_range range_device_number = {0, UINT32_MAX};
static const struct field weight_device_fields[] = {
    FIELD(oci_weight_device, "major", major, field_i64, &range_device_number, FIELD_REQUIRED),
    FIELD(oci_weight_device, "minor", minor, field_i64, &range_device_number, FIELD_REQUIRED),
    FIELD(oci_weight_device, "weight", weight, field_weight, NULL, 0),
    FIELD(oci_weight_device, "leafWeight", leaf_weight, field_weight, NULL, 0),
};
static const struct object_type weight_device_type =
    OBJECT_TYPE(oci_weight_device, weight_device_fields, .check = validate_weight_device);
static const struct field weight_device_element = {.type = &field_object,
						   .param = &weight_device_type};

static const struct field throttle_device_fields[] = {
    FIELD(oci_throttle_device, "major", major, field_i64, &range_device_number, FIELD_REQUIRED),
    FIELD(oci_throttle_device, "minor", minor, field_i64, &range_device_number, FIELD_REQUIRED),
    FIELD(oci_throttle_device, "rate", rate, field_u64, NULL, FIELD_REQUIRED),
};
static const struct object_type throttle_device_type =
    OBJECT_TYPE(oci_throttle_device, throttle_device_fields);
static const struct field throttle_element = {.type = &field_object,
					      .param = &throttle_device_type};

static const struct field block_io_fields[] = {
    FIELD(oci_block_io, "weight", weight, field_weight, NULL, 0),
    FIELD(oci_block_io, "leafWeight", leaf_weight, field_weight, NULL, 0),
    FIELD_LIST(oci_block_io, "weightDevice", weight_device, &weight_device_element, 0),
    FIELD_LIST(oci_block_io, "throttleReadBpsDevice", throttle_read_bps_device, &throttle_element,
	       0),
    FIELD_LIST(oci_block_io, "throttleWriteBpsDevice", throttle_write_bps_device, &throttle_element,
	       0),
    FIELD_LIST(oci_block_io, "throttleReadIOPSDevice", throttle_read_iops_device, &throttle_element,
	       0),
    FIELD_LIST(oci_block_io, "throttleWriteIOPSDevice", throttle_write_iops_device,
	       &throttle_element, 0),
};
static const struct object_type block_io_type = OBJECT_TYPE(oci_block_io, block_io_fields);

static const struct field hugepage_fields[] = {
    FIELD(oci_hugepage_limit, "pageSize", page_size, field_string, &rule_page_size, FIELD_REQUIRED),
    FIELD(oci_hugepage_limit, "limit", limit, field_u64, NULL, FIELD_REQUIRED),
};
static const struct object_type hugepage_type = OBJECT_TYPE(oci_hugepage_limit, hugepage_fields);
static const struct field hugepage_element = {.type = &field_object, .param = &hugepage_type};

static const struct field priority_fields[] = {
    FIELD(oci_interface_priority, "name", name, field_string, &rule_interface, FIELD_REQUIRED),
    FIELD(oci_interface_priority, "priority", priority, field_u32, NULL, FIELD_REQUIRED),
};
static const struct object_type priority_type =
    OBJECT_TYPE(oci_interface_priority, priority_fields);
static const struct field priority_element = {.type = &field_object, .param = &priority_type};

static const struct field network_fields[] = {
    FIELD(oci_network, "classID", class_id, field_u32, NULL, FIELD_POINTER),
    FIELD_LIST(oci_network, "priorities", priorities, &priority_element, 0),
};
static const struct object_type network_type = OBJECT_TYPE(oci_network, network_fields);

static const struct field rdma_fields[] = {
    FIELD(oci_rdma, "hcaHandles", hca_handles, field_u32, NULL, FIELD_POINTER),
    FIELD(oci_rdma, "hcaObjects", hca_objects, field_u32, NULL, FIELD_POINTER),
};
static const struct object_type rdma_type =
    OBJECT_TYPE(oci_rdma, rdma_fields, .check = validate_rdma);
static const struct map_type rdma_map = {
    .key = FIELD(oci_rdma, NULL, device, field_string, &rule_word, 0),
    .value = {.type = &field_object, .param = &rdma_type},
    .size = sizeof(struct oci_rdma),
};

static const struct map_type unified_map = {
    .key = FIELD(oci_string_map, NULL, key, field_string, &rule_cgroup_file, 0),
    .value = FIELD(oci_string_map, NULL, value, field_string, NULL, 0),
    .size = sizeof(struct oci_string_map),
};

static const struct field resources_fields[] = {
    FIELD_LIST(oci_resources, "devices", devices, &device_rule_element, 0),
    FIELD(oci_resources, "memory", memory, field_object, &memory_type, FIELD_POINTER),
    FIELD(oci_resources, "cpu", cpu, field_object, &cpu_type, FIELD_POINTER),
    FIELD(oci_resources, "pids", pids, field_object, &pids_type, FIELD_POINTER),
    FIELD(oci_resources, "blockIO", block_io, field_object, &block_io_type, FIELD_POINTER),
    FIELD_LIST(oci_resources, "hugepageLimits", hugepage_limits, &hugepage_element, 0),
    FIELD(oci_resources, "network", network, field_object, &network_type, FIELD_POINTER),
    FIELD_MAP(oci_resources, "rdma", rdma, &rdma_map, 0),
    FIELD_MAP(oci_resources, "unified", unified, &unified_map, 0),
};
const struct object_type oci_resources_type = OBJECT_TYPE(oci_resources, resources_fields);
