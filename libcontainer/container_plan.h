/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole of what will be done for one container (or one exec), decided before the host is
 * touched. It lives in the shared arena and is read by the parent, by init and by `wherry plan`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/cgroup.h"
#include "libcontainer/intel_rdt.h"
#include "libcontainer/late_mounts.h"
#include "libcontainer/seccomp/program.h"
#include "namespaces/mount_plan.h"
#include "namespaces/ns_plan.h"
#include "namespaces/rootfs.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/**
 * The container's process as init will make it. All resolved but what only the container's files
 * can tell (HOME, the program's path).
 */
struct process_plan {
	const struct oci_process *spec; /* rlimits, scheduler, ... that need no resolving */
	const char **args;              /* NULL-terminated */
	const char **env;               /* NULL-terminated, of a repeated variable only the last */
	size_t n_env;
	bool home_missing; /* HOME is absent or empty: init takes it from the container's passwd */
	bool listen_pid;   /* LISTEN_FDS was passed on: init adds LISTEN_PID */
	const char *cwd;
	uint32_t uid;
	uint32_t gid;
	const gid_t *groups;
	size_t n_groups;
	bool
	    set_groups; /* false where setgroups is denied (an unprivileged user namespace), or not wanted */
	uint32_t umask; /* 0022 when the document has none, as runc and crun do */
	uint64_t caps_bounding;
	uint64_t caps_effective;
	uint64_t caps_permitted;
	uint64_t caps_inheritable;
	uint64_t caps_ambient;
	bool no_new_privs;
	bool terminal;
	uint16_t rows; /* 0 = leave */
	uint16_t columns;
	const char *apparmor_profile; /* NULL: none */
	const char *selinux_label;
	const char *
	    keyring; /* name of the session keyring to join, NULL = keep the caller's (--no-new-keyring) */
	unsigned int preserve_fds; /* fds 3..2+N stay open in the program (LISTEN_FDS included) */
	struct seccomp_program *
	    seccomp; /* NULL: none. Filled by the parent before it says SYNC_PROCEED the last time */
};

enum container_plan_kind { CONTAINER_PLAN_CREATE, CONTAINER_PLAN_EXEC, CONTAINER_PLAN_MOUNTS };

/** The fds that init inherits, by their numbers in it; -EBADF: not there. */
struct init_fds {
	int sync;   /* its end of the pair */
	int listen; /* start socket (create), listening */
	struct rootfs_fds rootfs;
	int *joins;       /* one for each ns.joins */
	int target_pidfd; /* exec: the container's init */
	int cgroup;       /* O_PATH of the container's cgroup directory */
};

#define INIT_FDS_NONE                                                                              \
	{                                                                                          \
		.sync = -EBADF, .listen = -EBADF, .target_pidfd = -EBADF, .cgroup = -EBADF,        \
		.rootfs = {                                                                        \
			.root = -EBADF                                                             \
		}                                                                                  \
	}

struct container_plan {
	enum container_plan_kind kind;
	const char *id;
	const char *bundle; /* absolute */
	const struct oci_spec *spec;
	struct ns_plan ns;
	struct rootfs_plan rootfs; /* create only */
	struct process_plan process;
	struct cgroup_plan cgroup;
	struct intel_rdt_plan rdt;
	const struct oci_hooks *hooks; /* never NULL */
	const char *state_head;        /* the state for init's hooks: text up to the pid's value, */
	const char *state_tail;        /* and after it */
	uint64_t
	    exec_namespaces; /* exec, mounts: CLONE_NEW* in which the container's init differs from the caller */
	const struct late_mount_ids
	    *removed_mounts; /* mounts remove: for each of rootfs.mounts; NULL: they are added */
	bool trace;
	struct init_fds fds; /* filled just before clone3 */
};

struct container_plan_input {
	const struct oci_spec *spec;
	const char *id;
	const char *bundle; /* absolute */
	const char *state_root;
	bool default_root;
	const char *own_cgroup; /* the caller's, "" when unknown */
	enum cgroup_manager cgroup_manager;
	bool user_manager; /* systemd's units are the user's own manager's */
	bool privileged;   /* root in the initial user namespace or in one with full maps */
	bool no_pivot;
	bool no_new_keyring;
	unsigned int preserve_fds;
	const char *listen_fds;    /* $LISTEN_FDS of the caller, NULL: none */
	const char *notify_socket; /* path inside the container for NOTIFY_SOCKET, NULL: none */
};

/**
 * Decide everything. Pure but for the arena. Every problem found is added to @problems: document
 * rules that need several layers, what this version does not apply, names unknown to this build.
 * Returns 0 with *@ret_plan (even when there are problems, so that `plan` can print it), or -errno.
 */
int container_plan_build(const struct container_plan_input *input, struct arena *arena,
			 struct problems *problems, struct container_plan **ret_plan,
			 struct wh_error *err);

/** Decide about a process for exec: @process on top of what the container's spec says. */
int process_plan_build(const struct oci_process *process, const struct oci_spec *spec,
		       const struct container_plan_input *input, struct arena *arena,
		       struct problems *problems, struct process_plan *ret_plan,
		       struct wh_error *err);
