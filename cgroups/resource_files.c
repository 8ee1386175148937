/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_files.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "cgroups/resource_row.h"

#define MEMBER(section_, type, member_)                                                            \
	.section = offsetof(struct oci_resources, section_),                                       \
	.member = offsetof(struct type, member_)
#define MEMORY(member)   MEMBER(memory, oci_memory, member)
#define CPU(member)      MEMBER(cpu, oci_cpu, member)
#define PIDS(member)     MEMBER(pids, oci_pids, member)
#define BLOCK_IO(member) MEMBER(block_io, oci_block_io, member)
#define NETWORK(member)  MEMBER(network, oci_network, member)
#define SYSTEMD(property_, convert_)                                                               \
	.property = (property_), .to_property = resource_property_##convert_

static const char no_kernel_memory[] =
    "cgroup v2 limits kernel memory together with memory.limit: leave it out";
static const char no_realtime[] = "cgroup v2 has no realtime groups: leave it out";
static const char no_leaf_weight[] = "cgroup v2 has no leaf weight: leave it out";
static const char no_network[] =
    "cgroup v2 has no network class or priority: leave it out, use nftables' socket cgroupv2";

/*
 * In the order of writing. Swap before memory as in runc; burst before cpu.max; unified last, as it
 * overrides. The property is that of a file: of several rows with the same file the first has it.
 */
/* clang-format off */
static const struct resource_row rows[] = {
	{ "cpu.idle", "cpu.idle", resource_limit_idle, CPU(idle), SYSTEMD("CPUWeight", idle) },
	{ "cpu.shares", "cpu.weight", resource_limit_shares, CPU(shares), SYSTEMD("CPUWeight", weight) },
	{ "cpu.burst", "cpu.max.burst", resource_limit_burst, CPU(burst) },
	{ "cpu.quota", "cpu.max", resource_limit_cpu_max, .param = "cpu.period", SYSTEMD("CPUQuotaPerSecUSec", quota) },
	{ "cpu.cpus", "cpuset.cpus", resource_limit_text, CPU(cpus), SYSTEMD("AllowedCPUs", set) },
	{ "cpu.mems", "cpuset.mems", resource_limit_text, CPU(mems), SYSTEMD("AllowedMemoryNodes", set) },
	{ "cpu.realtimeRuntime", NULL, resource_v1_i64, CPU(realtime_runtime), no_realtime },
	{ "cpu.realtimePeriod", NULL, resource_v1_u64, CPU(realtime_period), no_realtime },
	{ "memory.swap", "memory.swap.max", resource_limit_swap, SYSTEMD("MemorySwapMax", limit) },
	{ "memory.limit", "memory.max", resource_limit_bytes, MEMORY(limit), SYSTEMD("MemoryMax", limit) },
	{ "memory.reservation", "memory.low", resource_limit_bytes, MEMORY(reservation), SYSTEMD("MemoryLow", limit) },
	{ "memory.kernel", NULL, resource_v1_i64, MEMORY(kernel), no_kernel_memory },
	{ "memory.kernelTCP", NULL, resource_v1_i64, MEMORY(kernel_tcp), no_kernel_memory },
	{ "memory.swappiness", NULL, resource_v1_swappiness, MEMORY(swappiness), "cgroup v2 has one swappiness for the host: leave it out" },
	{ "memory.disableOOMKiller", NULL, resource_v1_true, MEMORY(disable_oom_killer), "cgroup v2 cannot disable the OOM killer: leave it out" },
	{ "memory.useHierarchy", NULL, resource_v1_accept },
	{ "memory.checkBeforeUpdate", NULL, resource_v1_accept }, /* a new cgroup uses nothing yet */
	{ "pids.limit", "pids.max", resource_limit_pids, PIDS(limit), SYSTEMD("TasksMax", limit) },
	{ "blockIO.weight", "io.bfq.weight", resource_limit_io_weight, BLOCK_IO(weight), "io.weight", SYSTEMD("IOWeight", bfq_weight) },
	{ "blockIO.leafWeight", NULL, resource_v1_u16, BLOCK_IO(leaf_weight), no_leaf_weight },
	{ "blockIO.weightDevice", "io.bfq.weight", resource_list_weight_devices, .param = no_leaf_weight },
	{ "blockIO.throttleReadBpsDevice", "io.max", resource_list_throttle, BLOCK_IO(throttle_read_bps_device), "rbps", SYSTEMD("IOReadBandwidthMax", throttle) },
	{ "blockIO.throttleWriteBpsDevice", "io.max", resource_list_throttle, BLOCK_IO(throttle_write_bps_device), "wbps" },
	{ "blockIO.throttleReadIOPSDevice", "io.max", resource_list_throttle, BLOCK_IO(throttle_read_iops_device), "riops" },
	{ "blockIO.throttleWriteIOPSDevice", "io.max", resource_list_throttle, BLOCK_IO(throttle_write_iops_device), "wiops" },
	{ "hugepageLimits", "hugetlb.SIZE.max", resource_list_hugepages },
	{ "network.classID", NULL, resource_v1_u32, NETWORK(class_id), no_network },
	{ "network.priorities", NULL, resource_v1_priorities, .param = no_network },
	{ "rdma", "rdma.max", resource_list_rdma },
	{ "unified", "memory.high", resource_list_none, SYSTEMD("MemoryHigh", limit) },
	{ "unified", "memory.min", resource_list_none, SYSTEMD("MemoryMin", limit) },
	{ "unified", "io.weight", resource_list_none, SYSTEMD("IOWeight", io_weight) },
	{ "unified", "", resource_list_unified },
};
/* clang-format on */

static size_t count_lines(const char *text)
{
	size_t lines = 1;

	while ((text = strchr(text, '\n')) != NULL) {
		text++;
		lines++;
	}
	return lines;
}

/** The most writes that @resources can become. */
static size_t count_room(const struct oci_resources *resources)
{
	const struct oci_block_io *io = resources->block_io;
	size_t room = ARRAY_LEN(rows) + 2 * resources->n_hugepage_limits + resources->n_rdma;

	if (io)
		room += io->n_weight_device + io->n_throttle_read_bps_device +
			io->n_throttle_write_bps_device + io->n_throttle_read_iops_device +
			io->n_throttle_write_iops_device;
	for (size_t i = 0; i < resources->n_unified; i++)
		room += count_lines(resources->unified[i].value);
	return room;
}

int resource_files_plan(const struct oci_resources *resources, struct arena *arena,
			struct problems *problems, struct cgroup_writes *ret_writes,
			struct wh_error *err)
{
	struct resource_conversion conversion = {
	    .resources = resources,
	    .arena = arena,
	    .problems = problems,
	    .room = count_room(resources),
	};

	conversion.list = arena_array(arena, struct cgroup_write, conversion.room);
	if (!conversion.list)
		return wh_oom(err);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].convert(&conversion, &rows[i]) < 0)
			return wh_oom(err);
	*ret_writes = (struct cgroup_writes){.list = conversion.list, .count = conversion.count};
	return 0;
}

static const struct resource_row *find_file(const char *file)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].property && streq(rows[i].file, file))
			return &rows[i];
	return NULL;
}

int resource_files_properties(const struct cgroup_writes *writes, struct bus_properties *properties,
			      struct wh_error *err)
{
	for (size_t i = 0; i < writes->count; i++) {
		const struct cgroup_write *write = &writes->list[i];
		const struct resource_row *row = find_file(write->file);

		if (row && row->to_property(row, write->value, properties) < 0)
			return wh_oom(err);
	}
	return 0;
}
