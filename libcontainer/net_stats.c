/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/net_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"

/** What /proc/PID/net/dev is taken to be at most: a thousand interfaces. */
#define TEXT_MAX (256UL << 10)

/** The columns of /proc/net/dev that are told, of 16: eight of what came in, eight of what went. */
static const struct {
	int column;
	size_t offset;
} columns[] = {
    {0,  offsetof(struct oci_interface_stats, rx_bytes)  },
    {1,  offsetof(struct oci_interface_stats, rx_packets)},
    {2,  offsetof(struct oci_interface_stats, rx_errors) },
    {3,  offsetof(struct oci_interface_stats, rx_dropped)},
    {8,  offsetof(struct oci_interface_stats, tx_bytes)  },
    {9,  offsetof(struct oci_interface_stats, tx_packets)},
    {10, offsetof(struct oci_interface_stats, tx_errors) },
    {11, offsetof(struct oci_interface_stats, tx_dropped)},
};

static void parse_columns(const char *text, struct oci_interface_stats *ret)
{
	for (int column = 0; *text && *text != '\n'; column++) {
		char *end;
		uint64_t value = strtoull(text, &end, 10);

		if (end == text)
			return;
		for (size_t i = 0; i < ARRAY_LEN(columns); i++)
			if (columns[i].column == column)
				*(uint64_t *)((char *)ret + columns[i].offset) = value;
		text = end;
	}
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		lines++;
	return lines + 1;
}

int net_stats_parse(const char *text, struct arena *arena, struct oci_stats *stats)
{
	stats->interfaces = arena_array(arena, struct oci_interface_stats, count_lines(text));
	if (!stats->interfaces)
		return -ENOMEM;
	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *name = text + strspn(text, " ");
		const char *colon = memchr(text, ':', len);

		text += len + (text[len] == '\n');
		if (!colon || str_after(name, "lo:"))
			continue;
		struct oci_interface_stats *entry = &stats->interfaces[stats->n_interfaces];

		entry->name = arena_strndup(arena, name, (size_t)(colon - name));
		if (!entry->name)
			return -ENOMEM;
		parse_columns(colon + 1, entry);
		stats->n_interfaces++;
	}
	return 0;
}

/** Whether @process is in the caller's network namespace; true also when that cannot be told. */
static bool shares_network(int proc_fd, const struct process_id *process)
{
	char path[64];
	struct stat own, theirs;

	snprintf(path, sizeof(path), "%d/ns/net", (int)process->pid);
	return fstatat(proc_fd, "self/ns/net", &own, 0) < 0 ||
	       fstatat(proc_fd, path, &theirs, 0) < 0 ||
	       (own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino);
}

int net_stats_read(const struct process_id *process, struct arena *arena, struct oci_stats *stats,
		   struct wh_error *err)
{
	auto_fd proc_fd = procfs_open(true, err);
	char path[64], *text;

	if (proc_fd < 0)
		return proc_fd;
	if (shares_network(proc_fd, process))
		return 0;
	text = arena_alloc(arena, TEXT_MAX);
	if (!text)
		return wh_oom(err);
	snprintf(path, sizeof(path), "%d/net/dev", (int)process->pid);
	/* The pid was the container's if it still is. */
	if (procfs_read(proc_fd, path, text, TEXT_MAX, NULL) < 0 || process_find(process, NULL) < 0)
		return 0;
	return net_stats_parse(text, arena, stats) < 0 ? wh_oom(err) : 0;
}
