/* SPDX-License-Identifier: Apache-2.0 */
/* The exact text, since programs that were written for runc read it. */
#include "oci-spec/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/group_arena.h"

static void check(const char *type, const struct oci_stats *stats, const char *want)
{
	const char *json;
	size_t len;

	assert_int_equal(oci_event_encode(type, "web", stats, &arena, &json, &len, NULL), 0);
	assert_string_equal(json, want);
	assert_int_equal(len, strlen(want));
}

#define CPUSET_FLAGS                                                                               \
	"\"mem_hardwall\":0,\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,"    \
	"\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":0,"                 \
	"\"sched_relax_domain_level\":0"

static void test_oom(void **state)
{
	check("oom", NULL, "{\"type\":\"oom\",\"id\":\"web\"}\n");
}

static void test_nothing_known(void **state)
{
	const struct oci_stats stats = {.n_hugetlb = 0};

	check("stats", &stats,
	      "{\"type\":\"stats\",\"id\":\"web\",\"data\":{\"cpu\":{\"usage\":{\"kernel\":0,"
	      "\"user\":0},\"throttling\":{},\"burst\":{}},\"cpuset\":{\"cpu_exclusive\":"
	      "0," CPUSET_FLAGS "},"
	      "\"memory\":{\"usage\":{\"limit\":0,\"failcnt\":0},\"swap\":{\"limit\":0,"
	      "\"failcnt\":0},\"kernel\":{\"limit\":0,\"failcnt\":0},\"kernelTCP\":{\"limit\":0,"
	      "\"failcnt\":0},\"event_count\":{}},\"pids\":{},\"blkio\":{},\"hugetlb\":{},"
	      "\"intel_rdt\":{},\"network_interfaces\":[]}}\n");
}

static void test_everything(void **state)
{
	struct oci_pressure pressure = {
	    .some = {1234,   5,   60, 7},
              .full = {100000, 100, 0,  0}
        };
	uint16_t numbers[] = {0, 3};
	struct oci_named_count raw[] = {
	    {"anon", 1},
            {"file", 0}
        };
	struct oci_io_entry bytes[] = {
	    {8, 0, "Read",  5},
            {8, 0, "Write", 0}
        };
	struct oci_hugetlb_stats hugetlb[] = {
	    {"2MB", 4, 1},
            {"1GB", 0, 0}
        };
	struct oci_rdma_entry rdma_entry = {"mlx5_0", 2, UINT64_MAX};
	struct oci_rdma_stats rdma = {&rdma_entry, 1, &rdma_entry, 1};
	struct oci_rdt_cache_info cache = {"7ff", 1, 16};
	struct oci_rdt_bandwidth_info bandwidth = {10, 1, 5, 8};
	struct oci_rdt_bandwidth_use bandwidth_use[] = {
	    {1, 2},
            {0, 0}
        };
	struct oci_rdt_cache_use cache_use = {0};
	const struct oci_rdt_stats rdt = {
	    .cache = &cache,
	    .cache_schema_root = "L3:0=7ff",
	    .cache_schema = "L3:0=f",
	    .bandwidth = &bandwidth,
	    .bandwidth_schema_root = "MB:0=100",
	    .bandwidth_schema = "MB:0=20",
	    .bandwidth_use = bandwidth_use,
	    .n_bandwidth_use = 2,
	    .cache_use = &cache_use,
	    .n_cache_use = 1,
	};
	struct oci_interface_stats interface = {"eth0", 1, 2, 3, 4, 5, 6, 7, 8};
	const struct oci_stats stats = {
	    .cpu = {.usage = {30, 10, 20},
		    .throttling = {1, 2, 3},
		    .burst = {4, 5},
		    .pressure = &pressure						   },
	    .cpuset = {.cpus = numbers,       .n_cpus = 2,         .mems = numbers, .n_mems = 1},
	    .memory = {.cache = 1,
                    .usage = {UINT64_MAX, 2, 3, 4},
                    .raw = raw,
                    .n_raw = 2,
                    .events = {1, 2, 3, 4, 5, 6}},
	    .pids = {7,                     8				       },
	    .io = {.bytes = bytes,         .n_bytes = 2, .operations = bytes,                                  .n_operations = 1     },
	    .hugetlb = hugetlb,
	    .n_hugetlb = 2,
	    .rdma = &rdma,
	    .rdt = rdt,
	    .interfaces = &interface,
	    .n_interfaces = 1,
	};

	check(
	    "stats", &stats,
	    "{\"type\":\"stats\",\"id\":\"web\",\"data\":{\"cpu\":{\"usage\":{\"total\":30,"
	    "\"kernel\":10,\"user\":20},\"throttling\":{\"periods\":1,\"throttledPeriods\":2,"
	    "\"throttledTime\":3},\"burst\":{\"burstsPeriods\":4,\"burstTime\":5},"
	    "\"psi\":{\"some\":{\"avg10\":12.34,\"avg60\":0.05,\"avg300\":0.6,\"total\":7},"
	    "\"full\":{\"avg10\":1000,\"avg60\":1,\"avg300\":0,\"total\":0}}},"
	    "\"cpuset\":{\"cpus\":[0,3],\"cpu_exclusive\":0,\"mems\":[0]," CPUSET_FLAGS "},"
	    "\"memory\":{\"cache\":1,\"usage\":{\"limit\":18446744073709551615,\"usage\":2,"
	    "\"max\":3,\"failcnt\":4},\"swap\":{\"limit\":0,\"failcnt\":0},\"kernel\":{\"limit\":0,"
	    "\"failcnt\":0},\"kernelTCP\":{\"limit\":0,\"failcnt\":0},\"raw\":{\"anon\":1,"
	    "\"file\":0},\"event_count\":{\"low\":1,\"high\":2,\"max\":3,\"oom\":4,\"oom_kill\":5,"
	    "\"oom_group_kill\":6}},\"pids\":{\"current\":7,\"limit\":8},"
	    "\"blkio\":{\"ioServiceBytesRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":5},"
	    "{\"major\":8,\"op\":\"Write\"}],\"ioServicedRecursive\":[{\"major\":8,\"op\":\"Read\","
	    "\"value\":5}]},\"hugetlb\":{\"2MB\":{\"usage\":4,\"failcnt\":1},"
	    "\"1GB\":{\"failcnt\":0}},\"rdma\":{\"current\":[{\"device\":\"mlx5_0\","
	    "\"hcaHandles\":2,\"hcaObjects\":18446744073709551615}],\"limit\":[{\"device\":"
	    "\"mlx5_0\",\"hcaHandles\":2,\"hcaObjects\":18446744073709551615}]},\"intel_rdt\":{"
	    "\"l3_cache_info\":{\"cbm_mask\":\"7ff\",\"min_cbm_bits\":1,\"num_closids\":16},"
	    "\"l3_cache_schema_root\":\"L3:0=7ff\",\"l3_cache_schema\":\"L3:0=f\","
	    "\"mem_bw_info\":{\"bandwidth_gran\":10,\"delay_linear\":1,\"min_bandwidth\":5,"
	    "\"num_closids\":8},\"mem_bw_schema_root\":\"MB:0=100\",\"mem_bw_schema\":\"MB:0=20\","
	    "\"mbm_stats\":[{\"mbm_total_bytes\":1,\"mbm_local_bytes\":2},"
	    "{\"mbm_total_bytes\":0,\"mbm_local_bytes\":0}],\"cmt_stats\":[{\"llc_occupancy\":0}]},"
	    "\"network_interfaces\":[{\"Name\":\"eth0\",\"RxBytes\":1,\"RxPackets\":2,"
	    "\"RxErrors\":3,\"RxDropped\":4,\"TxBytes\":5,\"TxPackets\":6,\"TxErrors\":7,"
	    "\"TxDropped\":8}]}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_oom, group_arena_setup, group_arena_teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_known, group_arena_setup,
					    group_arena_teardown),
	    cmocka_unit_test_setup_teardown(test_everything, group_arena_setup,
					    group_arena_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
