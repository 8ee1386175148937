/* SPDX-License-Identifier: Apache-2.0 */
/* Which files an update writes, what is remembered, and when nothing happens. */
#include "cgroups/cgroup_update.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "fake_tree.h"
#include "oci-spec/config.h"
#include "oci-spec/config_types.h"

static const struct oci_resources *decode(const char *text)
{
	const struct oci_resources *resources = NULL;
	struct problems problems;

	problems_init(&problems, &fake_tree_arena);
	assert_int_equal(oci_resources_decode("test", text, strlen(text), &fake_tree_arena,
					      &problems, &resources, NULL),
			 0);
	return resources;
}

static const char *encode(const struct oci_resources *resources)
{
	const char *json;
	size_t len;

	assert_int_equal(field_encode_document(&oci_resources_type, resources, NULL,
					       &fake_tree_arena, &json, &len, NULL),
			 0);
	return json;
}

/** "file=value; file=value" */
static const char *writes_text(const struct cgroup_writes *writes)
{
	const char *text = "";

	for (size_t i = 0; i < writes->count; i++)
		text = arena_printf(&fake_tree_arena, "%s%s%s=%s", text, i ? "; " : "",
				    writes->list[i].file, writes->list[i].value);
	return text;
}

static struct cgroup_update plan(const char *base, const char *change, struct problems *problems)
{
	struct cgroup_update update = {.devices = false};

	problems_init(problems, &fake_tree_arena);
	assert_int_equal(cgroup_update_plan(base ? decode(base) : NULL, decode(change),
					    &fake_tree_arena, problems, &update, NULL),
			 0);
	return update;
}

static void test_what_is_written(void **state)
{
	static const struct {
		const char *base, *change, *writes, *remembered;
	} cases[] = {
	    {NULL,							 "{}",				   "",                  "{}"									 },
	    {NULL,							 "{\"memory\":{\"limit\":5}}",           "memory.max=5",      "{\"memory\":{\"limit\":5}}"                                                 },
 /* what is not touched is not written again */
	    {"{\"memory\":{\"limit\":5},\"pids\":{\"limit\":9}}",          "{\"cpu\":{\"shares\":1024}}",
	     "cpu.weight=100",													  "{\"memory\":{\"limit\":5},\"cpu\":{\"shares\":1024},\"pids\":{\"limit\":9}}"},
 /* quota and period are one file */
	    {"{\"cpu\":{\"quota\":5000,\"period\":20000}}",                "{\"cpu\":{\"quota\":7000}}",
	     "cpu.max=7000 20000",												      "{\"cpu\":{\"quota\":7000,\"period\":20000}}"                                },
	    {"{\"cpu\":{\"quota\":5000,\"period\":20000}}",                "{\"cpu\":{\"period\":30000}}",
	     "cpu.max=5000 30000",												      "{\"cpu\":{\"quota\":5000,\"period\":30000}}"                                },
	    {"{\"cpu\":{\"quota\":5000,\"period\":20000}}",                "{\"cpu\":{\"quota\":-1}}",
	     "cpu.max=max 20000",												       "{\"cpu\":{\"quota\":-1,\"period\":20000}}"                                  },
	    {NULL,							 "{\"cpu\":{\"period\":20000}}",         "cpu.max=max 20000",
	     "{\"cpu\":{\"period\":20000}}"																					  },
 /* leaving idle brings the weight back */
	    {"{\"cpu\":{\"shares\":1024,\"idle\":1}}",                     "{\"cpu\":{\"idle\":0}}",
	     "cpu.idle=0; cpu.weight=100",											      "{\"cpu\":{\"shares\":1024,\"idle\":0}}"                                     },
	    {"{\"cpu\":{\"idle\":1}}",                                     "{\"cpu\":{\"shares\":1024}}",          "cpu.idle=1",
	     "{\"cpu\":{\"shares\":1024,\"idle\":1}}"																				},
 /* swap is a sum */
	    {"{\"memory\":{\"limit\":10,\"swap\":30}}",                    "{\"memory\":{\"limit\":20}}",
	     "memory.swap.max=10; memory.max=20",										       "{\"memory\":{\"limit\":20,\"swap\":30}}"                                    },
	    {"{\"memory\":{\"limit\":10}}",                                "{\"memory\":{\"swap\":30}}",
	     "memory.swap.max=20; memory.max=10",										       "{\"memory\":{\"limit\":10,\"swap\":30}}"                                    },
	    {"{\"memory\":{\"limit\":10,\"swap\":30}}",                    "{\"memory\":{\"limit\":-1}}",
	     "memory.swap.max=max; memory.max=max",										     "{\"memory\":{\"limit\":-1,\"swap\":-1}}"                                    },
 /* "not set" */
	    {"{\"memory\":{\"limit\":10},\"cpu\":{\"cpus\":\"0\"}}",
	     "{\"memory\":{\"limit\":0,\"swap\":0},\"cpu\":{\"shares\":0,\"quota\":0,"
	     "\"period\":0,\"cpus\":\"\"},\"blockIO\":{\"weight\":0}}",					    "",		  "{\"memory\":{\"limit\":10},\"cpu\":{\"cpus\":\"0\"},\"blockIO\":{}}"        },
	    {NULL,							 "{\"pids\":{\"limit\":0}}",             "pids.max=1",        "{\"pids\":{\"limit\":0}}"                                                   },
 /* a field overrides what unified said before, and the other way round */
	    {"{\"unified\":{\"memory.max\":\"5\",\"memory.high\":\"4\"}}",
	     "{\"memory\":{\"limit\":9}}",									 "memory.max=9",
	     "{\"memory\":{\"limit\":9},\"unified\":{\"memory.high\":\"4\"}}"																	},
	    {"{\"memory\":{\"limit\":9}}",                                 "{\"unified\":{\"memory.max\":\"5\"}}", "memory.max=5",
	     "{\"memory\":{\"limit\":9},\"unified\":{\"memory.max\":\"5\"}}"																	 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct problems problems;
		struct cgroup_update update = plan(cases[i].base, cases[i].change, &problems);

		assert_int_equal(problems.n_errors, 0);
		assert_string_equal(writes_text(&update.writes), cases[i].writes);
		assert_string_equal(encode(update.resources), cases[i].remembered);
	}
}

/** Of two that one file takes, the one that an error should name. */
static void test_which_field_is_named(void **state)
{
	static const char base[] = "{\"cpu\":{\"quota\":5000,\"period\":20000}}";
	static const struct {
		const char *base, *change, *field;
	} cases[] = {
	    {base, "{\"cpu\":{\"quota\":7000}}",                    "cpu.quota" },
	    {base, "{\"cpu\":{\"quota\":1}}",                       "cpu.quota" },
	    {base, "{\"cpu\":{\"period\":30000}}",                  "cpu.period"},
	    {base, "{\"cpu\":{\"quota\":5000,\"period\":10}}",      "cpu.period"},
	    {base, "{\"cpu\":{\"quota\":5000,\"period\":1000001}}", "cpu.period"},
	    {base, "{\"cpu\":{\"quota\":1,\"period\":10000}}",      "cpu.quota" },
	    {NULL, "{\"cpu\":{\"period\":30000}}",                  "cpu.period"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct problems problems;
		struct cgroup_update update = plan(cases[i].base, cases[i].change, &problems);

		assert_int_equal(update.writes.count, 1);
		assert_string_equal(update.writes.list[0].file, "cpu.max");
		assert_string_equal(update.writes.list[0].field, cases[i].field);
	}
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *base, *change, *problem;
	} cases[] = {
	    {"{\"memory\":{\"limit\":10,\"swap\":30}}", "{\"memory\":{\"limit\":40}}",
	     "linux.resources.memory.swap: must not be smaller than memory.limit"                                                                                },
	    {NULL,				      "{\"memory\":{\"swap\":30}}",                           "linux.resources.memory.swap: needs memory.limit"},
	    {NULL,				      "{\"unified\":{\"a.b\":\"1\",\"cgroup.procs\":\"1\"}}",
	     "linux.resources.unified.cgroup.procs: is not a limit"											      },
	    {NULL,				      "{\"network\":{\"classID\":7}}",                        "linux.resources.network.classID: "              },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct problems problems;

		plan(cases[i].base, cases[i].change, &problems);
		assert_int_equal(problems.n_errors, 1);
		assert_non_null(str_after(problems.first->text, cases[i].problem));
	}
}

static void test_device_rules(void **state)
{
#define DENY     "{\"allow\":false,\"access\":\"rwm\"}"
#define ALLOW_SD "{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":0,\"access\":\"r\"}"
	struct problems problems;
	struct cgroup_update update =
	    plan("{\"devices\":[" DENY "]}", "{\"devices\":[" DENY "]}", &problems);

	assert_false(update.devices);
	update = plan("{\"devices\":[" DENY "]}", "{\"pids\":{\"limit\":1}}", &problems);
	assert_false(update.devices);
	update =
	    plan("{\"devices\":[" DENY "]}", "{\"devices\":[" DENY "," ALLOW_SD "]}", &problems);
	assert_true(update.devices);
	assert_non_null(update.old_devices.insns);
	assert_true(update.new_devices.count > update.old_devices.count);
	update = plan("{\"devices\":[" DENY "]}", "{\"devices\":[{\"allow\":true}]}", &problems);
	assert_true(update.devices);
	assert_null(update.new_devices.insns);
	assert_int_equal(problems.n_errors, 0);
}

static struct cgroup_target target_of(const struct fake_tree *tree, const struct cgroup *cgroup)
{
	return (struct cgroup_target){.manager = CGROUP_MANAGER_CGROUPFS,
				      .mount_fd = tree->fd,
				      .path = "/",
				      .cgroup = cgroup,
				      .arena = &fake_tree_arena};
}

static int apply(const struct fake_tree *tree, const struct cgroup_update *update,
		 struct cgroup_update_done *done, struct wh_error *err)
{
	const struct cgroup cgroup = {.dir_fd = tree->fd};
	const struct cgroup_target target = target_of(tree, &cgroup);

	return cgroup_update_apply(update, &target, done, err);
}

static void undo(const struct fake_tree *tree, const struct cgroup_update *update,
		 const struct cgroup_update_done *done)
{
	const struct cgroup cgroup = {.dir_fd = tree->fd};
	const struct cgroup_target target = target_of(tree, &cgroup);

	cgroup_update_undo(update, &target, done);
}

static void prepare(const struct fake_tree *tree)
{
	fake_tree_file(tree, "cgroup.controllers", "memory pids\n");
	fake_tree_file(tree, "cgroup.subtree_control", "memory pids\n");
	fake_tree_file(tree, "memory.max", "max\n");
	fake_tree_file(tree, "memory.swap.max", "max\n");
	fake_tree_file(tree, "memory.current", "4096\n");
	fake_tree_file(tree, "memory.swap.current", "1000\n");
	fake_tree_file(tree, "pids.max", "max\n");
}

static void test_check_before_update(void **state)
{
	static const struct {
		const char *change, *want;
	} cases[] = {
	    {"{\"memory\":{\"limit\":4096}}",
	     "linux.resources.memory.limit: 4096 bytes are not more than the 4096 in use"},
	    {"{\"memory\":{\"limit\":4097,\"swap\":5096}}",
	     "linux.resources.memory.swap: 5096 bytes are not more than the 5096 in use" },
	    {"{\"memory\":{\"limit\":4097,\"swap\":5097}}",            NULL              },
	    {"{\"memory\":{\"limit\":-1}}",                            NULL              },
	    {"{\"memory\":{\"limit\":5,\"checkBeforeUpdate\":false}}", NULL              },
	    {"{\"memory\":{\"reservation\":5}}",                       NULL              },
	};
	const struct fake_tree *tree = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct problems problems;
		struct cgroup_update update =
		    plan("{\"memory\":{\"checkBeforeUpdate\":true}}", cases[i].change, &problems);
		struct cgroup_update_done done;
		struct wh_error err = WH_ERROR_INIT;

		prepare(tree);
		fake_tree_file(tree, "memory.low", "0\n");
		assert_int_equal(apply(tree, &update, &done, &err), cases[i].want ? -EINVAL : 0);
		if (!cases[i].want)
			continue;
		assert_non_null(str_after(err.message, cases[i].want));
		assert_string_equal(fake_tree_read(tree, "memory.max"), "max\n");
	}
}

static void test_all_or_none(void **state)
{
	const struct fake_tree *tree = *state;
	struct problems problems;
	struct cgroup_update_done done;
	struct wh_error err = WH_ERROR_INIT;
	struct cgroup_update update =
	    plan(NULL, "{\"memory\":{\"limit\":123},\"pids\":{\"limit\":7}}", &problems);

	prepare(tree);
	assert_int_equal(apply(tree, &update, &done, &err), 0);
	assert_memory_equal(fake_tree_read(tree, "memory.max"), "123", 3);
	assert_memory_equal(fake_tree_read(tree, "pids.max"), "7", 1);
	undo(tree, &update, &done);
	assert_memory_equal(fake_tree_read(tree, "memory.max"), "max", 3);
	assert_memory_equal(fake_tree_read(tree, "pids.max"), "max", 3);
	/* the second limit cannot be set: the first is as it was */
	prepare(tree);
	update = plan(NULL, "{\"memory\":{\"limit\":123},\"unified\":{\"memory.no_such\":\"1\"}}",
		      &problems);
	assert_true(apply(tree, &update, &done, &err) < 0);
	assert_non_null(str_after(err.message, "linux.resources.unified.memory.no_such: "));
	assert_memory_equal(fake_tree_read(tree, "memory.max"), "max", 3);
}

static void test_absent_controller(void **state)
{
	const struct fake_tree *tree = *state;
	struct problems problems;
	struct cgroup_update_done done;
	struct wh_error err = WH_ERROR_INIT;
	struct cgroup_update update =
	    plan(NULL, "{\"rdma\":{\"x\":{\"hcaHandles\":1}}}", &problems);

	prepare(tree);
	assert_true(apply(tree, &update, &done, &err) < 0);
	assert_int_equal(err.kind, WH_ERROR_UNSUPPORTED);
	assert_non_null(
	    str_after(err.message, "linux.resources.rdma.x: the rdma controller is not available"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_tree_setup, fake_tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_what_is_written),     CASE(test_which_field_is_named),
	    CASE(test_what_is_refused),     CASE(test_device_rules),
	    CASE(test_check_before_update), CASE(test_all_or_none),
	    CASE(test_absent_controller),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
