/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as each of the kernel's files that wherry reads: never a crash, and nothing out of bounds is
 * kept. The first byte chooses the file.
 */
#include "base/arena.h"
#include "base/str.h"
#include "cgroups/cgroup_fs.h"
#include "cgroups/cgroup_stats_text.h"
#include "fuzz.h"
#include "libcontainer/intel_rdt.h"
#include "libcontainer/mountinfo.h"
#include "libcontainer/net_stats.h"

/** Under ASan each string is read to its end. */
static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

static void file_pressure(char *text, struct arena *arena)
{
	struct oci_pressure *pressure = NULL;

	stats_text_pressure(text, arena, &pressure);
}

static void file_memory_stat(char *text, struct arena *arena)
{
	struct oci_memory_stats memory = {.n_raw = 0};

	fuzz_check(stats_text_raw(text, arena, &memory) == 0, "memory.stat");
	for (size_t i = 0; i < memory.n_raw; i++)
		fuzz_check(length(memory.raw[i].name) <= strlen(text), "a longer name");
}

static void file_io_stat(char *text, struct arena *arena)
{
	struct oci_io_stats io = {.n_bytes = 0};

	fuzz_check(stats_text_io(text, arena, &io) == 0, "io.stat");
	for (size_t i = 0; i < io.n_bytes; i++)
		fuzz_check(length(io.bytes[i].op) > 0, "neither read nor written");
	for (size_t i = 0; i < io.n_operations; i++)
		fuzz_check(length(io.operations[i].op) > 0, "neither read nor written");
}

static void file_rdma(char *text, struct arena *arena)
{
	struct oci_rdma_stats *rdma = NULL;

	fuzz_check(stats_text_rdma_current(text, arena, &rdma) == 0, "rdma.current");
	fuzz_check(stats_text_rdma_limit(text, arena, &rdma) == 0, "rdma.max");
	for (size_t i = 0; rdma && i < rdma->n_limit; i++)
		fuzz_check(length(rdma->limit[i].device) > 0, "a device without a name");
}

static void file_cpuset(char *text, struct arena *arena)
{
	struct oci_cpuset_stats cpuset = {.n_cpus = 0};

	fuzz_check(stats_text_cpus(text, arena, &cpuset) == 0, "cpuset.cpus.effective");
	fuzz_check(stats_text_mems(text, arena, &cpuset) == 0, "cpuset.mems.effective");
	for (size_t i = 1; i < cpuset.n_cpus; i++)
		fuzz_check(cpuset.cpus[i] <= UINT16_MAX, "no processor");
}

static void file_keyed(char *text, struct arena *arena)
{
	uint64_t value = 77;

	if (cgroup_fs_keyed_value(text, "populated", &value) < 0)
		fuzz_check(value == 77, "changed by a failure");
}

static void file_mountinfo(char *text, struct arena *arena)
{
	struct mountinfo *mounts = NULL;
	size_t count = 0;

	if (mountinfo_parse(text, arena, &mounts, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		length(mounts[i].root);
		length(mounts[i].mountpoint);
		length(mounts[i].fs_type);
	}
}

static void file_net_dev(char *text, struct arena *arena)
{
	struct oci_stats stats = {.n_interfaces = 0};

	fuzz_check(net_stats_parse(text, arena, &stats) == 0, "net/dev");
	for (size_t i = 0; i < stats.n_interfaces; i++)
		length(stats.interfaces[i].name);
}

/** The limits are the document's, up to the first empty line; the rest is resctrl's. */
static void file_schemata(char *text, struct arena *arena)
{
	char *schemata = strstr(text, "\n\n");

	if (schemata) {
		*schemata = '\0';
		schemata += 2;
	}
	(void)intel_rdt_limits_hold(text, schemata ? schemata : "");
	/* what a class has it holds */
	if (schemata && streq(text, schemata) && !strpbrk(text, ":;=") && *text)
		fuzz_check(intel_rdt_limits_hold(text, schemata), "the same does not hold");
}

static void (*const files[])(char *text, struct arena *arena) = {
    file_pressure, file_memory_stat, file_io_stat, file_rdma,     file_cpuset,
    file_keyed,    file_mountinfo,   file_net_dev, file_schemata,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	static char text[1 << 16];
	struct arena arena;
	size_t file = fuzz_choose(&bytes, ARRAY_LEN(files));

	if (arena_init(&arena, NULL) < 0)
		return 0;
	fuzz_rest(&bytes, text, sizeof(text));
	files[file](text, &arena);
	arena_done(&arena);
	return 0;
}
