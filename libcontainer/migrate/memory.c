/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/procfs_status.h"
#include "base/str.h"
#include "libcontainer/checkpoint/pagemap.h"

uint64_t migrate_inner_pid(const char *status)
{
	uint32_t numbers[PROCFS_STATUS_LEVELS];
	int count = procfs_status_numbers(status, numbers);

	return count > 1 ? numbers[count - 1] : 0;
}

/** A process that has ended meanwhile, a zombie, has no memory: it is left out. */
static int open_task(struct migrate_memory *memory, int proc, pid_t pid, struct wh_error *err)
{
	char path[32];
	char status[PROCFS_STATUS_SIZE];
	struct migrate_task *task = &memory->tasks[memory->n_tasks];

	if (procfs_status_read(proc, pid, status) < 0 || strstr(status, "\nState:\tZ"))
		return 0;
	task->number = migrate_inner_pid(status);
	if (task->number == 0)
		return wh_fail(err, ENOENT, "find the pid of process %d in the container", pid);
	snprintf(path, sizeof(path), "%d/mem", (int)pid);
	task->fd = procfs_open_file(proc, path, O_RDONLY, err);
	if (task->fd < 0)
		return task->fd;
	memory->n_tasks++;
	return 0;
}

int migrate_memory_open(struct migrate_memory *memory, const pid_t *pids, size_t count,
			int images_fd, struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);
	struct lazy_ranges left = {0};
	int rc;

	*memory = (struct migrate_memory){0};
	if (proc < 0)
		return proc;
	memory->tasks = calloc(count + 1, sizeof(*memory->tasks));
	memory->buffer = malloc(MIGRATE_CHUNK_MAX);
	if (!memory->tasks || !memory->buffer) {
		migrate_memory_close(memory);
		return wh_oom(err);
	}
	rc = lazy_ranges_read(images_fd, &left, err);
	memory->left = lazy_ranges_size(&left);
	lazy_ranges_done(&left);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = open_task(memory, proc, pids[i], err);
	if (rc < 0)
		migrate_memory_close(memory);
	return rc;
}

void migrate_memory_close(struct migrate_memory *memory)
{
	for (size_t i = 0; memory->tasks && i < memory->n_tasks; i++)
		fd_close(memory->tasks[i].fd);
	free(memory->tasks);
	free(memory->buffer);
	*memory = (struct migrate_memory){0};
}

static const struct migrate_task *find_task(const struct migrate_memory *memory, uint64_t number)
{
	for (size_t i = 0; i < memory->n_tasks; i++) {
		if (memory->tasks[i].number == number)
			return &memory->tasks[i];
	}
	return NULL;
}

/** All @len bytes of memory at @address. */
static int read_memory(int fd, uint8_t *to, size_t len, uint64_t address)
{
	while (len > 0) {
		ssize_t n = pread(fd, to, len, (off_t)address);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENXIO;
		to += n;
		len -= (size_t)n;
		address += (uint64_t)n;
	}
	return 0;
}

static int give_range(struct migrate_memory *memory, struct migrate_conn *conn,
		      const struct migrate_task *task, uint64_t address, uint64_t len,
		      struct wh_error *err)
{
	while (len > 0) {
		size_t part = len < MIGRATE_CHUNK_MAX ? (size_t)len : MIGRATE_CHUNK_MAX;
		int rc = read_memory(task->fd, memory->buffer, part, address);

		if (rc < 0)
			return wh_fail(err, -rc, "read the memory of process %llu at %#llx",
				       (unsigned long long)task->number,
				       (unsigned long long)address);
		rc = migrate_send(conn, MIGRATE_GIVEN_DATA, memory->buffer, part, NULL, 0, err);
		if (rc < 0)
			return rc;
		address += part;
		len -= part;
		memory->sent += part;
	}
	return 0;
}

int migrate_memory_send(struct migrate_memory *memory, struct migrate_conn *conn,
			const struct migrate_message *msg, struct wh_error *err)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct migrate_range pages = migrate_get_range(msg);
	const struct migrate_task *task = find_task(memory, pages.task);
	int rc;

	if (!task)
		return wh_fail(err, EPROTO, "%s wants memory of process %llu, which is none of it",
			       conn->peer, (unsigned long long)pages.task);
	if (pages.count == 0 || pages.address % page != 0 || pages.address > INT64_MAX)
		return wh_fail(err, EPROTO, "%s wants memory that is no page", conn->peer);
	if (pages.count > MIGRATE_ANSWER_PAGES)
		pages.count = MIGRATE_ANSWER_PAGES;
	rc = migrate_send_range(conn, MIGRATE_GIVEN, &pages, err);
	return rc < 0 ? rc : give_range(memory, conn, task, pages.address, pages.count * page, err);
}
