/* SPDX-License-Identifier: Apache-2.0 */
/* The whole configuration (config.md), and the ways into the decoder. */
#include "oci-spec/config.h"

#include <string.h>

#include "oci-spec/config_types.h"
#include "oci-spec/string_rules.h"
#include "oci-spec/validate.h"

static const struct field root_fields[] = {
    FIELD(oci_root, "path", path, field_string, &rule_not_empty, FIELD_REQUIRED),
    FIELD(oci_root, "readonly", readonly, field_bool, NULL, 0),
};
static const struct object_type root_type = OBJECT_TYPE(oci_root, root_fields);

static const struct field mount_fields[] = {
    FIELD(oci_mount, "destination", destination, field_string, &rule_not_empty, FIELD_REQUIRED),
    FIELD(oci_mount, "type", type, field_string, &rule_optional, 0),
    FIELD(oci_mount, "source", source, field_string, &rule_optional, 0),
    FIELD_LIST(oci_mount, "options", options, &field_string_element, 0),
    FIELD_LIST(oci_mount, "uidMappings", uid_mappings, &oci_id_mapping_element, 0),
    FIELD_LIST(oci_mount, "gidMappings", gid_mappings, &oci_id_mapping_element, 0),
};
static const struct object_type mount_type =
    OBJECT_TYPE(oci_mount, mount_fields, .check = validate_mount);
static const struct field mount_element = {.type = &field_object, .param = &mount_type};

static const struct field hook_fields[] = {
    FIELD(oci_hook, "path", path, field_string, &rule_absolute_path, FIELD_REQUIRED),
    FIELD_LIST(oci_hook, "args", args, &field_string_element, 0),
    FIELD_LIST(oci_hook, "env", env, &field_string_element, 0),
    FIELD(oci_hook, "timeout", timeout, field_i64, &range_positive, FIELD_POINTER),
};
static const struct object_type hook_type = OBJECT_TYPE(oci_hook, hook_fields);
static const struct field hook_element = {.type = &field_object, .param = &hook_type};

static const struct field hooks_fields[] = {
    FIELD_LIST(oci_hooks, "prestart", prestart, &hook_element, 0),
    FIELD_LIST(oci_hooks, "createRuntime", create_runtime, &hook_element, 0),
    FIELD_LIST(oci_hooks, "createContainer", create_container, &hook_element, 0),
    FIELD_LIST(oci_hooks, "startContainer", start_container, &hook_element, 0),
    FIELD_LIST(oci_hooks, "poststart", poststart, &hook_element, 0),
    FIELD_LIST(oci_hooks, "poststop", poststop, &hook_element, 0),
};
const struct object_type oci_hooks_type = OBJECT_TYPE(oci_hooks, hooks_fields);

static const struct field spec_fields[] = {
    FIELD(oci_spec, "ociVersion", oci_version, field_string, &rule_version, FIELD_REQUIRED),
    FIELD(oci_spec, "process", process, field_object, &oci_process_type, FIELD_POINTER),
    FIELD(oci_spec, "root", root, field_object, &root_type, FIELD_POINTER | FIELD_REQUIRED),
    FIELD(oci_spec, "hostname", hostname, field_string, &rule_hostname, 0),
    FIELD(oci_spec, "domainname", domainname, field_string, &rule_hostname, 0),
    FIELD_LIST(oci_spec, "mounts", mounts, &mount_element, 0),
    FIELD(oci_spec, "hooks", hooks, field_object, &oci_hooks_type, FIELD_POINTER),
    FIELD_MAP(oci_spec, "annotations", annotations, &string_map, 0),
    FIELD(oci_spec, "linux", linux_, field_object, &oci_linux_type, FIELD_POINTER),
};
const struct object_type oci_spec_type =
    OBJECT_TYPE(oci_spec, spec_fields, .check = validate_spec, .check_always = true);

/* Decode by @type into a struct that is made in the arena. */
static int decode(const struct field_document *document, const struct object_type *type,
		  struct arena *arena, struct problems *problems, void **ret, struct wh_error *err)
{
	void *decoded = arena_alloc(arena, type->size);
	int r;

	if (!decoded)
		return wh_oom(err);
	r = field_decode_document(document, type, arena, problems, decoded, err);
	if (r < 0)
		return r;
	*ret = decoded;
	return 0;
}

#define DOCUMENT(name_, text_, len_, ...)                                                          \
	{                                                                                          \
		.name = (name_), .text = (text_), .len = (len_), .max_size = OCI_CONFIG_MAX_SIZE,  \
		.max_depth = OCI_CONFIG_MAX_DEPTH, __VA_ARGS__                                     \
	}

int oci_config_decode(const char *name, const char *text, size_t len, struct arena *arena,
		      struct problems *problems, const struct oci_spec **ret_spec,
		      struct wh_error *err)
{
	const struct field_document document = DOCUMENT(name, text, len);
	struct oci_spec *spec;
	void *decoded = NULL;
	int r = decode(&document, &oci_spec_type, arena, problems, &decoded, err);

	if (!decoded)
		return r;
	spec = decoded;
	if (!spec->linux_) {
		spec->linux_ = arena_new(arena, struct oci_linux);
		if (!spec->linux_)
			return wh_oom(err);
	}
	*ret_spec = spec;
	return 0;
}

int oci_process_decode(const char *name, const char *text, size_t len, struct arena *arena,
		       struct problems *problems, const struct oci_process **ret_process,
		       struct wh_error *err)
{
	const struct field_document document = DOCUMENT(name, text, len);

	return decode(&document, &oci_process_type, arena, problems,
		      (void **)(uintptr_t)ret_process, err);
}

int oci_resources_decode(const char *name, const char *text, size_t len, struct arena *arena,
			 struct problems *problems, const struct oci_resources **ret_resources,
			 struct wh_error *err)
{
	const struct field_document document = DOCUMENT(name, text, len, .partial = true);

	return decode(&document, &oci_resources_type, arena, problems,
		      (void **)(uintptr_t)ret_resources, err);
}

/* The part of a configuration that is about mounts. */
static const struct field mounts_fields[] = {
    FIELD_LIST(oci_spec, "mounts", mounts, &mount_element, FIELD_REQUIRED),
};
static const struct object_type mounts_type = OBJECT_TYPE(oci_spec, mounts_fields);

static bool is_json_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool begins_array(const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end && is_json_blank(*text))
		text++;
	return text < end && *text == '[';
}

int oci_mounts_decode(const char *name, const char *text, size_t len, bool removal,
		      struct arena *arena, struct problems *problems, struct oci_mount **ret_mounts,
		      size_t *ret_count, struct wh_error *err)
{
	const struct field_document document = DOCUMENT(name, text, len, .partial = removal);
	struct oci_spec part = {0};
	int r;

	if (begins_array(text, len))
		r = field_decode_list_document(&document, &mounts_fields[0], arena, problems, &part,
					       err);
	else
		r = field_decode_document(&document, &mounts_type, arena, problems, &part, err);
	if (r < 0)
		return r;
	*ret_mounts = part.mounts;
	*ret_count = part.n_mounts;
	return 0;
}

int oci_config_encode(const struct oci_spec *spec, struct arena *arena, const char **ret_json,
		      size_t *ret_len, struct wh_error *err)
{
	return field_encode_document(&oci_spec_type, spec, "\t", arena, ret_json, ret_len, err);
}
