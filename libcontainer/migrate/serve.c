/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source: the container runs at the destination before all of its memory is there, and stands still here. Post-copy its memory goes there
 * as it is wanted; else the destination reads it from images of its own, and is waited for.
 */
#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "libcontainer/migrate/fault.h"
#include "libcontainer/migrate/source.h"

/** How often whoever watches is told how far it is. */
#define TELL_NS 1000000000ULL

int migrate_serve_open(struct migrate_source *source, int images_fd, struct wh_error *err)
{
	struct access *access = &source->access;
	pid_t *pids = NULL;
	size_t count = 0;
	int rc = access_open_cgroup(access, err);

	if (rc == 0)
		rc = cgroup_pids(&access->cgroup, &access->arena, &pids, &count, err);
	return rc < 0 ? rc : migrate_memory_open(&source->memory, pids, count, images_fd, err);
}

/** What of the memory is still here, at most: pages that are given back there are never asked for. */
static uint64_t left(const struct migrate_memory *memory)
{
	return memory->left > memory->sent ? memory->left - memory->sent : 0;
}

static void tell(struct migrate_source *source, enum migrate_event_type type, uint64_t since_ns)
{
	migrate_tell(source, &(struct migrate_event){
				 .type = type,
				 .mode = source->mode,
				 .bytes = source->memory.sent,
				 .memory = source->memory.sent,
				 .ns = since_ns,
				 .left = left(&source->memory),
			     });
}

int migrate_serve_until(struct migrate_source *source, enum migrate_type type, int timeout_ms,
			struct migrate_message *ret_msg, struct wh_error *err)
{
	const uint64_t began = clock_ns();
	uint64_t told = began;

	for (;;) {
		int rc = migrate_receive(&source->conn, timeout_ms, ret_msg, err);

		if (rc < 0)
			return rc;
		if (ret_msg->type == MIGRATE_READING && source->deferred)
			continue;
		if (ret_msg->type != MIGRATE_WANT || !source->memory.tasks)
			return migrate_expected(&source->conn, ret_msg, type, err);
		rc = migrate_memory_send(&source->memory, &source->conn, ret_msg, err);
		if (rc < 0)
			return rc;
		if (source->ran_there && clock_ns() - told >= TELL_NS) {
			told = clock_ns();
			tell(source, MIGRATE_EVENT_FETCHED, told - began);
		}
	}
}

/** To be interrupted now would lose what the container does there. */
static void set_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(how, &set, NULL);
}

int migrate_serve_rest(struct migrate_source *source, struct wh_error *err)
{
	const uint64_t began = clock_ns();
	struct migrate_message msg;
	int rc;

	migrate_fault("source", "serving", NULL);
	set_signals(SIG_BLOCK);
	tell(source, MIGRATE_EVENT_RUNNING, 0);
	rc = migrate_serve_until(source, MIGRATE_COMPLETE, MIGRATE_WORK_MS, &msg, err);
	source->report->window_ns = clock_ns() - began;
	if (rc == 0)
		tell(source, MIGRATE_EVENT_FETCHED, source->report->window_ns);
	set_signals(SIG_UNBLOCK);
	return rc;
}
