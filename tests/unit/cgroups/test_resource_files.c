/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_files.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

struct files_case {
	struct arena arena;
	struct problems problems;
	struct oci_resources resources;
	struct cgroup_writes writes;
};

static int setup(void **state)
{
	struct files_case *c = calloc(1, sizeof(*c));

	*state = c;
	return c ? arena_init(&c->arena, NULL) : -1;
}

static int teardown(void **state)
{
	struct files_case *c = *state;

	arena_done(&c->arena);
	free(c);
	return 0;
}

/**
 * Plan, and compare with @want: one line a write, "FILE=VALUE", '?' in front of an optional one.
 */
static void check(struct files_case *c, const char *want)
{
	char got[4096] = "";
	size_t len = 0;

	problems_init(&c->problems, &c->arena);
	assert_int_equal(
	    resource_files_plan(&c->resources, &c->arena, &c->problems, &c->writes, NULL), 0);
	for (size_t i = 0; i < c->writes.count; i++) {
		const struct cgroup_write *write = &c->writes.list[i];

		len += snprintf(got + len, sizeof(got) - len, "%s%s=%s\n",
				write->optional ? "?" : "", write->file, write->value);
		assert_non_null(write->field);
	}
	assert_string_equal(got, want);
}

static void check_problem(struct files_case *c, const char *want)
{
	check(c, "");
	assert_int_equal(c->problems.n_errors, 1);
	if (!str_after(c->problems.first->text, want))
		fail_msg("want '%s...', got '%s'", want, c->problems.first->text);
}

static const int64_t minus_one = -1, zero = 0, one = 1, one_mib = 1 << 20, two_mib = 2 << 20;
static const uint64_t zero_u = 0, shares_1024 = 1024, period = 50000, burst = 1000, sixty = 60,
		      thirty = 30;
static const uint32_t zero_u32 = 0, seven_u32 = 7;
static const uint16_t zero_u16 = 0, weight_500 = 500;
static const bool yes = true, no = false;

static void test_nothing(void **state)
{
	static const struct oci_memory memory = {.limit = NULL};
	static const struct oci_cpu cpu = {.cpus = ""};
	static const struct oci_block_io io = {.weight = NULL};
	static const struct oci_pids pids = {.limit = NULL};
	static const struct oci_network network = {.class_id = NULL};
	struct files_case *c = *state;

	check(c, "");
	c->resources = (struct oci_resources){
	    .memory = &memory, .cpu = &cpu, .block_io = &io, .pids = &pids, .network = &network};
	check(c, "");
	assert_int_equal(c->problems.n_errors, 0);
}

static void test_memory(void **state)
{
	/* clang-format off */
	static const struct {
		struct oci_memory memory;
		const char *want;
	} cases[] = {
		{ { .limit = &one_mib }, "memory.max=1048576\n" },
		{ { .limit = &zero }, "" },
		{ { .limit = &minus_one }, "?memory.swap.max=max\n?memory.max=max\n" },
		{ { .limit = &one_mib, .swap = &two_mib }, "memory.swap.max=1048576\nmemory.max=1048576\n" },
		{ { .limit = &one_mib, .swap = &one_mib }, "?memory.swap.max=0\nmemory.max=1048576\n" },
		{ { .limit = &one_mib, .swap = &minus_one }, "?memory.swap.max=max\nmemory.max=1048576\n" },
		{ { .reservation = &one_mib }, "memory.low=1048576\n" },
		{ { .reservation = &zero, .swap = &zero, .kernel = &zero, .kernel_tcp = &minus_one }, "" },
		{ { .swappiness = &sixty, .disable_oom_killer = &no, .use_hierarchy = &yes, .check_before_update = &yes }, "" },
	};
	/* clang-format on */
	struct files_case *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		c->resources.memory = &cases[i].memory;
		check(c, cases[i].want);
		assert_int_equal(c->problems.n_errors, 0);
	}
}

static void test_cpu(void **state)
{
	/* clang-format off */
	static const struct {
		struct oci_cpu cpu;
		const char *want;
	} cases[] = {
		{ { .shares = &shares_1024 }, "cpu.weight=100\n" },
		{ { .shares = &zero_u }, "" },
		{ { .quota = &one_mib }, "cpu.max=1048576 100000\n" },
		{ { .quota = &one_mib, .period = &period }, "cpu.max=1048576 50000\n" },
		{ { .quota = &minus_one, .period = &period }, "?cpu.max=max 50000\n" },
		{ { .period = &period }, "?cpu.max=max 50000\n" },
		{ { .quota = &zero, .period = &zero_u }, "" },
		{ { .quota = &one_mib, .burst = &burst }, "cpu.max.burst=1000\ncpu.max=1048576 100000\n" },
		{ { .idle = &one, .shares = &shares_1024 }, "cpu.idle=1\n" },
		{ { .idle = &zero, .shares = &shares_1024 }, "?cpu.idle=0\ncpu.weight=100\n" },
		{ { .cpus = "0-3", .mems = "0" }, "cpuset.cpus=0-3\ncpuset.mems=0\n" },
		{ { .realtime_runtime = &zero, .realtime_period = &zero_u }, "" },
	};
	/* clang-format on */
	struct files_case *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		c->resources.cpu = &cases[i].cpu;
		check(c, cases[i].want);
		assert_int_equal(c->problems.n_errors, 0);
	}
	c->resources.cpu = &cases[5].cpu;
	check(c, cases[5].want);
	assert_string_equal(c->writes.list[0].field, "cpu.period");
	c->resources.cpu = &cases[7].cpu;
	check(c, cases[7].want);
	assert_true(c->writes.list[0].retry_last);
	assert_false(c->writes.list[1].retry_last);
}

static void test_pids(void **state)
{
	static const int64_t limit = 2048;
	static const struct oci_pids some = {.limit = &limit}, none = {.limit = &zero},
				     unlimited = {.limit = &minus_one};
	struct files_case *c = *state;

	c->resources.pids = &some;
	check(c, "pids.max=2048\n");
	c->resources.pids = &none;
	check(c, "pids.max=1\n");
	c->resources.pids = &unlimited;
	check(c, "?pids.max=max\n");
}

static void test_block_io(void **state)
{
	struct oci_weight_device weights[] = {
	    {8, 0,  &weight_500, NULL     },
            {8, 16, &zero_u16,   &zero_u16}
        };
	struct oci_throttle_device rates[] = {
	    {8, 0,  1000},
            {8, 16, 0   }
        };
	const struct oci_block_io io = {
	    .weight = &weight_500,
	    .leaf_weight = &zero_u16,
	    .weight_device = weights,
	    .n_weight_device = 2,
	    .throttle_read_bps_device = rates,
	    .n_throttle_read_bps_device = 2,
	    .throttle_write_bps_device = rates,
	    .n_throttle_write_bps_device = 1,
	    .throttle_read_iops_device = rates,
	    .n_throttle_read_iops_device = 1,
	    .throttle_write_iops_device = rates,
	    .n_throttle_write_iops_device = 1,
	};
	struct files_case *c = *state;

	c->resources.block_io = &io;
	check(c, "io.bfq.weight=500\n"
		 "io.bfq.weight=8:0 500\n"
		 "io.max=8:0 rbps=1000\nio.max=8:16 rbps=max\n"
		 "io.max=8:0 wbps=1000\nio.max=8:0 riops=1000\nio.max=8:0 wiops=1000\n");
	assert_string_equal(c->writes.list[0].else_file, "io.weight");
	assert_string_equal(c->writes.list[0].else_value, "4950");
	assert_string_equal(c->writes.list[1].field, "blockIO.weightDevice[0].weight");
	assert_string_equal(c->writes.list[3].field, "blockIO.throttleReadBpsDevice[1]");
	assert_string_equal(c->writes.list[6].field, "blockIO.throttleWriteIOPSDevice[0]");
}

static void test_hugepages_and_rdma(void **state)
{
	struct oci_hugepage_limit pages[] = {
	    {"2MB", 4194304},
            {"1GB", 0      }
        };
	/* clang-format off */
	struct oci_rdma rdma[] = {
		{ "mlx5_1", &seven_u32, &zero_u32 },
		{ "mlx4_0", NULL, &seven_u32 },
	};
	/* clang-format on */
	struct files_case *c = *state;

	c->resources.hugepage_limits = pages;
	c->resources.n_hugepage_limits = 2;
	c->resources.rdma = rdma;
	c->resources.n_rdma = 2;
	check(c, "?hugetlb.2MB.rsvd.max=4194304\nhugetlb.2MB.max=4194304\n"
		 "?hugetlb.1GB.rsvd.max=0\nhugetlb.1GB.max=0\n"
		 "rdma.max=mlx5_1 hca_handle=7 hca_object=0\nrdma.max=mlx4_0 hca_object=7\n");
	assert_string_equal(c->writes.list[5].field, "rdma.mlx4_0");
}

static void test_unified_is_last(void **state)
{
	static const struct oci_memory memory = {.limit = &one_mib};
	/* clang-format off */
	struct oci_string_map unified[] = {
		{ "memory.high", "524288" },
		{ "io.max", "8:0 rbps=1\n8:16 rbps=2\n" },
		{ "future.file", "" },
		{ "cgroup.max.depth", "1" },
	};
	/* clang-format on */
	struct files_case *c = *state;

	c->resources.memory = &memory;
	c->resources.unified = unified;
	c->resources.n_unified = ARRAY_LEN(unified);
	check(c, "memory.max=1048576\nmemory.high=524288\nio.max=8:0 rbps=1\nio.max=8:16 "
		 "rbps=2\nfuture.file=\ncgroup.max.depth=1\n");
	assert_int_equal(c->problems.n_errors, 0);
	assert_string_equal(c->writes.list[1].field, "unified.memory.high");
}

static void test_unified_keys(void **state)
{
	/* clang-format off */
	static const struct {
		const char *key, *want;
	} cases[] = {
		{ "../cgroup.procs", "linux.resources.unified.../cgroup.procs: must be the name of a cgroup file" },
		{ "a/b", "linux.resources.unified.a/b: must be the name of a cgroup file" },
		{ "", "linux.resources.unified.: must be the name of a cgroup file" },
		{ ".", "linux.resources.unified..: must be the name of a cgroup file" },
		{ "..", "linux.resources.unified...: must be the name of a cgroup file" },
		{ "a b", "linux.resources.unified.a b: must be the name of a cgroup file" },
		{ "cgroup.procs", "linux.resources.unified.cgroup.procs: is not a limit" },
		{ "cgroup.threads", "linux.resources.unified.cgroup.threads: is not a limit" },
		{ "cgroup.kill", "linux.resources.unified.cgroup.kill: is not a limit" },
		{ "cgroup.freeze", "linux.resources.unified.cgroup.freeze: is not a limit" },
		{ "cgroup.type", "linux.resources.unified.cgroup.type: is not a limit" },
		{ "cgroup.subtree_control", "linux.resources.unified.cgroup.subtree_control: is not a limit" },
	};
	/* clang-format on */
	struct files_case *c = *state;
	struct oci_string_map entry = {.value = "1"};

	c->resources.unified = &entry;
	c->resources.n_unified = 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		entry.key = cases[i].key;
		check_problem(c, cases[i].want);
	}
}

static void test_version_1_only(void **state)
{
	/* clang-format off */
	static const struct oci_memory memory[] = {
		{ .kernel = &one_mib },	    { .kernel_tcp = &one_mib },	       { .swappiness = &thirty },
		{ .swappiness = &zero_u },  { .disable_oom_killer = &yes },    { .swap = &one_mib },
		{ .limit = &two_mib, .swap = &one_mib },
	};
	/* clang-format on */
	static const struct oci_cpu cpu[] = {{.realtime_runtime = &one},
					     {.realtime_period = &period}};
	static const struct oci_block_io io = {.leaf_weight = &weight_500};
	static const struct oci_network network = {.class_id = &seven_u32};
	struct oci_weight_device weight = {8, 0, NULL, &weight_500};
	struct oci_interface_priority priority = {"eth0", 1};
	const struct oci_block_io io_device = {.weight_device = &weight, .n_weight_device = 1};
	const struct oci_network priorities = {.priorities = &priority, .n_priorities = 1};
	/* clang-format off */
	const struct {
		struct oci_resources resources;
		const char *want;
	} cases[] = {
		{ { .memory = &memory[0] }, "linux.resources.memory.kernel: " },
		{ { .memory = &memory[1] }, "linux.resources.memory.kernelTCP: " },
		{ { .memory = &memory[2] }, "linux.resources.memory.swappiness: " },
		{ { .memory = &memory[3] }, "linux.resources.memory.swappiness: " },
		{ { .memory = &memory[4] }, "linux.resources.memory.disableOOMKiller: " },
		{ { .memory = &memory[5] }, "linux.resources.memory.swap: needs memory.limit" },
		{ { .cpu = &cpu[0] }, "linux.resources.cpu.realtimeRuntime: " },
		{ { .cpu = &cpu[1] }, "linux.resources.cpu.realtimePeriod: " },
		{ { .block_io = &io }, "linux.resources.blockIO.leafWeight: " },
		{ { .block_io = &io_device }, "linux.resources.blockIO.weightDevice[0].leafWeight: " },
		{ { .network = &network }, "linux.resources.network.classID: " },
		{ { .network = &priorities }, "linux.resources.network.priorities: " },
	};
	/* clang-format on */
	struct files_case *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		c->resources = cases[i].resources;
		check_problem(c, cases[i].want);
	}
	c->resources = (struct oci_resources){.memory = &memory[6]};
	check(c, "memory.max=2097152\n");
	assert_int_equal(c->problems.n_errors, 1);
	assert_non_null(
	    strstr(c->problems.first->text,
		   "linux.resources.memory.swap: must not be smaller than memory.limit"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_nothing),
	    TEST(test_memory),
	    TEST(test_cpu),
	    TEST(test_pids),
	    TEST(test_block_io),
	    TEST(test_hugepages_and_rdma),
	    TEST(test_unified_is_last),
	    TEST(test_unified_keys),
	    TEST(test_version_1_only),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
