/* SPDX-License-Identifier: Apache-2.0 */
/* A file's value as a property of a unit, through the one table of resources. */
#include "cgroups/resource_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

/** "NAME:SIGNATURE=VALUE NAME:..." of what @file and @value become. */
static const char *convert(const char *file, const char *value, struct arena *arena)
{
	const struct cgroup_write write = {.field = "x", .file = file, .value = value};
	const struct cgroup_writes writes = {.list = &write, .count = 1};
	struct bus_properties properties = {.arena = arena};
	const char *text = "";

	assert_int_equal(resource_files_properties(&writes, &properties, NULL), 0);
	for (size_t i = 0; i < properties.count; i++) {
		const struct bus_property *property = &properties.list[i];

		text = arena_printf(arena, "%s%s%s:%s=%s", text, i ? " " : "", property->name,
				    bus_value_signature(&property->value, arena),
				    bus_value_format(&property->value, arena));
	}
	return text;
}

static void test_files(void **state)
{
	/* clang-format off */
	static const struct {
		const char *file, *value, *want;
	} cases[] = {
		{ "memory.max", "1048576", "MemoryMax:t=1048576" },
		{ "memory.max", "max", "MemoryMax:t=infinity" },
		{ "memory.max", "1G", "" }, /* the kernel reads it, systemd's property is a number */
		{ "memory.low", "5", "MemoryLow:t=5" },
		{ "memory.high", "5", "MemoryHigh:t=5" },
		{ "memory.min", "0", "MemoryMin:t=0" },
		{ "memory.swap.max", "0", "MemorySwapMax:t=0" },
		{ "pids.max", "max", "TasksMax:t=infinity" },
		{ "cpu.weight", "100", "CPUWeight:t=100" },
		{ "cpu.weight", "10001", "" },
		{ "cpu.idle", "1", "CPUWeight:t=0" },
		{ "cpu.idle", "0", "CPUWeight:t=infinity" },
		{ "cpu.max", "50000 100000", "CPUQuotaPeriodUSec:t=100000 CPUQuotaPerSecUSec:t=500000" },
		{ "cpu.max", "50000", "CPUQuotaPeriodUSec:t=100000 CPUQuotaPerSecUSec:t=500000" },
		{ "cpu.max", "max 50000", "CPUQuotaPeriodUSec:t=50000 CPUQuotaPerSecUSec:t=infinity" },
		{ "cpu.max", "33333 100000", "CPUQuotaPeriodUSec:t=100000 CPUQuotaPerSecUSec:t=340000" },
		{ "cpu.max", "200000 100000", "CPUQuotaPeriodUSec:t=100000 CPUQuotaPerSecUSec:t=2000000" },
		{ "cpu.max", "1 0", "" },
		{ "cpu.max", "x 100000", "" },
		{ "cpu.max.burst", "1000", "" },
		{ "cpuset.cpus", "0-3,9", "AllowedCPUs:ay=[15, 2]" },
		{ "cpuset.cpus", "70", "AllowedCPUs:ay=[0, 0, 0, 0, 0, 0, 0, 0, 64]" },
		{ "cpuset.cpus", "3-1", "" },
		{ "cpuset.mems", "0", "AllowedMemoryNodes:ay=[1]" },
		{ "io.weight", "200", "IOWeight:t=200" },
		{ "io.weight", "default 200", "IOWeight:t=200" },
		{ "io.weight", "8:16 300", "IODeviceWeight:a(st)=[('/dev/block/8:16', 300)]" },
		{ "io.bfq.weight", "500", "IOWeight:t=4950" },
		{ "io.bfq.weight", "8:0 10", "IODeviceWeight:a(st)=[('/dev/block/8:0', 1)]" },
		{ "io.max", "8:0 rbps=1000", "IOReadBandwidthMax:a(st)=[('/dev/block/8:0', 1000)]" },
		{ "io.max", "8:0 wbps=max", "IOWriteBandwidthMax:a(st)=[('/dev/block/8:0', infinity)]" },
		{ "io.max", "8:0 riops=5 wiops=6", "IOReadIOPSMax:a(st)=[('/dev/block/8:0', 5)] IOWriteIOPSMax:a(st)=[('/dev/block/8:0', 6)]" },
		{ "io.max", "rbps=1000", "" },
		{ "hugetlb.2MB.max", "0", "" },
		{ "rdma.max", "mlx5_0 hca_handle=2", "" },
		{ "future.file", "1", "" },
	};
	/* clang-format on */
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *got = convert(cases[i].file, cases[i].value, &arena);

		if (!streq(got, cases[i].want))
			fail_msg("%s=%s: want '%s', got '%s'", cases[i].file, cases[i].value,
				 cases[i].want, got);
	}
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_files),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
