/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files as a Linux 6.12 writes them, in a plain directory: every controller, none at all, and one
 * with what no kernel writes.
 */
#include "cgroups/cgroup_stats.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "cgroup_fixture.h"
#include "cgroups/cgroup_oom.h"
#include "fake_tree.h"

static const struct {
	const char *name;
	const char *text;
} files[] = {
    {"cgroup.procs",             "11\n12\n13\n"							   },
    {"cpu.stat",		 "usage_usec 3000\nuser_usec 1000\nsystem_usec 2000\nnice_usec 0\nnr_periods 5\n"
		 "nr_throttled 4\nthrottled_usec 7\nnr_bursts 2\nburst_usec 9\n"          },
    {"cpu.pressure",             "some avg10=12.34 avg60=0.05 avg300=1.50 total=77\n"
		     "full avg10=100.00 avg60=0.00 avg300=0.00 total=5\n"             },
    {"memory.current",           "4194304\n"							      },
    {"memory.max",               "8388608\n"							      },
    {"memory.peak",              "5000000\n"							      },
    {"memory.events",            "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n"            },
    {"memory.swap.current",      "1000\n"								 },
    {"memory.swap.max",          "2000\n"								 },
    {"memory.swap.events",       "high 0\nmax 8\nfail 9\n"                                                },
    {"memory.stat",              "anon 100\nfile 200\nkernel 300\nsock 400\nfile_thp 0\n"                 },
    {"memory.pressure",          "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
			"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"         },
    {"io.stat",		  "8:16 \n254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n"
		"8:0 rbytes=18446744073709551615 wbytes=0 rios=0 wios=0\n"                 },
    {"io.pressure",              "some avg10=1.00 avg60=0.00 avg300=0.00 total=1\n"                       },
    {"pids.current",             "9\n"								    },
    {"pids.max",		 "20\n"								   },
    {"rdma.current",             "mlx5_0 hca_handle=2 hca_object=3\n"                                     },
    {"rdma.max",		 "mlx5_0 hca_handle=max hca_object=50\nmlx5_1 hca_handle=1 hca_object=2\n"},
    {"cpuset.cpus.effective",    "0-1,3\n"								},
    {"cpuset.mems.effective",    "0\n"								    },
    {"hugetlb.2MB.current",      "4194304\n"							      },
    {"hugetlb.2MB.max",          "max\n"								  },
    {"hugetlb.2MB.events",       "max 6\n"								},
    {"hugetlb.2MB.rsvd.current", "0\n"								    },
    {"hugetlb.1GB.current",      "0\n"								    },
    {"hugetlb.1GB.events",       "max 0\n"								},
};

static struct oci_stats read_stats(const struct fake_tree *tree)
{
	const struct cgroup cgroup = {.dir_fd = tree->fd};
	struct oci_stats stats;
	struct wh_error err = WH_ERROR_INIT;

	fake_tree_file(tree, "cgroup.controllers", "");
	assert_int_equal(cgroup_stats_read(&cgroup, &fake_tree_arena, &stats, &err), 0);
	return stats;
}

static void test_everything(void **state)
{
	const struct fake_tree *tree = *state;
	struct oci_stats stats;

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		fake_tree_file(tree, files[i].name, files[i].text);
	stats = read_stats(tree);
	assert_int_equal(stats.cpu.usage.total, 3000000);
	assert_int_equal(stats.cpu.usage.user, 1000000);
	assert_int_equal(stats.cpu.usage.kernel, 2000000);
	assert_int_equal(stats.cpu.throttling.periods, 5);
	assert_int_equal(stats.cpu.throttling.throttled_periods, 4);
	assert_int_equal(stats.cpu.throttling.throttled_time, 7000);
	assert_int_equal(stats.cpu.burst.bursts, 2);
	assert_int_equal(stats.cpu.burst.time, 9000);
	assert_int_equal(stats.cpu.pressure->some.avg10, 1234);
	assert_int_equal(stats.cpu.pressure->some.avg60, 5);
	assert_int_equal(stats.cpu.pressure->some.avg300, 150);
	assert_int_equal(stats.cpu.pressure->some.total, 77);
	assert_int_equal(stats.cpu.pressure->full.avg10, 10000);
	assert_int_equal(stats.memory.usage.usage, 4194304);
	assert_int_equal(stats.memory.usage.limit, 8388608);
	assert_int_equal(stats.memory.usage.max, 5000000);
	assert_int_equal(stats.memory.usage.failcnt, 3);
	assert_int_equal(stats.memory.swap.usage, 4194304 + 1000);
	assert_int_equal(stats.memory.swap.limit, 8388608 + 2000);
	assert_int_equal(stats.memory.swap.failcnt, 8);
	assert_int_equal(stats.memory.cache, 200);
	assert_int_equal(stats.memory.kernel.usage, 300);
	assert_int_equal(stats.memory.kernel_tcp.usage, 400);
	assert_int_equal(stats.memory.n_raw, 5);
	assert_string_equal(stats.memory.raw[4].name, "file_thp");
	assert_int_equal(stats.memory.events.oom_kill, 5);
	assert_int_equal(stats.memory.events.oom_group_kill, 6);
	assert_non_null(stats.memory.pressure);
	assert_int_equal(stats.pids.current, 9);
	assert_int_equal(stats.pids.limit, 20);
	assert_int_equal(stats.io.n_bytes, 4);
	assert_int_equal(stats.io.bytes[0].major, 254);
	assert_string_equal(stats.io.bytes[1].op, "Write");
	assert_int_equal(stats.io.bytes[1].value, 2);
	assert_true(stats.io.bytes[2].value == UINT64_MAX);
	assert_int_equal(stats.io.n_operations, 4);
	assert_int_equal(stats.io.operations[1].value, 4);
	assert_int_equal(stats.io.pressure->some.avg10, 100);
	assert_int_equal(stats.rdma->n_current, 1);
	assert_int_equal(stats.rdma->current[0].hca_objects, 3);
	assert_int_equal(stats.rdma->n_limit, 2);
	assert_true(stats.rdma->limit[0].hca_handles == UINT64_MAX);
	assert_string_equal(stats.rdma->limit[1].device, "mlx5_1");
	assert_int_equal(stats.cpuset.n_cpus, 3);
	assert_int_equal(stats.cpuset.cpus[2], 3);
	assert_int_equal(stats.cpuset.n_mems, 1);
	assert_int_equal(stats.n_hugetlb, 2);
	for (size_t i = 0; i < 2; i++) {
		bool small = streq(stats.hugetlb[i].page_size, "2MB");

		assert_true(small || streq(stats.hugetlb[i].page_size, "1GB"));
		assert_int_equal(stats.hugetlb[i].usage, small ? 4194304 : 0);
		assert_int_equal(stats.hugetlb[i].failcnt, small ? 6 : 0);
	}
}

/** The core files are all that a hybrid host has without a limit. */
static void test_no_controller(void **state)
{
	const struct fake_tree *tree = *state;
	struct oci_stats stats;

	for (size_t i = 0; i < 3; i++)
		fake_tree_file(tree, files[i].name, files[i].text);
	stats = read_stats(tree);
	assert_int_equal(stats.cpu.usage.total, 3000000);
	assert_non_null(stats.cpu.pressure);
	assert_int_equal(stats.pids.current, 3); /* counted */
	assert_int_equal(stats.pids.limit, 0);
	assert_int_equal(stats.memory.usage.usage, 0);
	assert_int_equal(stats.memory.n_raw, 0);
	assert_null(stats.memory.pressure);
	assert_null(stats.io.bytes);
	assert_null(stats.rdma);
	assert_null(stats.cpuset.cpus);
	assert_int_equal(stats.n_hugetlb, 0);
}

static void test_no_limits(void **state)
{
	const struct fake_tree *tree = *state;
	struct oci_stats stats;

	fake_tree_file(tree, "memory.current", "5\n");
	fake_tree_file(tree, "memory.max", "max\n");
	fake_tree_file(tree, "memory.swap.current", "6\n");
	fake_tree_file(tree, "memory.swap.max", "max\n");
	fake_tree_file(tree, "pids.current", "1\n");
	fake_tree_file(tree, "pids.max", "max\n");
	stats = read_stats(tree);
	assert_true(stats.memory.usage.limit == UINT64_MAX);
	assert_true(stats.memory.swap.limit == UINT64_MAX);
	assert_int_equal(stats.memory.swap.usage, 11);
	assert_int_equal(stats.pids.limit, 0);
	/* a sum without one of its parts has no limit */
	fake_tree_file(tree, "memory.swap.max", "100\n");
	assert_true(read_stats(tree).memory.swap.limit == UINT64_MAX);
}

static void test_nonsense_is_left_out(void **state)
{
	static const char *const texts[] = {
	    "",     "\n",       " ",           "=",           "a=b",
	    "8:0",  "8:0 x",    "8: rbytes=1", ":0 rbytes=1", "8:0 rbytes=-1",
	    "some", "some avg", "some avg10=", "avg10=1.2.3", "some avg10=.",
	    "0-",   "3-1",      "99999999",    "usage_usec",  "usage_usec x",
	};
	const struct fake_tree *tree = *state;

	for (size_t t = 0; t < ARRAY_LEN(texts); t++) {
		struct oci_stats stats;

		for (size_t i = 1; i < ARRAY_LEN(files); i++)
			fake_tree_file(tree, files[i].name, texts[t]);
		fake_tree_file(tree, "cgroup.procs", "");
		stats = read_stats(tree);
		assert_int_equal(stats.cpu.usage.total, 0);
		assert_null(stats.io.bytes);
		assert_null(stats.cpuset.cpus);
	}
}

/** A thousand devices are more than the first buffer. */
static void test_long_files(void **state)
{
	const struct fake_tree *tree = *state;
	const char *text = "";

	for (int i = 0; i < 1000; i++)
		text = arena_printf(&fake_tree_arena, "%s8:%d rbytes=1 wbytes=2 rios=3 wios=%d\n",
				    text, i, i);
	fake_tree_file(tree, "io.stat", text);
	fake_tree_file(tree, "cgroup.procs", "");
	assert_int_equal(read_stats(tree).io.n_bytes, 2000);
}

static void test_a_cgroup_that_is_gone(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	struct oci_stats stats;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(cgroup_stats_read(&cgroup, &fixture->arena, &stats, &err), 0);
	assert_int_equal(stats.pids.current, 0);
	assert_int_equal(cgroup_remove(fixture->mount_fd, fixture->path, 0, NULL), 0);
	assert_int_equal(cgroup_stats_read(&cgroup, &fixture->arena, &stats, &err), -ENODEV);
	cgroup_close(&cgroup);
}

static struct cgroup_oom_watch watch_below(const struct fake_tree *tree, struct cgroup *cgroup)
{
	struct cgroup_oom_watch watch;

	assert_int_equal(cgroup_open(tree->fd, "/above/c", cgroup, NULL), 0);
	cgroup_oom_watch_init(&watch, tree->fd, "/above/c", cgroup);
	return watch;
}

static void test_oom_watch(void **state)
{
	const struct fake_tree *tree = *state;
	struct cgroup_oom_watch watch;
	struct cgroup cgroup;

	fake_tree_mkdir(tree, "above");
	fake_tree_mkdir(tree, "above/c");
	watch = watch_below(tree, &cgroup);
	assert_int_equal(watch.events_fd, -EBADF);
	assert_int_equal(cgroup_oom_watch_read(&watch), 0);
	cgroup_oom_watch_done(&watch);
	cgroup_close(&cgroup);
	fake_tree_file(tree, "above/c/memory.events", "oom 4\noom_kill 5\n");
	watch = watch_below(tree, &cgroup);
	assert_int_equal(cgroup_oom_watch_read(&watch), 0);
	fake_tree_file(tree, "above/c/memory.events", "oom 4\noom_kill 7\n");
	assert_int_equal(cgroup_oom_watch_read(&watch), 2);
	assert_int_equal(cgroup_oom_watch_read(&watch), 0);
	cgroup_oom_watch_done(&watch);
	cgroup_close(&cgroup);
}

/** What the parent counts matters once the cgroup itself can say nothing, and only what is new then. */
static void test_oom_watch_of_a_cgroup_that_is_gone(void **state)
{
	const struct fake_tree *tree = *state;
	struct cgroup_oom_watch watch;
	struct cgroup cgroup;

	fake_tree_mkdir(tree, "above");
	fake_tree_mkdir(tree, "above/c");
	fake_tree_file(tree, "above/memory.events", "oom_kill 30\n");
	fake_tree_file(tree, "above/c/memory.events", "oom_kill 5\n");
	watch = watch_below(tree, &cgroup);
	fake_tree_file(tree, "above/memory.events", "oom_kill 31\n");
	assert_int_equal(cgroup_oom_watch_read(&watch), 0);
	fake_tree_file(tree, "above/c/memory.events", "");
	assert_int_equal(cgroup_oom_watch_read(&watch), 0);
	fake_tree_file(tree, "above/memory.events", "oom_kill 33\n");
	assert_int_equal(cgroup_oom_watch_read(&watch), 2);
	cgroup_oom_watch_done(&watch);
	cgroup_close(&cgroup);
}

#define FAKE(name) cmocka_unit_test_setup_teardown(name, fake_tree_setup, fake_tree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FAKE(test_everything),
	    FAKE(test_no_controller),
	    FAKE(test_no_limits),
	    FAKE(test_nonsense_is_left_out),
	    FAKE(test_long_files),
	    cmocka_unit_test_setup_teardown(test_a_cgroup_that_is_gone, cgroup_fixture_setup,
					    cgroup_fixture_teardown),
	    FAKE(test_oom_watch),
	    FAKE(test_oom_watch_of_a_cgroup_that_is_gone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
