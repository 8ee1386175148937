/* SPDX-License-Identifier: Apache-2.0 */
#include "base/procfs_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/procfs.h"

int procfs_status_read(int proc_fd, pid_t pid, char text[PROCFS_STATUS_SIZE])
{
	char path[32];
	ssize_t n;

	text[0] = '\0';
	snprintf(path, sizeof(path), "%d/status", (int)pid);
	n = procfs_read(proc_fd, path, text, PROCFS_STATUS_SIZE, NULL);
	if (n >= 0)
		return 0;
	text[0] = '\0';
	return (int)n;
}

/** What is behind "\nKey:" in @text, or "". */
static const char *value_of(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line ? line + strlen(key) : "";
}

uint64_t procfs_status_memory(const char *text)
{
	return 1024 * (strtoull(value_of(text, "\nRssAnon:"), NULL, 10) +
		       strtoull(value_of(text, "\nRssShmem:"), NULL, 10));
}

int procfs_status_numbers(const char *text, uint32_t numbers[PROCFS_STATUS_LEVELS])
{
	const char *at = value_of(text, "\nNSpid:");
	int count = 0;

	while (count < PROCFS_STATUS_LEVELS && (*at == '\t' || *at == ' ')) {
		char *end;

		numbers[count] = (uint32_t)strtoul(at, &end, 10);
		if (end == at)
			break;
		count++;
		at = end;
	}
	return count;
}
