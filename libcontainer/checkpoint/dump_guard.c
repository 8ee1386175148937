/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/dump_guard.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/process.h"
#include "base/str.h"
#include "base/sys.h"

bool dump_give_up(pid_t pid, int pidfd, bool settled)
{
	const struct rlimit none = {0};

	/* Until it is reaped the pid is its own. It ignores SIGXFSZ: see struct criu_start. */
	if (process_wait_end(pidfd, 0) == 0)
		return true; /* killed as its caller was, perhaps */
	if (!settled)
		prlimit(pid, RLIMIT_FSIZE, &none, NULL);
	if (process_wait_end(pidfd, DUMP_GIVE_UP_MS) == 0)
		return false;
	sys_pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	process_wait_end(pidfd, DUMP_GIVE_UP_MS);
	return true;
}

/** What dump_guard_settle() leaves word of. */
#define WORD_SETTLED 's'

/** What the guard is to let go. */
struct watch {
	pid_t criu;
	int criu_pidfd;
	int cgroup_fd; /* -EBADF: there is none */
	bool frozen;   /* how the cgroup is to be */
};

static void let_go(void *ctx, char said)
{
	const struct watch *watch = ctx;

	if (dump_give_up(watch->criu, watch->criu_pidfd, said == WORD_SETTLED) &&
	    watch->cgroup_fd >= 0)
		file_write_existing(watch->cgroup_fd, "cgroup.freeze", watch->frozen ? "1" : "0");
}

int dump_guard_start(struct dump_guard *guard, const struct criu *criu, int cgroup_fd, bool frozen,
		     struct wh_error *err)
{
	struct watch watch = {
	    .criu = criu->pid, .criu_pidfd = criu->pidfd, .cgroup_fd = cgroup_fd, .frozen = frozen};
	const int keep[] = {criu->pidfd, cgroup_fd};
	/* whoever reads the caller's streams to their end must not have to wait for the guard */
	const struct guard_post post = {.recover = let_go,
					.ctx = &watch,
					.keep = keep,
					.n_keep = ARRAY_LEN(keep),
					.prepare = criu_streams_settle};

	return guard_start(&guard->guard, &post, err);
}

void dump_guard_settle(struct dump_guard *guard)
{
	guard_say(&guard->guard, WORD_SETTLED);
}

void dump_guard_end(struct dump_guard *guard)
{
	guard_end(&guard->guard);
}
