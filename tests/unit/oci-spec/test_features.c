/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include <linux/seccomp.h>

#include "oci-spec/enums.h"
#include "oci-spec/features.h"
#include "oci-spec/json.h"

struct features {
	struct document holder;
	struct json_document doc;
};

static void make(struct features *f, const struct oci_features_input *input)
{
	const char *json;
	size_t len;

	document_init(&f->holder);
	assert_int_equal(oci_features_encode(input, &f->holder.arena, &json, &len, &f->holder.err),
			 0);
	assert_int_equal(json[len - 1], '\n');
	assert_int_equal(
	    json_parse("f", json, len, 64, &f->holder.arena, &f->holder.problems, &f->doc), 0);
	assert_int_equal(f->holder.problems.n_errors, 0);
}

/* The value at "linux.seccomp.enabled"; it has to be there. */
static const struct json_value *at(const struct features *f, const char *place)
{
	const struct json_value *value = f->doc.root;
	char copy[128];
	char *rest = copy;
	char *part;

	snprintf(copy, sizeof(copy), "%s", place);
	while ((part = strsep(&rest, "."))) {
		value = json_member(value, part);
		if (!value)
			fail_msg("no %s", place);
	}
	return value;
}

static void expect_names(const struct json_value *array, const struct name_table *names)
{
	const struct json_value *element = array->first;

	assert_int_equal(array->kind, JSON_ARRAY);
	assert_int_equal(array->count, names->len);
	for (size_t i = 0; i < names->len; i++, element = element->next)
		assert_string_equal(element->text, names->rows[i].name);
}

static void expect_strings(const struct json_value *array, const char *const *strings)
{
	const struct json_value *element = array->first;

	for (; *strings; strings++, element = element->next) {
		assert_non_null(element);
		assert_string_equal(element->text, *strings);
	}
	assert_null(element);
}

static const struct name_value option_rows[] = {
    {"ro",  0},
    {"rro", 0}
};

static void test_everything(void **state)
{
	static const char *const hooks[] = {"prestart",
					    "createRuntime",
					    "createContainer",
					    "startContainer",
					    "poststart",
					    "poststop",
					    NULL};
	static const char *const unsafe[] = {"bundle", "org.systemd.property.", "org.criu.config",
					     NULL};
	static const char *const supported[] = {"SECCOMP_FILTER_FLAG_TSYNC",
						"SECCOMP_FILTER_FLAG_SPEC_ALLOW", NULL};
	static const char *const on[] = {
	    "linux.cgroup.v2",
	    "linux.cgroup.systemd",
	    "linux.cgroup.systemdUser",
	    "linux.cgroup.rdma",
	    "linux.seccomp.enabled",
	    "linux.apparmor.enabled",
	    "linux.selinux.enabled",
	    "linux.intelRdt.enabled",
	    "linux.intelRdt.schemata",
	    "linux.intelRdt.monitoring",
	    "linux.mountExtensions.idmap.enabled",
	    "linux.netDevices.enabled",
	};
	const struct oci_features_input input = {
	    .mount_options = NAME_TABLE(option_rows),
	    .cgroup_systemd = true,
	    .cgroup_systemd_user = true,
	    .cgroup_rdma = true,
	    .seccomp_enabled = true,
	    .seccomp_supported_flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	    .libseccomp_version = "2.5.4",
	    .apparmor_enabled = true,
	    .selinux_enabled = true,
	    .intel_rdt_enabled = true,
	    .intel_rdt_schemata = true,
	    .intel_rdt_monitoring = true,
	    .idmap_enabled = true,
	    .net_devices_enabled = true,
	    .memory_policy_enabled = true,
	    .checkpoint_enabled = true,
	};
	struct features f;

	make(&f, &input);
	assert_string_equal(at(&f, "ociVersionMin")->text, "1.0.0");
	assert_string_equal(at(&f, "ociVersionMax")->text, "1.3.0");
	expect_strings(at(&f, "hooks"), hooks);
	expect_names(at(&f, "mountOptions"), &input.mount_options);
	expect_names(at(&f, "linux.namespaces"), &oci_namespace_types);
	expect_names(at(&f, "linux.capabilities"), &oci_capability_names);
	expect_names(at(&f, "linux.seccomp.actions"), &oci_seccomp_actions);
	expect_names(at(&f, "linux.seccomp.operators"), &oci_seccomp_operators);
	expect_names(at(&f, "linux.seccomp.archs"), &oci_seccomp_architectures);
	expect_names(at(&f, "linux.seccomp.knownFlags"), &oci_seccomp_flags);
	expect_strings(at(&f, "linux.seccomp.supportedFlags"), supported);
	expect_names(at(&f, "linux.memoryPolicy.modes"), &oci_memory_policy_modes);
	expect_names(at(&f, "linux.memoryPolicy.flags"), &oci_memory_policy_flags);
	for (size_t i = 0; i < ARRAY_LEN(on); i++)
		assert_true(at(&f, on[i])->boolean);
	assert_false(at(&f, "linux.cgroup.v1")->boolean);
	assert_string_equal(
	    json_member(at(&f, "annotations"), "io.github.seccomp.libseccomp.version")->text,
	    "2.5.4");
	assert_string_equal(
	    json_member(at(&f, "annotations"), "org.opencontainers.runc.checkpoint.enabled")->text,
	    "true");
	expect_strings(at(&f, "potentiallyUnsafeConfigAnnotations"), unsafe);
	document_done(&f.holder);
}

/* What is not there is said to be absent, by false or by an empty list, never by null. */
static void test_nothing(void **state)
{
	static const struct oci_features_input input;
	struct features f;

	make(&f, &input);
	assert_false(at(&f, "linux.seccomp.enabled")->boolean);
	assert_null(json_member(at(&f, "linux.seccomp"), "actions"));
	assert_int_equal(at(&f, "linux.memoryPolicy.modes")->count, 0);
	assert_int_equal(at(&f, "mountOptions")->kind, JSON_ARRAY);
	assert_false(at(&f, "linux.mountExtensions.idmap.enabled")->boolean);
	assert_null(json_member(at(&f, "annotations"), "io.github.seccomp.libseccomp.version"));
	assert_string_equal(
	    json_member(at(&f, "annotations"), "org.opencontainers.runc.checkpoint.enabled")->text,
	    "false");
	document_done(&f.holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_everything),
	    cmocka_unit_test(test_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
