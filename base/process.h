/* SPDX-License-Identifier: Apache-2.0 */
/* Other processes: a pid is trusted only together with its start time, and acted on through a
 * pidfd. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/** Length of the boot id's text with its NUL. */
#define BOOT_ID_SIZE 37

/** A process that may be gone: @pid names it only while @start_time (field 22 of /proc/PID/stat,
 * clock ticks) still matches. */
struct process_id {
	pid_t pid;
	uint64_t start_time;
};

/** Read the start time and the state letter of @pid ('Z' = zombie). Either output may be NULL.
 * Returns 0 or -errno: -ESRCH when it is gone, -ENOENT when it lives and /proc does not show it. */
int process_stat(pid_t pid, uint64_t *ret_start_time, char *ret_state);
/** The state letter, which may be NULL, of the very process @id. Returns 0 or -errno: -ESRCH also when the pid is another's now; see
 * process_stat(). */
int process_find(const struct process_id *id, char *ret_state);
/** How the command of a process is called at the most, with its NUL (TASK_COMM_LEN). */
#define PROCESS_NAME_SIZE 16
/** What /proc/PID/stat tells of a process, which may be a zombie. */
struct process_look {
	char name[PROCESS_NAME_SIZE]; /* of the program it executed last */
	char state;
	bool ending;     /* it is on its way out: it has left its namespaces, or is about to */
	int wait_status; /* of a zombie, as wait(2) has it; 0 where that is not for us to know */
};
/** Look at @pid. Returns 0 or -errno: see process_stat(). */
int process_look(pid_t pid, struct process_look *ret_look);
/** A pidfd of the very process @id, or -ESRCH when it is gone, is a zombie, or the pid is another's
 * now. Caller owns the fd. */
int process_open(const struct process_id *id);
/** Wait until the process behind @pidfd has ended, at most @timeout_ms (-1 = for ever). Returns 0,
 * -ETIMEDOUT or -errno. */
int process_wait_end(int pidfd, int timeout_ms);
/** Reap the child @pidfd. *@ret_status: its exit status, or 128 + signal. Returns 0 or -errno. */
int process_reap(int pidfd, int *ret_status);
/** The signal that ended a process with such a status, or 0: also of a program that exits with 255. */
int process_status_signal(int status);
/** Read the kernel's boot id into @buf (BOOT_ID_SIZE). Returns 0 or -errno. */
int process_boot_id(char buf[BOOT_ID_SIZE], struct wh_error *err);
