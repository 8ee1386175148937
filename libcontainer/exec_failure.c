/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/exec_failure.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/process.h"
#include "oci-spec/state.h"

/** What killed our process reaches init in this time, in milliseconds: cgroup.kill takes one after the other. */
#define INIT_KILL_MS 100
/** So long may init be on its way out: in a pid namespace it ends after the others. */
#define INIT_END_MS 1000
/** How often children are looked for meanwhile. */
#define REAP_MS 5

/** Whether our process has ended, and not of an error of its own. */
static bool lost_process(const struct exec_failure *failure, const struct wh_error *err)
{
	return failure->lost || err->code == ESRCH || err->code == EPIPE || err->code == ECONNRESET;
}

/**
 * A process that was killed in init's pid namespace before it could tell that it is there is a child of ours all the
 * same: init waits until it has been reaped. Returns as process_wait_end() does.
 */
static int await_init(const struct exec_failure *failure, int timeout_ms)
{
	int rc;

	do {
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
		rc = process_wait_end(failure->init_pidfd,
				      timeout_ms < REAP_MS ? timeout_ms : REAP_MS);
		timeout_ms -= REAP_MS;
	} while (rc == -ETIMEDOUT && timeout_ms > 0);
	return rc;
}

/** Only an init that is ending is waited for, and the signal that may have ended our process. */
static bool init_ends(const struct exec_failure *failure, const struct wh_error *err)
{
	struct process_look look;

	if (await_init(failure, lost_process(failure, err) ? INIT_KILL_MS : 0) == 0)
		return true;
	return process_look(failure->init, &look) == 0 && look.ending &&
	       await_init(failure, INIT_END_MS) == 0;
}

int exec_explain(const struct exec_failure *failure, int rc, struct wh_error *err)
{
	if (!err || err->kind != WH_ERROR_RUNTIME || failure->init_pidfd < 0 ||
	    !init_ends(failure, err))
		return rc;
	log_debug("exec in '%s': %s", failure->id, err->message);
	*err = WH_ERROR_INIT;
	return wh_fail_kind(err, WH_ERROR_STATE, 0,
			    "cannot exec a container that has just stopped: container not running: "
			    "'%s' is %s",
			    failure->id, oci_status_name(OCI_STATUS_STOPPED));
}
