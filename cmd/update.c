/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/log.h"
#include "cmd/verb.h"

/** The options fill what a document would: NULL is not given. */
struct update_args {
	const char *resources_file;
	const char *l3_cache_schema;
	const char *mem_bw_schema;
	const char *kernel_memory;
	const char *kernel_memory_tcp;
	const int64_t *weight;
	struct oci_memory memory;
	struct oci_cpu cpu;
	struct oci_pids pids;
};

#define ROW(name, type, member, argument, help)                                                    \
	OPTION(name, '\0', type, struct update_args, member, argument, help)

static const struct option update_options[] = {
    OPTION("resources", 'r', option_string, struct update_args, resources_file, "FILE",
	   "take the limits from this JSON document of linux.resources; - is standard input",
	   .complete = COMPLETE_FILE),
    ROW("blkio-weight", option_i64, weight, "N", "block IO weight, 10 to 1000"),
    ROW("cpu-period", option_u64, cpu.period, "USEC", "length of a period that the quota is for"),
    ROW("cpu-quota", option_i64, cpu.quota, "USEC", "CPU time in each period; -1 is unlimited"),
    ROW("cpu-burst", option_u64, cpu.burst, "USEC", "CPU time that may be saved up for later"),
    ROW("cpu-share", option_u64, cpu.shares, "N", "weight among other containers, 2 to 262144"),
    ROW("cpu-rt-period", option_u64, cpu.realtime_period, "USEC",
	"cgroup v1 only: anything but 0 is refused"),
    ROW("cpu-rt-runtime", option_i64, cpu.realtime_runtime, "USEC",
	"cgroup v1 only: anything but 0 is refused"),
    ROW("cpuset-cpus", option_string, cpu.cpus, "LIST", "processors to run on: 0-3,7"),
    ROW("cpuset-mems", option_string, cpu.mems, "LIST", "memory nodes to take memory from"),
    ROW("cpu-idle", option_i64, cpu.idle, "0|1", "1: run only when nothing else wants to"),
    ROW("memory", option_size, memory.limit, "SIZE", "memory limit; -1 is unlimited"),
    ROW("memory-reservation", option_size, memory.reservation, "SIZE",
	"memory that is not reclaimed as long as there is other"),
    ROW("memory-swap", option_size, memory.swap, "SIZE",
	"limit of memory and swap together; -1 is unlimited"),
    ROW("pids-limit", option_i64, pids.limit, "N", "most processes and threads; -1 is unlimited"),
    ROW("kernel-memory", option_string, kernel_memory, "SIZE", "obsolete: ignored with a warning"),
    ROW("kernel-memory-tcp", option_string, kernel_memory_tcp, "SIZE",
	"obsolete: ignored with a warning"),
    ROW("l3-cache-schema", option_string, l3_cache_schema, "SCHEMA",
	"Intel RDT: the schema of the L3 cache"),
    ROW("mem-bw-schema", option_string, mem_bw_schema, "SCHEMA",
	"Intel RDT: the schema of memory bandwidth"),
};

static bool any_limit(const struct update_args *args)
{
	static const struct update_args none;

	return args->weight || memcmp(&args->memory, &none.memory, sizeof(none.memory)) != 0 ||
	       memcmp(&args->cpu, &none.cpu, sizeof(none.cpu)) != 0 || args->pids.limit;
}

static int check(const struct cli *cli, const void *data, struct wh_error *err)
{
	const struct update_args *args = data;

	if (args->resources_file && any_limit(args))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--resources and options with limits exclude each other");
	if (args->weight && (*args->weight < 10 || *args->weight > 1000))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--blkio-weight: must be between 10 and 1000");
	if (args->cpu.idle && *args->cpu.idle != 0 && *args->cpu.idle != 1)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "--cpu-idle: must be 0 or 1");
	return 0;
}

static void warn_ignored(const struct update_args *args)
{
	if (args->kernel_memory)
		log_warning("--kernel-memory is obsolete and ignored");
	if (args->kernel_memory_tcp)
		log_warning("--kernel-memory-tcp is obsolete and ignored");
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct update_args *args = data;
	uint16_t weight = args->weight ? (uint16_t)*args->weight : 0;
	struct oci_block_io block_io = {.weight = args->weight ? &weight : NULL};
	const struct oci_resources resources = {
	    .memory = &args->memory,
	    .cpu = &args->cpu,
	    .pids = &args->pids,
	    .block_io = &block_io,
	};
	struct update_options opts = {
	    .id = cli->args[0],
	    .resources_file = args->resources_file,
	    .resources = any_limit(args) ? &resources : NULL,
	    .l3_cache_schema = args->l3_cache_schema,
	    .mem_bw_schema = args->mem_bw_schema,
	};

	warn_ignored(args);
	return container_update(&cli->runtime, &opts, err);
}

const struct verb verb_update = {
    .name = "update",
    .summary = "change the limits of a container",
    .details = "Limits that are not named stay. Either all are changed, or none.\n"
	       "SIZE is a number of bytes, or one with a unit: 512m, 1.5g.",
    VERB_OPTIONS(update_options),
    VERB_ARGUMENTS(verb_id_argument),
    .args_size = sizeof(struct update_args),
    .check = check,
    .run = run,
};
