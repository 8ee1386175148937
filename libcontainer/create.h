/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's side of create and run: the steps in create.c, the state between them here. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_oom.h"
#include "cgroups/systemd_bus.h"
#include "libcontainer/config_load.h"
#include "libcontainer/container.h"
#include "libcontainer/foreground.h"
#include "libcontainer/handover.h"
#include "libcontainer/spawn.h"
#include "libcontainer/state_store.h"

struct create {
	const struct runtime *rt;
	const struct create_options *opts;
	bool run;           /* init is started by us: no start socket */
	struct arena arena; /* shared with init */
	struct problems problems;
	struct loaded_config config;
	struct container_plan *plan;
	int root_fd; /* the state root */
	int dir_fd;  /* the container's state directory, locked */
	int cgroup_mount_fd;
	struct cgroup cgroup;
	struct systemd_bus *systemd; /* open from the plan until the unit is started */
	bool unit_started;
	struct cgroup_oom_watch oom; /* of a unit, whose cgroup does not outlive init */
	struct cgroup
	    caller_cgroup; /* without a manager: where the container runs, for its mount */
	int rdt_fd;        /* root of resctrl, when linux.intelRdt asks for it */
	bool rdt_missing;  /* its class of service is made by us */
	struct handover handover;
	int notify_fd; /* bound NOTIFY_SOCKET of the container */
	struct spawn spawn;
	bool started_ahead; /* init was told to start before it is ready: see step_start_ahead() */
	struct foreground foreground; /* run in the foreground: catches signals */
	struct container_record record;
	char boot_id[BOOT_ID_SIZE];
	char created[48];
	char rootfs_path[4096];
};

/** Prepare an empty context. */
void create_init(struct create *create, const struct runtime *rt, const struct create_options *opts,
		 bool run);
/**
 * Everything up to a container whose init waits to be started; record and pid file are written. On
 * failure nothing is left.
 */
int create_run_steps(struct create *create, struct wh_error *err);
/** Close and unmap everything; the container stays. */
void create_done(struct create *create);
/**
 * Undo a container that was made: kill, remove cgroup and state (no hooks). For failures after
 * create_run_steps().
 */
void create_undo(struct create *create);
/** run in the foreground: catch signals from here on, once. Returns 0 or -errno. */
int create_catch_signals(struct create *create, struct wh_error *err);
/** Tell init to go on and wait until its program is executed. */
int create_start(struct create *create, struct wh_error *err);

/**
 * For a container whose process comes from an image: everything before there is one, up to the cgroup
 * and the opened sources. On failure nothing is left. Returns 0 or -errno.
 */
int create_prepare(struct create *create, struct wh_error *err);
/** Start the unit of systemd's that the plan has, with create->spawn.process, which waits at spawn.sock, in it. */
int create_start_unit(struct create *create, struct wh_error *err);
/** Undo create_prepare(), ending what is in the cgroup by now. */
void create_unprepare(struct create *create);
/**
 * Make create->spawn.process the container's: device rules, record, pid file, pidfd. On failure these are
 * undone. Returns 0 or -errno.
 */
int create_publish(struct create *create, struct wh_error *err);
void create_unpublish(struct create *create);
/** Move network devices, and run prestart and createRuntime hooks, for create->spawn.process. */
int create_run_hooks(struct create *create, struct wh_error *err);
/** Wait in the foreground for the end of a running container, and delete it unless it is kept. */
int create_attend(struct create *create, int *ret_status, struct wh_error *err);
/** Run the poststart hooks. Returns 0 or -errno. */
int create_run_poststart(struct create *create, struct wh_error *err);
