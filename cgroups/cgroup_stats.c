/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "cgroups/cgroup_fs.h"
#include "cgroups/cgroup_stats_text.h"

#define STAT(member) offsetof(struct oci_stats, member)

/** A number: the whole of a file, or what follows a key in it. Rows of one file stand together. */
static const struct number_row {
	const char *file;
	const char *key; /* NULL: the whole file */
	size_t offset;
	uint64_t scale; /* to the unit of the member */
	uint64_t max;   /* what "max" is */
} number_rows[] = {
    {"cpu.stat",            "usage_usec",     STAT(cpu.usage.total),                  1000, 0         },
    {"cpu.stat",            "user_usec",      STAT(cpu.usage.user),                   1000, 0         },
    {"cpu.stat",            "system_usec",    STAT(cpu.usage.kernel),                 1000, 0         },
    {"cpu.stat",            "nr_periods",     STAT(cpu.throttling.periods),           1,    0         },
    {"cpu.stat",            "nr_throttled",   STAT(cpu.throttling.throttled_periods), 1,    0         },
    {"cpu.stat",            "throttled_usec", STAT(cpu.throttling.throttled_time),    1000, 0         },
    {"cpu.stat",            "nr_bursts",      STAT(cpu.burst.bursts),                 1,    0         },
    {"cpu.stat",            "burst_usec",     STAT(cpu.burst.time),                   1000, 0         },
    {"memory.current",      NULL,             STAT(memory.usage.usage),               1,    0         },
    {"memory.max",          NULL,             STAT(memory.usage.limit),               1,    UINT64_MAX},
    {"memory.peak",         NULL,             STAT(memory.usage.max),                 1,    0         },
    {"memory.events",       "low",            STAT(memory.events.low),                1,    0         },
    {"memory.events",       "high",           STAT(memory.events.high),               1,    0         },
    {"memory.events",       "max",            STAT(memory.events.max),                1,    0         },
    {"memory.events",       "max",            STAT(memory.usage.failcnt),             1,    0         },
    {"memory.events",       "oom",            STAT(memory.events.oom),                1,    0         },
    {"memory.events",       "oom_kill",       STAT(memory.events.oom_kill),           1,    0         },
    {"memory.events",       "oom_group_kill", STAT(memory.events.oom_group_kill),     1,    0         },
    {"memory.swap.current", NULL,             STAT(memory.swap.usage),                1,    0         },
    {"memory.swap.max",     NULL,             STAT(memory.swap.limit),                1,    UINT64_MAX},
    {"memory.swap.events",  "max",            STAT(memory.swap.failcnt),              1,    0         },
    {"memory.stat",         "file",           STAT(memory.cache),                     1,    0         },
    {"memory.stat",         "kernel",         STAT(memory.kernel.usage),              1,    0         },
    {"memory.stat",         "sock",           STAT(memory.kernel_tcp.usage),          1,    0         },
    {"pids.current",        NULL,             STAT(pids.current),                     1,    0         },
    {"pids.max",            NULL,             STAT(pids.limit),                       1,    0         },
};

/** A file with a parser of its own, which fills the member at the offset. */
static const struct text_row {
	const char *file;
	int (*parse)(const char *text, struct arena *arena, void *dest);
	size_t offset;
} text_rows[] = {
    {"memory.stat",           stats_text_raw,          STAT(memory)         },
    {"io.stat",               stats_text_io,           STAT(io)             },
    {"cpu.pressure",          stats_text_pressure,     STAT(cpu.pressure)   },
    {"memory.pressure",       stats_text_pressure,     STAT(memory.pressure)},
    {"io.pressure",           stats_text_pressure,     STAT(io.pressure)    },
    {"rdma.current",          stats_text_rdma_current, STAT(rdma)           },
    {"rdma.max",              stats_text_rdma_limit,   STAT(rdma)           },
    {"cpuset.cpus.effective", stats_text_cpus,         STAT(cpuset)         },
    {"cpuset.mems.effective", stats_text_mems,         STAT(cpuset)         },
};

/** Whether a file that could not be read only shows what this kernel or host does not have. */
static bool is_absent(ssize_t rc)
{
	return rc == -ENOENT || rc == -EOPNOTSUPP;
}

/** Read a file of any length into the arena. Returns 0 with *@ret_text, NULL when absent. */
static int read_text(const struct cgroup *cgroup, const char *file, struct arena *arena,
		     const char **ret_text, struct wh_error *err)
{
	ssize_t n;

	*ret_text = NULL;
	n = cgroup_fs_read_all(cgroup->dir_fd, file, arena, ret_text);
	if (n == -ENOMEM)
		return wh_oom(err);
	return n >= 0 || is_absent(n) ? 0 : wh_fail(err, (int)-n, "read %s", file);
}

static void take_number(const struct number_row *row, const char *text, struct oci_stats *stats)
{
	uint64_t *member = (uint64_t *)((char *)stats + row->offset);
	uint64_t value;

	if (!row->key && streq(text, "max"))
		*member = row->max;
	else if (row->key ? cgroup_fs_keyed_value(text, row->key, &value) == 0
			  : str_parse_u64(text, UINT64_MAX, &value) == 0)
		*member = value * row->scale;
}

static int read_numbers(const struct cgroup *cgroup, struct arena *arena, struct oci_stats *stats,
			struct wh_error *err)
{
	const char *text = NULL;

	for (size_t i = 0; i < ARRAY_LEN(number_rows); i++) {
		const struct number_row *row = &number_rows[i];

		if (i == 0 || !streq(row->file, row[-1].file)) {
			int rc = read_text(cgroup, row->file, arena, &text, err);

			if (rc < 0)
				return rc;
		}
		if (text)
			take_number(row, text, stats);
	}
	return 0;
}

static int read_texts(const struct cgroup *cgroup, struct arena *arena, struct oci_stats *stats,
		      struct wh_error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(text_rows); i++) {
		const struct text_row *row = &text_rows[i];
		const char *text;
		int rc = read_text(cgroup, row->file, arena, &text, err);

		if (rc < 0)
			return rc;
		if (text && row->parse(text, arena, (char *)stats + row->offset) < 0)
			return wh_oom(err);
	}
	return 0;
}

/** The page size in "hugetlb.2MB.current", in the arena, or NULL for other names. */
static const char *page_size_of(const char *name, struct arena *arena)
{
	const char *size = str_after(name, "hugetlb.");
	const char *end = size ? strchr(size, '.') : NULL;

	return end && streq(end, ".current") ? arena_strndup(arena, size, (size_t)(end - size))
					     : NULL;
}

static int add_hugetlb(const struct cgroup *cgroup, const char *size, struct arena *arena,
		       struct oci_stats *stats)
{
	struct oci_hugetlb_stats *grown =
	    arena_array(arena, struct oci_hugetlb_stats, stats->n_hugetlb + 1);
	struct oci_hugetlb_stats *entry;
	char file[NAME_MAX], text[256];

	if (!grown)
		return -ENOMEM;
	if (stats->n_hugetlb)
		memcpy(grown, stats->hugetlb, stats->n_hugetlb * sizeof(*grown));
	entry = &grown[stats->n_hugetlb++];
	stats->hugetlb = grown;
	entry->page_size = size;
	snprintf(file, sizeof(file), "hugetlb.%s.current", size);
	(void)cgroup_fs_read_number(cgroup->dir_fd, file, &entry->usage);
	snprintf(file, sizeof(file), "hugetlb.%s.events", size);
	if (cgroup_fs_read(cgroup->dir_fd, file, text, sizeof(text)) >= 0)
		(void)cgroup_fs_keyed_value(text, "max", &entry->failcnt);
	return 0;
}

/** The sizes are those that the kernel has files for. */
static int read_hugetlb(const struct cgroup *cgroup, struct arena *arena, struct oci_stats *stats,
			struct wh_error *err)
{
	auto_dir *dir = fd_list(cgroup->dir_fd);
	const struct dirent *entry;

	if (!dir)
		return wh_fail(err, errno, "list the cgroup");
	while ((entry = readdir(dir)) != NULL) {
		const char *size = page_size_of(entry->d_name, arena);

		if (size && add_hugetlb(cgroup, size, arena, stats) < 0)
			return wh_oom(err);
	}
	return 0;
}

/** Without its controller the number of processes is counted; threads are not in it. */
static int count_pids(const struct cgroup *cgroup, struct arena *arena, struct oci_stats *stats,
		      struct wh_error *err)
{
	size_t count = 0;
	pid_t *pids;
	int rc;

	if (stats->pids.current)
		return 0;
	rc = cgroup_pids(cgroup, arena, &pids, &count, err);
	stats->pids.current = count;
	return rc;
}

/** Swap is told together with memory, as version 1 counts it and go-runc's users read it. */
static void sum_swap(struct oci_memory_stats *memory)
{
	memory->swap.usage += memory->usage.usage;
	if (memory->swap.limit != UINT64_MAX &&
	    __builtin_add_overflow(memory->swap.limit, memory->usage.limit, &memory->swap.limit))
		memory->swap.limit = UINT64_MAX;
}

/** A removed cgroup looks like one without any controller, but for this file. */
static int check_alive(const struct cgroup *cgroup, struct wh_error *err)
{
	auto_fd fd = path_open_beneath(cgroup->dir_fd, "cgroup.controllers", O_PATH, 0);

	if (fd == -ENOENT)
		return wh_fail(err, ENODEV, "the container's cgroup was removed");
	return fd < 0 ? wh_fail(err, -fd, "open cgroup.controllers") : 0;
}

int cgroup_stats_read(const struct cgroup *cgroup, struct arena *arena, struct oci_stats *ret_stats,
		      struct wh_error *err)
{
	struct oci_stats stats = {.n_hugetlb = 0};
	int rc = read_numbers(cgroup, arena, &stats, err);

	if (rc == 0)
		rc = read_texts(cgroup, arena, &stats, err);
	if (rc == 0)
		rc = read_hugetlb(cgroup, arena, &stats, err);
	if (rc == 0)
		rc = count_pids(cgroup, arena, &stats, err);
	if (rc == 0)
		rc = check_alive(cgroup, err);
	if (rc < 0)
		return rc;
	sum_swap(&stats.memory);
	*ret_stats = stats;
	return 0;
}
