/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a process that was killed is gone. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "base/process.h"

/** Whether @pid has ended within five seconds; whether its reaper has taken notice is not ours. */
static inline bool process_ends(pid_t pid)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	for (int i = 0; i < 500; i++) {
		char letter = 0;

		if (process_stat(pid, NULL, &letter) == -ESRCH || letter == 'Z')
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}
