/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_files.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "cgroups/resource_convert.h"

#define DEFAULT_CPU_PERIOD_US 100000

struct conversion;

/** One OCI field. The member is found as section (a pointer in struct oci_resources) and member (in what it points to). */
struct resource_row {
	const char *field;	/* below linux.resources */
	const char *file;	/* NULL: cgroup v2 has nothing like it */
	int (*convert)(struct conversion *conversion, const struct resource_row *row);
	size_t section;
	size_t member;
	const char *param;	/* the converter's: a key, or why the field is refused */
};

struct conversion {
	const struct oci_resources *resources;
	struct arena *arena;
	struct problems *problems;
	struct cgroup_write *list;
	size_t count;
	size_t room;
};

/** The address of the row's member, or NULL when its section is not in the document. */
static const void *row_member(const struct conversion *conversion, const struct resource_row *row)
{
	const char *section = *(const char *const *)((const char *)conversion->resources + row->section);

	return section ? section + row->member : NULL;
}

/** A member that is a pointer to @type: the pointer, NULL when absent. */
#define ROW_VALUE(conversion, row, type)                                            \
	({                                                                          \
		const type *const *member_ = row_member((conversion), (row));       \
		member_ ? *member_ : NULL;                                          \
	})

/** Append a write; NULL when memory ran out, of @value too. */
static struct cgroup_write *add(struct conversion *conversion, const char *field, const char *file, const char *value)
{
	struct cgroup_write *write = &conversion->list[conversion->count];

	if (!field || !file || !value)
		return NULL;
	assert(conversion->count < conversion->room);
	*write = (struct cgroup_write){ .field = field, .file = file, .value = value };
	conversion->count++;
	return write;
}

static int add_number(struct conversion *conversion, const struct resource_row *row, uint64_t value)
{
	return add(conversion, row->field, row->file, arena_printf(conversion->arena, "%" PRIu64, value)) ? 0 : -ENOMEM;
}

static int add_max(struct conversion *conversion, const struct resource_row *row)
{
	struct cgroup_write *write = add(conversion, row->field, row->file, "max");

	if (!write)
		return -ENOMEM;
	write->optional = true;
	return 0;
}

static void refuse(struct conversion *conversion, const char *field, const char *why)
{
	problems_add(conversion->problems, PROBLEM_ERROR, "linux.resources.%s: %s", field, why);
}

/* Converters. Each leaves absent fields alone. */

/** Bytes: 0 is what engines send for "not set", -1 is unlimited. */
static int convert_bytes(struct conversion *conversion, const struct resource_row *row)
{
	const int64_t *value = ROW_VALUE(conversion, row, int64_t);

	if (!value || *value == 0)
		return 0;
	return *value < 0 ? add_max(conversion, row) : add_number(conversion, row, (uint64_t)*value);
}

static int convert_swap(struct conversion *conversion, const struct resource_row *row)
{
	const struct oci_memory *memory = conversion->resources->memory;
	int64_t swap, amount;
	bool set;
	int rc;

	if (!memory)
		return 0;
	swap = memory->swap ? *memory->swap : 0;
	rc = resource_convert_swap(swap, memory->limit ? *memory->limit : 0, &set, &amount);
	if (rc < 0) {
		refuse(conversion, row->field,
		       rc == -ERANGE ? "must not be smaller than memory.limit: it is the sum of memory and swap" :
				       "needs memory.limit: it is the sum of memory and swap");
		return 0;
	}
	if (!set)
		return 0;
	if (amount < 0)
		return add_max(conversion, row);
	rc = add_number(conversion, row, (uint64_t)amount);
	/* A kernel that does not account swap has no file to forbid it with. */
	if (rc == 0 && amount == 0)
		conversion->list[conversion->count - 1].optional = true;
	return rc;
}

static int convert_shares(struct conversion *conversion, const struct resource_row *row)
{
	const uint64_t *shares = ROW_VALUE(conversion, row, uint64_t);
	const int64_t *idle = conversion->resources->cpu ? conversion->resources->cpu->idle : NULL;

	/* An idle cgroup has no weight: the kernel answers EINVAL. */
	if (!shares || *shares == 0 || (idle && *idle == 1))
		return 0;
	return add_number(conversion, row, resource_convert_shares(*shares));
}

static int convert_idle(struct conversion *conversion, const struct resource_row *row)
{
	const int64_t *idle = ROW_VALUE(conversion, row, int64_t);
	int rc;

	if (!idle)
		return 0;
	rc = add_number(conversion, row, *idle != 0);
	if (rc == 0 && *idle == 0)
		conversion->list[conversion->count - 1].optional = true;
	return rc;
}

static int convert_cpu_max(struct conversion *conversion, const struct resource_row *row)
{
	const struct oci_cpu *cpu = conversion->resources->cpu;
	int64_t quota = cpu && cpu->quota ? *cpu->quota : 0;
	uint64_t period = cpu && cpu->period ? *cpu->period : 0;
	const char *field = cpu && cpu->quota ? row->field : row->param;
	struct cgroup_write *write;
	const char *text;

	if (quota == 0 && period == 0)
		return 0;
	if (period == 0)
		period = DEFAULT_CPU_PERIOD_US;
	text = quota > 0 ? arena_printf(conversion->arena, "%" PRId64 " %" PRIu64, quota, period) :
			   arena_printf(conversion->arena, "max %" PRIu64, period);
	write = add(conversion, field, row->file, text);
	if (!write)
		return -ENOMEM;
	write->optional = quota <= 0;
	return 0;
}

/** Before cpu.max: an update that lowers the quota must lower the burst first; one that raises both needs it after. */
static int convert_burst(struct conversion *conversion, const struct resource_row *row)
{
	const uint64_t *burst = ROW_VALUE(conversion, row, uint64_t);
	struct cgroup_write *write;

	if (!burst)
		return 0;
	write = add(conversion, row->field, row->file, arena_printf(conversion->arena, "%" PRIu64, *burst));
	if (!write)
		return -ENOMEM;
	write->retry_last = true;
	write->optional = *burst == 0;
	return 0;
}

static int convert_text(struct conversion *conversion, const struct resource_row *row)
{
	const char *const *member = row_member(conversion, row);

	if (!member || str_empty(*member))
		return 0;
	return add(conversion, row->field, row->file, *member) ? 0 : -ENOMEM;
}

/** 0 becomes 1 as in runc (systemd refuses 0): either way the container's process can start and nothing besides. */
static int convert_pids(struct conversion *conversion, const struct resource_row *row)
{
	const int64_t *limit = ROW_VALUE(conversion, row, int64_t);

	if (!limit)
		return 0;
	if (*limit < 0)
		return add_max(conversion, row);
	return add_number(conversion, row, *limit == 0 ? 1 : (uint64_t)*limit);
}

static int convert_io_weight(struct conversion *conversion, const struct resource_row *row)
{
	const uint16_t *weight = ROW_VALUE(conversion, row, uint16_t);
	int rc;

	if (!weight || *weight == 0)
		return 0;
	rc = add_number(conversion, row, *weight);
	if (rc == 0) {
		struct cgroup_write *write = &conversion->list[conversion->count - 1];

		write->else_file = row->param;
		write->else_value = arena_printf(conversion->arena, "%" PRIu64, resource_convert_io_weight(*weight));
		rc = write->else_value ? 0 : -ENOMEM;
	}
	return rc;
}

static int convert_weight_devices(struct conversion *conversion, const struct resource_row *row)
{
	const struct oci_block_io *io = conversion->resources->block_io;

	for (size_t i = 0; io && i < io->n_weight_device; i++) {
		const struct oci_weight_device *device = &io->weight_device[i];
		const char *field = arena_printf(conversion->arena, "%s[%zu].weight", row->field, i);

		if (!field)
			return -ENOMEM;
		if (device->leaf_weight && *device->leaf_weight)
			problems_add(conversion->problems, PROBLEM_ERROR, "linux.resources.%s[%zu].leafWeight: %s", row->field, i,
				     row->param);
		if (device->weight && *device->weight &&
		    !add(conversion, field, row->file,
			 arena_printf(conversion->arena, "%" PRId64 ":%" PRId64 " %u", device->major, device->minor,
				      *device->weight)))
			return -ENOMEM;
	}
	return 0;
}

/** The four throttle lists: @row->member is the array in struct oci_block_io, its length follows it. A rate of 0 lifts a limit. */
static int convert_throttle(struct conversion *conversion, const struct resource_row *row)
{
	struct throttle_list {
		const struct oci_throttle_device *devices;
		size_t count;
	};
	const struct throttle_list *list = row_member(conversion, row);

	for (size_t i = 0; list && i < list->count; i++) {
		const struct oci_throttle_device *device = &list->devices[i];
		const char *head = arena_printf(conversion->arena, "%" PRId64 ":%" PRId64 " %s", device->major, device->minor,
						row->param);
		const char *line = !head	? NULL :
				   device->rate ? arena_printf(conversion->arena, "%s=%" PRIu64, head, device->rate) :
						  arena_printf(conversion->arena, "%s=max", head);

		if (!add(conversion, arena_printf(conversion->arena, "%s[%zu]", row->field, i), row->file, line))
			return -ENOMEM;
	}
	return 0;
}

/** The reservation limit first, where the kernel has it: a fault that is refused kills, a reservation that is refused can be handled. */
static int convert_hugepages(struct conversion *conversion, const struct resource_row *row)
{
	for (size_t i = 0; i < conversion->resources->n_hugepage_limits; i++) {
		const struct oci_hugepage_limit *limit = &conversion->resources->hugepage_limits[i];
		const char *field = arena_printf(conversion->arena, "%s[%zu]", row->field, i);
		const char *value = arena_printf(conversion->arena, "%" PRIu64, limit->limit);
		struct cgroup_write *reserve;

		reserve = add(conversion, field, arena_printf(conversion->arena, "hugetlb.%s.rsvd.max", limit->page_size), value);
		if (!reserve)
			return -ENOMEM;
		reserve->optional = true; /* older kernels lack it; the next write holds the limit */
		if (!add(conversion, field, arena_printf(conversion->arena, "hugetlb.%s.max", limit->page_size), value))
			return -ENOMEM;
	}
	return 0;
}

static int convert_rdma(struct conversion *conversion, const struct resource_row *row)
{
	for (size_t i = 0; i < conversion->resources->n_rdma; i++) {
		const struct oci_rdma *rdma = &conversion->resources->rdma[i];
		const char *line = rdma->device;

		if (line && rdma->hca_handles)
			line = arena_printf(conversion->arena, "%s hca_handle=%" PRIu32, line, *rdma->hca_handles);
		if (line && rdma->hca_objects)
			line = arena_printf(conversion->arena, "%s hca_object=%" PRIu32, line, *rdma->hca_objects);
		if (!add(conversion, arena_printf(conversion->arena, "%s.%s", row->field, rdma->device), row->file, line))
			return -ENOMEM;
	}
	return 0;
}

/** Files by which a document could reach beyond its limits: they move, stop or end processes, or change what the cgroup is. */
static const char *const runtime_files[] = {
	"cgroup.freeze", "cgroup.kill", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads", "cgroup.type",
};

static const char *complain_unified(const char *key)
{
	if (str_empty(key) || key[0] == '.' || strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != strlen(key))
		return "must be the name of a cgroup file, without any slash";
	for (size_t i = 0; i < ARRAY_LEN(runtime_files); i++)
		if (streq(key, runtime_files[i]))
			return "is not a limit: this file belongs to the runtime";
	return NULL;
}

/** The kernel takes one line a write. */
static int add_lines(struct conversion *conversion, const char *field, const char *file, const char *value)
{
	for (;;) {
		size_t len = strcspn(value, "\n");

		if (!add(conversion, field, file, arena_strndup(conversion->arena, value, len)))
			return -ENOMEM;
		value += len;
		if (value[0] == '\0' || value[1] == '\0')
			return 0;
		value++;
	}
}

static int convert_unified(struct conversion *conversion, const struct resource_row *row)
{
	for (size_t i = 0; i < conversion->resources->n_unified; i++) {
		const struct oci_string_map *entry = &conversion->resources->unified[i];
		const char *complaint = complain_unified(entry->key);
		const char *field = arena_printf(conversion->arena, "%s.%s", row->field, entry->key);

		if (!field)
			return -ENOMEM;
		if (complaint)
			refuse(conversion, field, complaint);
		else if (add_lines(conversion, field, entry->key, entry->value) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Rows of version 1 only: what engines send for "not set" passes. */

static int refuse_i64(struct conversion *conversion, const struct resource_row *row)
{
	const int64_t *value = ROW_VALUE(conversion, row, int64_t);

	if (value && *value != 0 && *value != -1)
		refuse(conversion, row->field, row->param);
	return 0;
}

static int refuse_u64(struct conversion *conversion, const struct resource_row *row)
{
	const uint64_t *value = ROW_VALUE(conversion, row, uint64_t);

	if (value && *value != 0)
		refuse(conversion, row->field, row->param);
	return 0;
}

static int refuse_u32(struct conversion *conversion, const struct resource_row *row)
{
	const uint32_t *value = ROW_VALUE(conversion, row, uint32_t);

	if (value && *value != 0)
		refuse(conversion, row->field, row->param);
	return 0;
}

static int refuse_u16(struct conversion *conversion, const struct resource_row *row)
{
	const uint16_t *value = ROW_VALUE(conversion, row, uint16_t);

	if (value && *value != 0)
		refuse(conversion, row->field, row->param);
	return 0;
}

static int refuse_true(struct conversion *conversion, const struct resource_row *row)
{
	const bool *value = ROW_VALUE(conversion, row, bool);

	if (value && *value)
		refuse(conversion, row->field, row->param);
	return 0;
}

/** vm.swappiness' own default asks for nothing. */
static int refuse_swappiness(struct conversion *conversion, const struct resource_row *row)
{
	const uint64_t *value = ROW_VALUE(conversion, row, uint64_t);

	if (value && *value != 60)
		refuse(conversion, row->field, row->param);
	return 0;
}

static int refuse_priorities(struct conversion *conversion, const struct resource_row *row)
{
	if (conversion->resources->network && conversion->resources->network->n_priorities)
		refuse(conversion, row->field, row->param);
	return 0;
}

/** Version 2 is always hierarchical, and the container's cgroup is a leaf when it is made: either value holds. */
static int accept_any(struct conversion *conversion, const struct resource_row *row)
{
	return 0;
}

#define MEMBER(section_, type, member_) .section = offsetof(struct oci_resources, section_), .member = offsetof(struct type, member_)
#define MEMORY(member)	MEMBER(memory, oci_memory, member)
#define CPU(member)	MEMBER(cpu, oci_cpu, member)
#define PIDS(member)	MEMBER(pids, oci_pids, member)
#define BLOCK_IO(member) MEMBER(block_io, oci_block_io, member)
#define NETWORK(member) MEMBER(network, oci_network, member)

static const char no_kernel_memory[] = "cgroup v2 limits kernel memory together with memory.limit: leave it out";
static const char no_realtime[] = "cgroup v2 has no realtime groups: leave it out";
static const char no_leaf_weight[] = "cgroup v2 has no leaf weight: leave it out";
static const char no_network[] = "cgroup v2 has no network class or priority: leave it out, use nftables' socket cgroupv2";

/* In the order of writing. Swap before memory as in runc; burst before cpu.max; unified last, as it overrides. */
static const struct resource_row rows[] = {
	{ "cpu.idle", "cpu.idle", convert_idle, CPU(idle) },
	{ "cpu.shares", "cpu.weight", convert_shares, CPU(shares) },
	{ "cpu.burst", "cpu.max.burst", convert_burst, CPU(burst) },
	{ "cpu.quota", "cpu.max", convert_cpu_max, .param = "cpu.period" },
	{ "cpu.cpus", "cpuset.cpus", convert_text, CPU(cpus) },
	{ "cpu.mems", "cpuset.mems", convert_text, CPU(mems) },
	{ "cpu.realtimeRuntime", NULL, refuse_i64, CPU(realtime_runtime), no_realtime },
	{ "cpu.realtimePeriod", NULL, refuse_u64, CPU(realtime_period), no_realtime },
	{ "memory.swap", "memory.swap.max", convert_swap },
	{ "memory.limit", "memory.max", convert_bytes, MEMORY(limit) },
	{ "memory.reservation", "memory.low", convert_bytes, MEMORY(reservation) },
	{ "memory.kernel", NULL, refuse_i64, MEMORY(kernel), no_kernel_memory },
	{ "memory.kernelTCP", NULL, refuse_i64, MEMORY(kernel_tcp), no_kernel_memory },
	{ "memory.swappiness", NULL, refuse_swappiness, MEMORY(swappiness), "cgroup v2 has one swappiness for the host: leave it out" },
	{ "memory.disableOOMKiller", NULL, refuse_true, MEMORY(disable_oom_killer), "cgroup v2 cannot disable the OOM killer: leave it out" },
	{ "memory.useHierarchy", NULL, accept_any },
	{ "memory.checkBeforeUpdate", NULL, accept_any }, /* a new cgroup uses nothing yet */
	{ "pids.limit", "pids.max", convert_pids, PIDS(limit) },
	{ "blockIO.weight", "io.bfq.weight", convert_io_weight, BLOCK_IO(weight), "io.weight" },
	{ "blockIO.leafWeight", NULL, refuse_u16, BLOCK_IO(leaf_weight), no_leaf_weight },
	{ "blockIO.weightDevice", "io.bfq.weight", convert_weight_devices, .param = no_leaf_weight },
	{ "blockIO.throttleReadBpsDevice", "io.max", convert_throttle, BLOCK_IO(throttle_read_bps_device), "rbps" },
	{ "blockIO.throttleWriteBpsDevice", "io.max", convert_throttle, BLOCK_IO(throttle_write_bps_device), "wbps" },
	{ "blockIO.throttleReadIOPSDevice", "io.max", convert_throttle, BLOCK_IO(throttle_read_iops_device), "riops" },
	{ "blockIO.throttleWriteIOPSDevice", "io.max", convert_throttle, BLOCK_IO(throttle_write_iops_device), "wiops" },
	{ "hugepageLimits", "hugetlb.SIZE.max", convert_hugepages },
	{ "network.classID", NULL, refuse_u32, NETWORK(class_id), no_network },
	{ "network.priorities", NULL, refuse_priorities, .param = no_network },
	{ "rdma", "rdma.max", convert_rdma },
	{ "unified", "", convert_unified },
};

/* convert_throttle() reads an array and its length as one pair. */
static_assert(offsetof(struct oci_block_io, n_throttle_read_bps_device) ==
		      offsetof(struct oci_block_io, throttle_read_bps_device) + sizeof(void *),
	      "a list's length follows it");

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
		room += io->n_weight_device + io->n_throttle_read_bps_device + io->n_throttle_write_bps_device +
			io->n_throttle_read_iops_device + io->n_throttle_write_iops_device;
	for (size_t i = 0; i < resources->n_unified; i++)
		room += count_lines(resources->unified[i].value);
	return room;
}

int resource_files_plan(const struct oci_resources *resources, struct arena *arena, struct problems *problems,
			struct cgroup_writes *ret_writes, struct wh_error *err)
{
	struct conversion conversion = {
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
	*ret_writes = (struct cgroup_writes){ .list = conversion.list, .count = conversion.count };
	return 0;
}
