/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/executed.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/process.h"
#include "base/str.h"
#include "libcontainer/init/init.h"

/** From the end of the socket to the new name, or to its end, it is microseconds to a process that runs. */
#define PAUSE_US  100
#define TRIES_MAX 10000

static int not_executed(int status, const char *program, struct wh_error *err)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGSYS)
		return wh_fail(err, 0, "exec: \"%s\": killed by signal %d before it was executed",
			       program, WTERMSIG(status));
	if (WIFSIGNALED(status))
		return wh_fail_kind(
		    err, WH_ERROR_PROGRAM, 0,
		    "exec: \"%s\": killed by signal %d before it was executed: does "
		    "linux.seccomp allow what that takes?",
		    program, WTERMSIG(status));
	return wh_fail_kind(
	    err, WH_ERROR_PROGRAM, WEXITSTATUS(status) > 1 ? WEXITSTATUS(status) : 0,
	    "exec: \"%s\": was not executed (linux.seccomp lets init say no more)", program);
}

int executed_check(pid_t pid, const char *program, struct wh_error *err)
{
	const struct timespec pause = {.tv_nsec = PAUSE_US * 1000L};
	struct process_look look;

	for (int i = 0; i < TRIES_MAX; i++) {
		if (process_look(pid, &look) < 0 || !streq(look.name, INIT_FILTERED_NAME))
			return 0;
		if (look.state == 'Z' || look.state == 'X')
			return not_executed(look.wait_status, program, err);
		nanosleep(&pause, NULL);
	}
	return 0; /* frozen, or stopped: it is on its way */
}
