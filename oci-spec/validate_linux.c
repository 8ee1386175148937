/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/mempolicy.h>

#include "base/str.h"
#include "oci-spec/types.h"
#include "oci-spec/validate.h"
#include "oci-spec/validate_mappings.h"

void validate_id_mapping(struct field_context *ctx, const struct json_value *object,
			 const void *decoded)
{
	const struct oci_id_mapping *m = decoded;

	/* user_namespaces(7): a range must not reach past the last id */
	if ((uint64_t)m->container_id + m->size > UINT32_MAX)
		field_problem_member(ctx, object, "size",
				     "containerID and size reach past the last id, 4294967294");
	if ((uint64_t)m->host_id + m->size > UINT32_MAX)
		field_problem_member(ctx, object, "size",
				     "hostID and size reach past the last id, 4294967294");
}

void validate_device(struct field_context *ctx, const struct json_value *object,
		     const void *decoded)
{
	const struct oci_device *device = decoded;

	if (device->type == 'p')
		return;
	if (!device->major)
		field_problem_member(ctx, object, "major", "missing required property");
	if (!device->minor)
		field_problem_member(ctx, object, "minor", "missing required property");
}

void validate_personality(struct field_context *ctx, const struct json_value *object,
			  const void *decoded)
{
	const struct oci_personality *personality = decoded;

	if (personality->n_flags)
		field_problem_member(ctx, object, "flags",
				     "no flags are supported (config-linux.md#personality)");
}

/* set_mempolicy(2) */
void validate_memory_policy(struct field_context *ctx, const struct json_value *object,
			    const void *decoded)
{
	const struct oci_memory_policy *policy = decoded;
	bool nodes = !str_empty(policy->nodes);

	if (nodes && (policy->mode == MPOL_DEFAULT || policy->mode == MPOL_LOCAL))
		field_problem_member(ctx, object, "nodes", "must be empty with this mode");
	if (!nodes && policy->mode != MPOL_DEFAULT && policy->mode != MPOL_LOCAL &&
	    policy->mode != MPOL_PREFERRED)
		field_problem_member(ctx, object, "nodes",
				     "must name at least one node with this mode");
	if ((policy->flags & MPOL_F_STATIC_NODES) && (policy->flags & MPOL_F_RELATIVE_NODES))
		field_problem_member(
		    ctx, object, "flags",
		    "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
}

/* What a system call can return (MAX_ERRNO of the kernel) ends before this. */
#define ERRNO_END 4095

/* @member, which is @value, against the action that it is for. */
static void check_errno(struct field_context *ctx, const struct json_value *object,
			const char *member, const uint32_t *value, int64_t action)
{
	if (value && action != OCI_SECCOMP_ERRNO && action != OCI_SECCOMP_TRACE)
		field_problem_member(
		    ctx, object, member,
		    "the action takes no errno; SCMP_ACT_ERRNO and SCMP_ACT_TRACE do");
	if (value && action == OCI_SECCOMP_ERRNO && *value >= ERRNO_END)
		field_problem_member(ctx, object, member,
				     "must be below %d with SCMP_ACT_ERRNO: no system call returns "
				     "more",
				     ERRNO_END);
}

void validate_seccomp_syscall(struct field_context *ctx, const struct json_value *object,
			      const void *decoded)
{
	const struct oci_seccomp_syscall *syscall = decoded;

	if (!syscall->n_names)
		field_problem_member(ctx, object, "names", "must name at least one system call");
	check_errno(ctx, object, "errnoRet", syscall->errno_ret, syscall->action);
}

static bool uses_notify(const struct oci_seccomp *seccomp)
{
	if (seccomp->default_action == OCI_SECCOMP_NOTIFY)
		return true;
	for (size_t i = 0; i < seccomp->n_syscalls; i++)
		if (seccomp->syscalls[i].action == OCI_SECCOMP_NOTIFY)
			return true;
	return false;
}

void validate_seccomp(struct field_context *ctx, const struct json_value *object,
		      const void *decoded)
{
	const struct oci_seccomp *seccomp = decoded;

	check_errno(ctx, object, "defaultErrnoRet", seccomp->default_errno_ret,
		    seccomp->default_action);
	if (seccomp->listener_metadata && !seccomp->listener_path)
		field_problem_member(ctx, object, "listenerMetadata",
				     "must not be set without listenerPath");
	if (!seccomp->listener_path && uses_notify(seccomp))
		field_problem(ctx, object,
			      "SCMP_ACT_NOTIFY needs listenerPath: nobody would answer");
}

/* Mappings and the user namespace they are for (config-linux.md#user-namespace-mappings); runc
 * refuses the same. */
static void validate_user_namespace(struct field_context *ctx, const struct json_value *object,
				    const struct oci_linux *linux_)
{
	static const char *const names[] = {"uidMappings", "gidMappings"};
	enum namespace_use use = validate_namespace_use(object, "user");

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct json_value *list = json_member(object, names[i]);
		bool empty =
		    !list || list->kind == JSON_NULL || (list->kind == JSON_ARRAY && !list->count);

		if (use == NAMESPACE_ABSENT && !empty)
			field_problem_member(ctx, object, names[i],
					     "needs a user namespace in linux.namespaces");
		if (use == NAMESPACE_NEW && empty)
			field_problem_member(ctx, object, names[i],
					     "missing, but the new user namespace needs it");
	}
	validate_mappings(ctx, object, "uidMappings", linux_->uid_mappings, linux_->n_uid_mappings);
	validate_mappings(ctx, object, "gidMappings", linux_->gid_mappings, linux_->n_gid_mappings);
}

/* Properties that only mean something inside a namespace of the container's own. */
static const struct {
	const char *property;
	const char *type;
} namespaced[] = {
    {"timeOffsets", "time"   },
    {"netDevices",  "network"},
};

void validate_linux(struct field_context *ctx, const struct json_value *object, const void *decoded)
{
	/* config-linux.md#namespaces: duplicates MUST be an error */
	validate_unique(ctx, object, "namespaces", "type");
	validate_user_namespace(ctx, object, decoded);
	for (size_t i = 0; i < ARRAY_LEN(namespaced); i++) {
		const struct json_value *member = json_member(object, namespaced[i].property);

		if (member && member->kind == JSON_OBJECT && member->count &&
		    validate_namespace_use(object, namespaced[i].type) == NAMESPACE_ABSENT)
			field_problem_member(ctx, object, namespaced[i].property,
					     "needs a %s namespace in linux.namespaces",
					     namespaced[i].type);
	}
}
