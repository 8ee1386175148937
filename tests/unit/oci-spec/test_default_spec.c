/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include <sched.h>
#include <sys/resource.h>

#include "oci-spec/default_spec.h"

static bool contains(const char *const *strings, size_t count, const char *string)
{
	for (size_t i = 0; i < count; i++)
		if (streq(strings[i], string))
			return true;
	return false;
}

static bool has_namespace(const struct oci_spec *spec, int64_t type)
{
	for (size_t i = 0; i < spec->linux_->n_namespaces; i++)
		if (spec->linux_->namespaces[i].type == type)
			return true;
	return false;
}

/* Every string is in the arena: the init image sees nothing else. */
static void expect_inside(const struct arena *arena, const char *string)
{
	assert_true(string >= arena->base && string < arena->base + arena->used);
}

static void expect_all_inside(const struct arena *arena, const char *const *strings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_inside(arena, strings[i]);
}

/* What it writes is a configuration without any problem, and comes back the same. */
static void expect_valid(struct document *d, const struct oci_spec *spec)
{
	struct document again;
	const char *once, *twice;
	size_t len, twice_len;

	assert_int_equal(oci_config_encode(spec, &d->arena, &once, &len, &d->err), 0);
	document_decode(&again, "config.json", once, len);
	assert_int_equal(again.result, 0);
	assert_null(again.problems.first);
	assert_int_equal(
	    oci_config_encode(again.spec, &again.arena, &twice, &twice_len, &again.err), 0);
	assert_string_equal(once, twice);
	document_done(&again);
}

static void expect_common(const struct document *d, const struct oci_spec *spec)
{
	/* moby's list: CVE-2017-16539, CVE-2018-10892 */
	static const char *const masked[] = {
	    "/proc/acpi",       "/proc/asound",      "/proc/interrupts",
	    "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
	    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	    "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap",
	};
	static const char *const destinations[] = {
	    "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"};
	const struct oci_process *process = spec->process;

	for (size_t i = 0; i < ARRAY_LEN(masked); i++)
		assert_true(
		    contains(spec->linux_->masked_paths, spec->linux_->n_masked_paths, masked[i]));
	assert_int_equal(spec->n_mounts, ARRAY_LEN(destinations));
	for (size_t i = 0; i < spec->n_mounts; i++) {
		assert_string_equal(spec->mounts[i].destination, destinations[i]);
		expect_inside(&d->arena, spec->mounts[i].destination);
		expect_inside(&d->arena, spec->mounts[i].type);
		expect_inside(&d->arena, spec->mounts[i].source);
		expect_all_inside(&d->arena, spec->mounts[i].options, spec->mounts[i].n_options);
	}
	assert_string_equal(spec->oci_version, "1.3.0");
	assert_string_equal(spec->hostname, "wherry");
	assert_string_equal(spec->root->path, "rootfs");
	assert_true(spec->root->readonly);
	assert_true(process->terminal);
	assert_int_equal(process->n_args, 1);
	assert_string_equal(process->args[0], "sh");
	assert_string_equal(process->cwd, "/");
	assert_true(*process->no_new_privileges);
	assert_int_equal(process->n_rlimits, 1);
	assert_int_equal(process->rlimits[0].type, RLIMIT_NOFILE);
	assert_int_equal(process->rlimits[0].hard, 1024);
	/* CVE-2022-29162: nothing inheritable, and so nothing ambient */
	assert_null(process->capabilities->inheritable);
	assert_null(process->capabilities->ambient);
	assert_int_equal(process->capabilities->bounding->mask,
			 1ULL << 29 | 1ULL << 10 | 1ULL << 5);
	expect_inside(&d->arena, spec->oci_version);
	expect_inside(&d->arena, spec->hostname);
	expect_inside(&d->arena, spec->root->path);
	expect_inside(&d->arena, process->cwd);
	expect_all_inside(&d->arena, process->args, process->n_args);
	expect_all_inside(&d->arena, process->env, process->n_env);
	expect_all_inside(&d->arena, spec->linux_->masked_paths, spec->linux_->n_masked_paths);
	expect_all_inside(&d->arena, spec->linux_->readonly_paths, spec->linux_->n_readonly_paths);
	assert_true(has_namespace(spec, CLONE_NEWCGROUP));
	assert_true(has_namespace(spec, CLONE_NEWPID));
	assert_true(has_namespace(spec, CLONE_NEWNS));
}

static void test_privileged(void **state)
{
	struct document d;
	struct oci_spec *spec;

	document_init(&d);
	assert_int_equal(oci_default_spec(&d.arena, false, 0, 0, &spec, &d.err), 0);
	expect_common(&d, spec);
	assert_true(has_namespace(spec, CLONE_NEWNET));
	assert_false(has_namespace(spec, CLONE_NEWUSER));
	assert_null(spec->linux_->uid_mappings);
	assert_int_equal(spec->linux_->resources->n_devices, 1);
	assert_false(spec->linux_->resources->devices[0].allow);
	assert_true(contains(spec->mounts[2].options, spec->mounts[2].n_options, "gid=5"));
	expect_valid(&d, spec);
	document_done(&d);
}

static void test_rootless(void **state)
{
	struct document d;
	struct oci_spec *spec;

	document_init(&d);
	assert_int_equal(oci_default_spec(&d.arena, true, 1000, 2000, &spec, &d.err), 0);
	expect_common(&d, spec);
	assert_false(has_namespace(spec, CLONE_NEWNET));
	assert_true(has_namespace(spec, CLONE_NEWUSER));
	assert_int_equal(spec->linux_->n_uid_mappings, 1);
	assert_int_equal(spec->linux_->uid_mappings[0].host_id, 1000);
	assert_int_equal(spec->linux_->gid_mappings[0].host_id, 2000);
	assert_null(spec->linux_->resources);
	assert_false(contains(spec->mounts[2].options, spec->mounts[2].n_options, "gid=5"));
	assert_true(contains(spec->mounts[5].options, spec->mounts[5].n_options, "rbind"));
	expect_valid(&d, spec);
	document_done(&d);
}

static void test_full_arena(void **state)
{
	struct document d;
	struct oci_spec *spec;
	struct arena tight;

	document_init(&d);
	for (size_t room = 0; room < 2048; room += 64) {
		tight = d.arena;
		tight.size = tight.used + room;
		assert_int_equal(oci_default_spec(&tight, true, 1, 1, &spec, &d.err), -ENOMEM);
	}
	document_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_privileged),
	    cmocka_unit_test(test_rootless),
	    cmocka_unit_test(test_full_arena),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
