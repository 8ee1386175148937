/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between properties that need only the document. Each is the check of one object_type, see
 * struct object_type. */
#pragma once

#include "oci-spec/field.h"

/* validate_process.c */
void validate_process(struct field_context *ctx, const struct json_value *object,
		      const void *decoded);
void validate_rlimit(struct field_context *ctx, const struct json_value *object,
		     const void *decoded);
void validate_capabilities(struct field_context *ctx, const struct json_value *object,
			   const void *decoded);
void validate_scheduler(struct field_context *ctx, const struct json_value *object,
			const void *decoded);

/* validate_spec.c */
void validate_spec(struct field_context *ctx, const struct json_value *object, const void *decoded);
void validate_mount(struct field_context *ctx, const struct json_value *object,
		    const void *decoded);

/* validate_linux.c */
void validate_linux(struct field_context *ctx, const struct json_value *object,
		    const void *decoded);
void validate_id_mapping(struct field_context *ctx, const struct json_value *object,
			 const void *decoded);
void validate_device(struct field_context *ctx, const struct json_value *object,
		     const void *decoded);
void validate_personality(struct field_context *ctx, const struct json_value *object,
			  const void *decoded);
void validate_memory_policy(struct field_context *ctx, const struct json_value *object,
			    const void *decoded);
void validate_seccomp(struct field_context *ctx, const struct json_value *object,
		      const void *decoded);
void validate_seccomp_syscall(struct field_context *ctx, const struct json_value *object,
			      const void *decoded);

/* validate_resources.c */
void validate_memory(struct field_context *ctx, const struct json_value *object,
		     const void *decoded);
void validate_cpu(struct field_context *ctx, const struct json_value *object, const void *decoded);
void validate_weight_device(struct field_context *ctx, const struct json_value *object,
			    const void *decoded);
void validate_rdma(struct field_context *ctx, const struct json_value *object, const void *decoded);

/** Add an error for each element of the array member @list whose string member @key is the same as
 * an earlier one's. */
void validate_unique(struct field_context *ctx, const struct json_value *object, const char *list,
		     const char *key);

/** What a document says about a namespace; UNCLEAR when its list is broken and was complained about
 * already. */
enum namespace_use { NAMESPACE_ABSENT, NAMESPACE_NEW, NAMESPACE_JOINED, NAMESPACE_UNCLEAR };
/** Read it from the document's `linux` object (may be NULL), which is there even when decoding
 * failed. @type: "uts". */
enum namespace_use validate_namespace_use(const struct json_value *linux_object, const char *type);
