/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/status (proc_pid_status(5)): what it tells of a process. All but reading it is pure. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/** What is read of it, with a NUL: all that is asked for here is in the first lines. */
#define PROCFS_STATUS_SIZE 4096
/** A process has a number in each pid namespace that it is in; more than so many are never nested. */
#define PROCFS_STATUS_LEVELS 33

/**
 * Read that of @pid beneath @proc_fd (procfs_open()), which is lent. Returns 0, or -errno when the process has ended: @text is ""
 * then, of which nothing is told below.
 */
int procfs_status_read(int proc_fd, pid_t pid, char text[PROCFS_STATUS_SIZE]);
/** The memory that is in no file, in bytes: anonymous and shared. */
uint64_t procfs_status_memory(const char *text);
/** Its numbers, from the reader's pid namespace inwards. Returns how many; 0: it does not say. */
int procfs_status_numbers(const char *text, uint32_t numbers[PROCFS_STATUS_LEVELS]);
