/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All or none, in a plain directory: its files take any text, so the failure comes from one that is
 * not there. What they say afterwards is what would have been written to the kernel's.
 */
#include "cgroups/resource_save.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "fake_tree.h"

static void test_put_back(void **state)
{
	static const struct {
		const char *file, *old, *value, *want;
	} cases[] = {
	    {"memory.max",      "max\n",				      "1048576",             "max"                                      },
	    {"cpu.max",         "max 100000\n",                               "50000 100000",        "max 100000"                               },
	    {"pids.max",        "20\n",				       "max",                 "20"                                       },
	    {"cpuset.cpus",     "\n",					 "0-1",                 "\n"                                       },
	    {"cpuset.cpus",     "",					   "0-1",                 "\n"                                       },
	    {"cpuset.cpus",     "0\n",					"0-1",                 "0"                                        },
	    {"hugetlb.2MB.max", "max\n",                                      "0",                   "max"                                      },
	    {"io.max",          "8:0 rbps=1 wbps=max riops=max wiops=max\n",  "8:0 rbps=2",
	     "8:0 rbps=1 wbps=max riops=max wiops=max"											  },
	    {"io.max",          "8:16 rbps=1 wbps=max riops=max wiops=max\n", "8:1 rbps=2",
	     "8:1 rbps=max wbps=max riops=max wiops=max"											},
	    {"io.max",          "\n",					 "8:0 rbps=2",          "8:0 rbps=max wbps=max riops=max wiops=max"},
	    {"io.weight",       "default 100\n8:0 50\n",                      "300",                 "100"                                      },
	    {"io.weight",       "default 100\n8:0 50\n",                      "default 300",         "100"                                      },
	    {"io.weight",       "default 100\n8:0 50\n",                      "8:0 300",             "8:0 50"                                   },
	    {"io.weight",       "default 100\n8:0 50\n",                      "8:16 300",            "8:16 default"                             },
	    {"io.bfq.weight",   "100\n",                                      "300",                 "100"                                      },
	    {"io.bfq.weight",   "default 100\n",                              "8:0 300",             "8:0 default"                              },
	    {"rdma.max",        "mlx5_0 hca_handle=2 hca_object=max\n",       "mlx5_0 hca_handle=3",
	     "mlx5_0 hca_handle=2 hca_object=max"											       },
	    {"misc.max",        "sev max\nsev_es 5\n",                        "sev_es 1",            "sev_es 5"                                 },
	};
	const struct fake_tree *tree = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct cgroup_write list[] = {
		    {.field = "a", .file = cases[i].file, .value = cases[i].value},
		    {.field = "b", .file = "missing",     .value = "1"           },
		};
		const struct cgroup_writes writes = {list, ARRAY_LEN(list)};
		struct saved_values saved;
		struct wh_error err = WH_ERROR_INIT;

		print_message("# %s: %s\n", cases[i].file, cases[i].value);
		fake_tree_file(tree, cases[i].file, cases[i].old);
		assert_true(
		    resource_files_replace(&writes, tree->fd, &fake_tree_arena, &saved, &err) < 0);
		assert_non_null(strstr(err.message, "linux.resources.b: "));
		/* a plain file keeps the tail of what was longer */
		assert_memory_equal(fake_tree_read(tree, cases[i].file), cases[i].want,
				    strlen(cases[i].want));
	}
}

static void test_order_and_success(void **state)
{
	static const struct cgroup_write list[] = {
	    {.field = "cpu.idle",        .file = "cpu.idle",      .value = "1"    },
	    {			 .field = "cpu.quota",         .file = "cpu.max", .value = "50000 100000"                },
	    { .field = "blockIO.weight",
	     .file = "io.bfq.weight",
	     .value = "500",
	     .else_file = "io.weight",
	     .else_value = "4950"},
	    {									  .field = "memory.swap", .file = "memory.swap.max",          .value = "max", .optional = true},
	};
	static const struct saved_value want[] = {
	    {"cpu.weight", "39"        },
	    {"cpu.idle",   "0"         },
	    {"cpu.max",    "max 100000"},
	    {"io.weight",  "100"       },
	};
	const struct cgroup_writes writes = {list, ARRAY_LEN(list)};
	const struct fake_tree *tree = *state;
	struct saved_values saved;

	fake_tree_file(tree, "cpu.weight", "39\n");
	fake_tree_file(tree, "cpu.idle", "0\n");
	fake_tree_file(tree, "cpu.max", "max 100000\n");
	fake_tree_file(tree, "io.weight", "default 100\n");
	assert_int_equal(resource_files_replace(&writes, tree->fd, &fake_tree_arena, &saved, NULL),
			 0);
	assert_int_equal(saved.count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(saved.list[i].file, want[i].file);
		assert_string_equal(saved.list[i].value, want[i].value);
	}
	assert_memory_equal(fake_tree_read(tree, "cpu.max"), "50000 100000", 12);
	assert_memory_equal(fake_tree_read(tree, "io.weight"), "4950", 4);
	assert_null(saved.list[2].else_value);
	resource_files_restore(&saved, tree->fd);
	assert_memory_equal(fake_tree_read(tree, "cpu.max"), "max 100000", 10);
	assert_memory_equal(fake_tree_read(tree, "cpu.idle"), "0", 1);
	assert_memory_equal(fake_tree_read(tree, "io.weight"), "100", 3);
}

/** The kernel may refuse to empty a cpuset: the list that it had is kept beside. */
static void test_an_empty_cpuset(void **state)
{
	static const struct cgroup_write write = {
	    .field = "cpu.cpus", .file = "cpuset.cpus", .value = "0"};
	const struct cgroup_writes writes = {&write, 1};
	const struct fake_tree *tree = *state;
	struct saved_values saved;

	fake_tree_file(tree, "cpuset.cpus", "\n");
	fake_tree_file(tree, "cpuset.cpus.effective", "0-3\n");
	assert_int_equal(resource_files_replace(&writes, tree->fd, &fake_tree_arena, &saved, NULL),
			 0);
	assert_string_equal(saved.list[0].value, "\n");
	assert_string_equal(saved.list[0].else_value, "0-3");
	fake_tree_file(tree, "cpuset.cpus", "1\n");
	assert_int_equal(resource_files_replace(&writes, tree->fd, &fake_tree_arena, &saved, NULL),
			 0);
	assert_string_equal(saved.list[0].value, "1");
	assert_null(saved.list[0].else_value);
}

/** A host with two thousand disks: the line to put back is the last of 90 KiB. */
static void test_a_file_of_any_length(void **state)
{
	static const struct cgroup_write list[] = {
	    {.field = "a", .file = "io.max",  .value = "8:1999 rbps=2"},
	    {.field = "b", .file = "missing", .value = "1"            },
	};
	const struct cgroup_writes writes = {list, ARRAY_LEN(list)};
	const struct fake_tree *tree = *state;
	struct saved_values saved;
	static char text[2000 * 48];
	size_t len = 0;

	for (int minor = 0; minor < 2000; minor++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"8:%d rbps=%d wbps=max riops=max wiops=max\n", minor,
					minor + 1);
	assert_true(len > 80 * 1024);
	fake_tree_file(tree, "io.max", text);
	assert_int_equal(resource_files_save(&writes, tree->fd, &fake_tree_arena, &saved, NULL), 0);
	assert_int_equal(saved.count, 1);
	assert_string_equal(saved.list[0].value, "8:1999 rbps=2000 wbps=max riops=max wiops=max");
	assert_true(resource_files_replace(&writes, tree->fd, &fake_tree_arena, &saved, NULL) < 0);
	assert_memory_equal(fake_tree_read(tree, "io.max"),
			    "8:1999 rbps=2000 wbps=max riops=max wiops=max", 45);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_tree_setup, fake_tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_put_back),
	    CASE(test_order_and_success),
	    CASE(test_an_empty_cpuset),
	    CASE(test_a_file_of_any_length),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
