/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/features.h"

#include "oci-spec/config_types.h"
#include "oci-spec/enums.h"
#include "oci-spec/json_writer.h"
#include "oci-spec/state.h"

/*
 * Annotations of a configuration that may change what happens on the host: whoever lets users
 * choose annotations has to keep these back (features.md#unsafe-annotations). A trailing dot means
 * all that begin so.
 */
static const char *const unsafe_annotations[] = {"bundle", "org.systemd.property.",
						 "org.criu.config"};

static void write_names(struct json_writer *writer, const char *key, const struct name_table *names)
{
	json_write_key(writer, key);
	json_write_array_begin(writer);
	for (size_t i = 0; i < names->len; i++)
		json_write_string(writer, names->rows[i].name);
	json_write_array_end(writer);
}

static void write_flag(struct json_writer *writer, const char *key, bool value)
{
	json_write_key(writer, key);
	json_write_bool(writer, value);
}

/* {"enabled": true} under @key */
static void write_enabled(struct json_writer *writer, const char *key, bool enabled)
{
	json_write_key(writer, key);
	json_write_object_begin(writer);
	write_flag(writer, "enabled", enabled);
	json_write_object_end(writer);
}

static void write_hooks(struct json_writer *writer)
{
	json_write_key(writer, "hooks");
	json_write_array_begin(writer);
	for (size_t i = 0; i < oci_hooks_type.n_fields; i++)
		json_write_string(writer, oci_hooks_type.fields[i].name);
	json_write_array_end(writer);
}

static void write_cgroup(struct json_writer *writer, const struct oci_features_input *input)
{
	json_write_key(writer, "cgroup");
	json_write_object_begin(writer);
	write_flag(writer, "v1", false);
	write_flag(writer, "v2", true);
	write_flag(writer, "systemd", input->cgroup_systemd);
	write_flag(writer, "systemdUser", input->cgroup_systemd_user);
	write_flag(writer, "rdma", input->cgroup_rdma);
	json_write_object_end(writer);
}

static void write_seccomp(struct json_writer *writer, const struct oci_features_input *input)
{
	json_write_key(writer, "seccomp");
	json_write_object_begin(writer);
	write_flag(writer, "enabled", input->seccomp_enabled);
	if (input->seccomp_enabled) {
		write_names(writer, "actions", &oci_seccomp_actions);
		write_names(writer, "operators", &oci_seccomp_operators);
		write_names(writer, "archs", &oci_seccomp_architectures);
		write_names(writer, "knownFlags", &oci_seccomp_flags);
		json_write_key(writer, "supportedFlags");
		json_write_array_begin(writer);
		for (size_t i = 0; i < oci_seccomp_flags.len; i++)
			if (input->seccomp_supported_flags &
			    (uint64_t)oci_seccomp_flags.rows[i].value)
				json_write_string(writer, oci_seccomp_flags.rows[i].name);
		json_write_array_end(writer);
	}
	json_write_object_end(writer);
}

static void write_memory_policy(struct json_writer *writer, const struct oci_features_input *input)
{
	static const struct name_table none;

	json_write_key(writer, "memoryPolicy");
	json_write_object_begin(writer);
	write_names(writer, "modes",
		    input->memory_policy_enabled ? &oci_memory_policy_modes : &none);
	write_names(writer, "flags",
		    input->memory_policy_enabled ? &oci_memory_policy_flags : &none);
	json_write_object_end(writer);
}

static void write_intel_rdt(struct json_writer *writer, const struct oci_features_input *input)
{
	json_write_key(writer, "intelRdt");
	json_write_object_begin(writer);
	write_flag(writer, "enabled", input->intel_rdt_enabled);
	write_flag(writer, "schemata", input->intel_rdt_schemata);
	write_flag(writer, "monitoring", input->intel_rdt_monitoring);
	json_write_object_end(writer);
}

static void write_linux(struct json_writer *writer, const struct oci_features_input *input)
{
	json_write_key(writer, "linux");
	json_write_object_begin(writer);
	write_names(writer, "namespaces", &oci_namespace_types);
	write_names(writer, "capabilities", &oci_capability_names);
	write_cgroup(writer, input);
	write_seccomp(writer, input);
	write_enabled(writer, "apparmor", input->apparmor_enabled);
	write_enabled(writer, "selinux", input->selinux_enabled);
	write_memory_policy(writer, input);
	write_intel_rdt(writer, input);
	json_write_key(writer, "mountExtensions");
	json_write_object_begin(writer);
	write_enabled(writer, "idmap", input->idmap_enabled);
	json_write_object_end(writer);
	write_enabled(writer, "netDevices", input->net_devices_enabled);
	json_write_object_end(writer);
}

static void write_annotations(struct json_writer *writer, const struct oci_features_input *input)
{
	json_write_key(writer, "annotations");
	json_write_object_begin(writer);
	if (input->libseccomp_version) {
		json_write_key(writer, "io.github.seccomp.libseccomp.version");
		json_write_string(writer, input->libseccomp_version);
	}
	json_write_key(writer, "org.opencontainers.runc.checkpoint.enabled");
	json_write_string(writer, input->checkpoint_enabled ? "true" : "false");
	json_write_object_end(writer);
	json_write_key(writer, "potentiallyUnsafeConfigAnnotations");
	json_write_array_begin(writer);
	for (size_t i = 0; i < sizeof(unsafe_annotations) / sizeof(unsafe_annotations[0]); i++)
		json_write_string(writer, unsafe_annotations[i]);
	json_write_array_end(writer);
}

int oci_features_encode(const struct oci_features_input *input, struct arena *arena,
			const char **ret_json, size_t *ret_len, struct wh_error *err)
{
	struct json_writer writer;

	json_writer_init(&writer, "    ");
	json_write_object_begin(&writer);
	json_write_key(&writer, "ociVersionMin");
	json_write_string(&writer, "1.0.0");
	json_write_key(&writer, "ociVersionMax");
	json_write_string(&writer, OCI_VERSION);
	write_hooks(&writer);
	write_names(&writer, "mountOptions", &input->mount_options);
	write_linux(&writer, input);
	write_annotations(&writer, input);
	json_write_object_end(&writer);
	return json_writer_finish(&writer, arena, ret_json, ret_len, err);
}
