/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/types.h"
#include "oci-spec/validate.h"

/* memory.swap is memory and swap together; 0 is what engines write for "not set", -1 is unlimited.
 */
void validate_memory(struct field_context *ctx, const struct json_value *object,
		     const void *decoded)
{
	const struct oci_memory *memory = decoded;
	bool limited = memory->limit && *memory->limit > 0;

	if (memory->swap && *memory->swap > 0 && limited && *memory->swap < *memory->limit)
		field_problem_member(
		    ctx, object, "swap",
		    "must not be smaller than limit: it is the sum of memory and swap");
	/* An update may change swap alone: the limit is known to the container. */
	if (memory->swap && *memory->swap > 0 && !limited && !(ctx->partial && !memory->limit))
		field_problem_member(ctx, object, "swap",
				     "needs a memory limit: it is the sum of memory and swap");
}

void validate_cpu(struct field_context *ctx, const struct json_value *object, const void *decoded)
{
	const struct oci_cpu *cpu = decoded;

	if (cpu->burst && cpu->quota && *cpu->quota > 0 && *cpu->burst > (uint64_t)*cpu->quota)
		field_problem_member(ctx, object, "burst", "must not be larger than quota");
}

void validate_weight_device(struct field_context *ctx, const struct json_value *object,
			    const void *decoded)
{
	const struct oci_weight_device *device = decoded;

	if (!device->weight && !device->leaf_weight)
		field_problem(ctx, object, "must have weight or leafWeight");
}

void validate_rdma(struct field_context *ctx, const struct json_value *object, const void *decoded)
{
	const struct oci_rdma *rdma = decoded;

	if (!rdma->hca_handles && !rdma->hca_objects)
		field_problem(ctx, object, "must have hcaHandles or hcaObjects");
}
