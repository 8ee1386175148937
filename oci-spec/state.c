/* SPDX-License-Identifier: Apache-2.0 */
/* Two layouts of one struct: what runc's `state` prints, and what it sends to hooks. */
#include "oci-spec/state.h"

#include "oci-spec/enums.h"
#include "oci-spec/field.h"
#include "oci-spec/string_rules.h"

static const struct enum_type status_enum = {&oci_statuses, "status"};

static const struct field command_fields[] = {
    FIELD(oci_state, "ociVersion", oci_version, field_string, NULL, FIELD_REQUIRED),
    FIELD(oci_state, "id", id, field_string, NULL, FIELD_REQUIRED),
    FIELD(oci_state, "pid", pid, field_i64, NULL, FIELD_REQUIRED),
    FIELD(oci_state, "status", status, field_enum, &status_enum, FIELD_REQUIRED),
    FIELD(oci_state, "bundle", bundle, field_string, NULL, FIELD_REQUIRED),
    FIELD(oci_state, "rootfs", rootfs, field_string, NULL, 0),
    FIELD(oci_state, "created", created, field_string, NULL, 0),
    FIELD_MAP(oci_state, "annotations", annotations, &string_map, 0),
    FIELD(oci_state, "owner", owner, field_string, NULL, 0),
};
static const struct object_type command_type = OBJECT_TYPE(oci_state, command_fields);

/* runtime.md#state; a stopped container has no pid. */
static const struct field hook_fields[] = {
    FIELD(oci_state, "ociVersion", oci_version, field_string, NULL, FIELD_REQUIRED),
    FIELD(oci_state, "id", id, field_string, NULL, FIELD_REQUIRED),
    FIELD(oci_state, "status", status, field_enum, &status_enum, FIELD_REQUIRED),
    FIELD(oci_state, "pid", pid, field_i64, NULL, 0),
    FIELD(oci_state, "bundle", bundle, field_string, NULL, FIELD_REQUIRED),
    FIELD_MAP(oci_state, "annotations", annotations, &string_map, 0),
};
static const struct object_type hook_type = OBJECT_TYPE(oci_state, hook_fields);

const char *oci_status_name(enum oci_status status)
{
	return name_table_name(&oci_statuses, status);
}

int oci_state_encode(const struct oci_state *state, bool pretty, struct arena *arena,
		     const char **ret_json, size_t *ret_len, struct wh_error *err)
{
	struct oci_state written = *state;

	if (written.status == OCI_STATUS_STOPPED)
		written.pid = 0;
	if (!written.n_annotations)
		written.annotations = NULL;
	return field_encode_document(pretty ? &command_type : &hook_type, &written,
				     pretty ? "  " : NULL, arena, ret_json, ret_len, err);
}
