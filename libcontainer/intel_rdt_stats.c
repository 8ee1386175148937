/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the info, schemata and mon_data files of resctrl (Documentation/filesystems/resctrl.rst). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "libcontainer/intel_rdt.h"

/** More than any CPU's resources and domains need. */
#define SCHEMATA_SIZE 8192
/** A CPU with more caches than this has the rest left out. */
#define DOMAINS_MAX 256
#define DOMAIN_NAME 32

#define CACHE(member)     offsetof(struct oci_rdt_cache_info, member)
#define BANDWIDTH(member) offsetof(struct oci_rdt_bandwidth_info, member)

/** A file of one number in a directory, and the member that gets it. */
struct number_file {
	const char *name;
	size_t offset;
};

static const struct number_file cache_files[] = {
    {"min_cbm_bits", CACHE(min_cbm_bits)},
    {"num_closids",  CACHE(num_closids) },
};

static const struct number_file bandwidth_files[] = {
    {"bandwidth_gran", BANDWIDTH(bandwidth_gran)},
    {"delay_linear",   BANDWIDTH(delay_linear)  },
    {"min_bandwidth",  BANDWIDTH(min_bandwidth) },
    {"num_closids",    BANDWIDTH(num_closids)   },
};

static const struct number_file bandwidth_use_files[] = {
    {"mbm_total_bytes", offsetof(struct oci_rdt_bandwidth_use, total_bytes)},
    {"mbm_local_bytes", offsetof(struct oci_rdt_bandwidth_use, local_bytes)},
};

static const struct number_file cache_use_files[] = {
    {"llc_occupancy", offsetof(struct oci_rdt_cache_use, llc_occupancy)},
};

/**
 * Read the @count files of @dir_fd into the struct @base. A file that says "Unavailable" is there and
 * leaves 0. Returns how many are there.
 */
static size_t read_numbers(int dir_fd, const struct number_file *files, size_t count, void *base)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		char text[64];

		if (file_read_small(dir_fd, files[i].name, text, sizeof(text)) < 0)
			continue;
		(void)str_parse_u64(text, UINT64_MAX, (uint64_t *)((char *)base + files[i].offset));
		found++;
	}
	return found;
}

/** Returns 0 with *@ret NULL where the CPU does not have it, or -ENOMEM. */
static int read_cache_info(int root_fd, struct arena *arena, struct oci_rdt_cache_info **ret)
{
	auto_fd dir_fd = path_open_beneath(root_fd, "info/L3", O_PATH | O_DIRECTORY, 0);
	char mask[64];

	if (dir_fd < 0)
		return 0;
	*ret = arena_new(arena, struct oci_rdt_cache_info);
	if (!*ret)
		return -ENOMEM;
	read_numbers(dir_fd, cache_files, ARRAY_LEN(cache_files), *ret);
	if (file_read_small(dir_fd, "cbm_mask", mask, sizeof(mask)) < 0)
		return 0;
	(*ret)->cbm_mask = arena_strdup(arena, mask);
	return (*ret)->cbm_mask ? 0 : -ENOMEM;
}

/** Likewise. */
static int read_bandwidth_info(int root_fd, struct arena *arena,
			       struct oci_rdt_bandwidth_info **ret)
{
	auto_fd dir_fd = path_open_beneath(root_fd, "info/MB", O_PATH | O_DIRECTORY, 0);

	if (dir_fd < 0)
		return 0;
	*ret = arena_new(arena, struct oci_rdt_bandwidth_info);
	if (!*ret)
		return -ENOMEM;
	read_numbers(dir_fd, bandwidth_files, ARRAY_LEN(bandwidth_files), *ret);
	return 0;
}

/** The line of @schemata that begins with @resource, without the blanks before it; NULL: none. */
static int find_line(const char *schemata, const char *resource, struct arena *arena,
		     const char **ret_line)
{
	while (*schemata) {
		const char *line = schemata + strspn(schemata, " ");
		size_t len = strcspn(line, "\n");

		if (str_after(line, resource)) {
			*ret_line = arena_strndup(arena, line, len);
			return *ret_line ? 0 : -ENOMEM;
		}
		schemata = line + len + (line[len] == '\n');
	}
	return 0;
}

/** The lines of the resources that the CPU has, from the schemata file of @group. */
static int read_lines(const struct oci_rdt_stats *stats, int root_fd, const char *group,
		      struct arena *arena, const char **ret_cache, const char **ret_bandwidth,
		      struct wh_error *err)
{
	char path[PATH_MAX], schemata[SCHEMATA_SIZE];
	ssize_t len;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/schemata", group);
	len = file_read_small(root_fd, path, schemata, sizeof(schemata));
	if (len < 0)
		return wh_fail(err, (int)-len, "linux.intelRdt: read '%s'", path);
	if (stats->cache)
		rc = find_line(schemata, "L3:", arena, ret_cache);
	if (rc == 0 && stats->bandwidth)
		rc = find_line(schemata, "MB:", arena, ret_bandwidth);
	return rc < 0 ? wh_oom(err) : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/** The names in mon_data, one a cache ("mon_L3_00"), in their order. Returns how many. */
static size_t list_domains(int data_fd, char names[DOMAINS_MAX][DOMAIN_NAME])
{
	auto_dir *dir = fd_list(data_fd);
	const struct dirent *entry;
	size_t count = 0;

	if (!dir)
		return 0;
	while (count < DOMAINS_MAX && (entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (str_after(entry->d_name, "mon_L3_") && len < DOMAIN_NAME)
			memcpy(names[count++], entry->d_name, len + 1);
	}
	qsort(names, count, DOMAIN_NAME, compare_names);
	return count;
}

static int read_use(int group_fd, struct arena *arena, struct oci_rdt_stats *stats)
{
	auto_fd data_fd = path_open_beneath(group_fd, "mon_data", O_PATH | O_DIRECTORY, 0);
	char names[DOMAINS_MAX][DOMAIN_NAME];
	size_t count = data_fd < 0 ? 0 : list_domains(data_fd, names);

	if (count == 0)
		return 0;
	stats->bandwidth_use = arena_array(arena, struct oci_rdt_bandwidth_use, count);
	stats->cache_use = arena_array(arena, struct oci_rdt_cache_use, count);
	if (!stats->bandwidth_use || !stats->cache_use)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		auto_fd fd = path_open_beneath(data_fd, names[i], O_PATH | O_DIRECTORY, 0);

		if (read_numbers(fd, bandwidth_use_files, ARRAY_LEN(bandwidth_use_files),
				 &stats->bandwidth_use[stats->n_bandwidth_use]) > 0)
			stats->n_bandwidth_use++;
		if (read_numbers(fd, cache_use_files, ARRAY_LEN(cache_use_files),
				 &stats->cache_use[stats->n_cache_use]) > 0)
			stats->n_cache_use++;
	}
	return 0;
}

int intel_rdt_stats_read(const struct intel_rdt_plan *plan, int root_fd, struct arena *arena,
			 struct oci_rdt_stats *ret_stats, struct wh_error *err)
{
	const char *group = plan->monitor ? plan->monitor : plan->group;
	auto_fd group_fd = path_open_beneath(root_fd, group, O_PATH | O_DIRECTORY, 0);
	struct oci_rdt_stats stats = {.n_cache_use = 0};
	int rc;

	if (group_fd == -ENOENT) {
		log_warning("linux.intelRdt: '%s' was removed from resctrl", group);
		return 0;
	}
	if (group_fd < 0)
		return wh_fail(err, -group_fd, "linux.intelRdt: open the group '%s'", group);
	if (read_cache_info(root_fd, arena, &stats.cache) < 0 ||
	    read_bandwidth_info(root_fd, arena, &stats.bandwidth) < 0)
		return wh_oom(err);
	rc = read_lines(&stats, root_fd, ".", arena, &stats.cache_schema_root,
			&stats.bandwidth_schema_root, err);
	if (rc == 0)
		rc = read_lines(&stats, root_fd, plan->group, arena, &stats.cache_schema,
				&stats.bandwidth_schema, err);
	if (rc == 0 && read_use(group_fd, arena, &stats) < 0)
		rc = wh_oom(err);
	if (rc == 0)
		*ret_stats = stats;
	return rc;
}
