/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's place in the cgroup v2 tree. The v2 mount is found once: /sys/fs/cgroup,
 * /sys/fs/cgroup/unified (hybrid hosts), else through mountinfo. On a hybrid host a container that
 * asks for no limit lives there with the core files alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/resource_files.h"
#include "cgroups/systemd_unit.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

enum cgroup_manager { CGROUP_MANAGER_CGROUPFS, CGROUP_MANAGER_SYSTEMD, CGROUP_MANAGER_DISABLED };

/** One eBPF instruction as the kernel takes it (struct bpf_insn), kept opaque here. */
struct bpf_insn;

/** What will be done, decided from the spec alone. Lives in the arena. */
struct cgroup_plan {
	enum cgroup_manager manager;
	/* below the v2 mount, absolute, clean; NULL with CGROUP_MANAGER_DISABLED */
	const char *path;
	bool own_path; /* chosen by wherry: the spec had no cgroupsPath */
	/* the unit that has the cgroup; NULL but with CGROUP_MANAGER_SYSTEMD */
	const struct systemd_unit *unit;
	const struct bpf_insn *device_program; /* NULL: all devices are allowed */
	size_t n_device_program;
	struct cgroup_writes writes; /* the resource limits */
	/* give the cgroup to the container's root (config-linux.md#cgroup-ownership) */
	bool delegate;
	uint32_t delegate_uid; /* host uid */
};

/** What a cgroup is planned from. */
struct cgroup_plan_input {
	const struct oci_spec *spec;
	enum cgroup_manager manager;
	const char *id;
	/* the state root's path; makes the default name another one unless it is the default root */
	const char *root;
	bool default_root;
	/*
	 * the caller's own cgroup, whose parent is the base of a relative cgroupsPath and of the
	 * default path; "" when unknown, or for the default path to be at the mount
	 */
	const char *own_cgroup;
	bool user_manager; /* systemd's units are the user's own manager's */
};

/**
 * Build the plan. The default path is "/wherry-ID" for the default root, else with a hash of the root
 * so that two roots never collide; with systemd it is wherry-ID.scope in system.slice, or user.slice
 * of the user's manager, and the plan's path is below that manager's own cgroup. Pure.
 *
 * Adds problems: cgroupsPath with "..", control bytes, or a form that is not the manager's; each
 * resource limit that cgroup v2 cannot express, by its name; a malformed device rule; an annotation
 * that is no property of a unit. That a controller is missing on this host shows in cgroup_create()
 * only. Returns 0 or -errno.
 */
int cgroup_plan_build(const struct cgroup_plan_input *input, struct arena *arena,
		      struct problems *problems, struct cgroup_plan *ret_plan,
		      struct wh_error *err);

/**
 * Whether a container of @spec may make cgroups of its own: something that is not read-only is mounted
 * at /sys/fs/cgroup. Pure.
 */
bool cgroup_plan_may_nest(const struct oci_spec *spec);
/**
 * Whether the plan's limit of memory is so low that a process may be killed for its first pages. Pure.
 */
bool cgroup_plan_starves(const struct cgroup_plan *plan);
/**
 * Whether the caller is root in the initial user namespace. Anyone else may make cgroups only where
 * they were delegated, and no device programs.
 */
bool cgroup_caller_is_host_root(void);
/**
 * Fit @plan to a caller who is not: when nothing was delegated that @plan's cgroup could be made
 * in, and the document neither names a cgroup nor limits anything, the plan becomes one without a
 * cgroup (CGROUP_MANAGER_DISABLED), as in runc's rootless mode. Looks at the host.
 */
void cgroup_plan_fit_caller(struct cgroup_plan *plan);

/** An existing cgroup directory. */
struct cgroup {
	int dir_fd;   /* O_DIRECTORY; usable with CLONE_INTO_CGROUP and openat */
	bool created; /* made by cgroup_create() */
	/*
	 * how many directories cgroup_create() made, this one included: for cgroup_remove_parents()
	 */
	unsigned int made;
};

#define CGROUP_NONE ((struct cgroup){.dir_fd = -EBADF})

/**
 * An fd of the host's v2 mount (magic checked), the caller's. Returns it, or -errno with an error
 * that says where controllers are.
 */
int cgroup_open_mount(struct wh_error *err);
/**
 * The caller's own cgroup path below the v2 mount into @buf; "" when it lies outside of the
 * caller's cgroup namespace or was removed.
 * Returns 0 or -errno.
 */
int cgroup_own_path(char *buf, size_t size, struct wh_error *err);
/**
 * Make the cgroup (parents too), enable the controllers of its limits from the mount down to its
 * parent, and write the limits but for cgroup_limit_cpu()'s. A cgroup that holds processes or is frozen is refused, as runc
 * does: killing it later would kill strangers. On failure what was made is removed. Returns 0 or
 * -errno.
 */
int cgroup_create(const struct cgroup_plan *plan, int mount_fd, struct cgroup *ret_cgroup,
		  struct wh_error *err);
/**
 * Take the cgroup of the plan's unit, which systemd has started with process @pid; into a slice it is
 * moved here, and one that holds processes or is frozen is refused. Then the limits are written, also
 * those that the unit has properties for: a property may be coarser. Returns 0 or -errno.
 */
int cgroup_take_unit(const struct cgroup_plan *plan, int mount_fd, pid_t pid,
		     struct cgroup *ret_cgroup, struct wh_error *err);
/**
 * Write the plan's limits of processor time, which cgroup_create() leaves out: see enum resource_part. It
 * must be done before any program of the user's runs. Returns 0 or -errno.
 */
int cgroup_limit_cpu(const struct cgroup_plan *plan, const struct cgroup *cgroup,
		     struct wh_error *err);
/**
 * Attach the plan's device program, replacing an older one of ours. Apart from cgroup_create()
 * because the kernel's verifier takes longer than all of that: init can mount meanwhile, which no
 * device rule concerns; it must be done before any program of the user's runs.
 * Returns 0 or -errno.
 */
int cgroup_attach_devices(const struct cgroup_plan *plan, const struct cgroup *cgroup,
			  struct wh_error *err);
/**
 * How many of the last components of @path do not exist yet: 0 when it does. Returns the number or
 * -errno.
 */
int cgroup_count_missing(int mount_fd, const char *path);
/** Open the cgroup at @path. Returns 0, or -ENOENT when it is gone, or -errno. */
int cgroup_open(int mount_fd, const char *path, struct cgroup *ret_cgroup, struct wh_error *err);
/**
 * Open the cgroup @path below @cgroup, by cgroup_path_join()'s rules ("/" is @cgroup itself).
 * Returns 0 or -errno. CVE class of exec --cgroup "../..".
 */
int cgroup_open_sub(const struct cgroup *cgroup, const char *path, struct cgroup *ret_cgroup,
		    struct wh_error *err);
/**
 * The path below the v2 mount of the cgroup that process @pid is in, into @buf; "" when it is out of
 * reach. Returns 0 or -errno.
 */
int cgroup_path_of(pid_t pid, char *buf, size_t size, struct wh_error *err);
/** Open the cgroup that process @pid is in. Returns 0 or -errno. */
int cgroup_open_of(int mount_fd, pid_t pid, struct cgroup *ret_cgroup, struct wh_error *err);
/**
 * Move the process @pid to @cgroup. It waits for the kernel (RCU): where a process is only made,
 * CLONE_INTO_CGROUP is the better way. Returns 0 or -errno.
 */
int cgroup_enter(const struct cgroup *cgroup, pid_t pid, struct wh_error *err);
void cgroup_close(struct cgroup *cgroup);
/**
 * Freeze or thaw and wait for the kernel to say so (cgroup.events), at most @timeout_ms; a freeze
 * that times out is undone.
 */
int cgroup_set_frozen(const struct cgroup *cgroup, bool frozen, int timeout_ms,
		      struct wh_error *err);
/** Whether it is frozen: 1, 0 or -errno. */
int cgroup_is_frozen(const struct cgroup *cgroup);
/**
 * Whether the cgroup @path is frozen because somebody wants it so, there or above. cgroup.events alone
 * does not say it of an empty one: Linux 6.18 leaves "frozen 1" behind when the last process ends while
 * it is being thawed.
 */
bool cgroup_freeze_asked(int mount_fd, const char *path);
/** Make cgroup.events of an empty one that nobody wants frozen say so again. */
void cgroup_freeze_settle(const struct cgroup *cgroup);
/** SIGKILL everything in it and below (cgroup.kill); works on a frozen one too. One that is gone holds nothing. */
int cgroup_kill(const struct cgroup *cgroup, struct wh_error *err);
/** How deep below a container's cgroup pids are looked for; kill and remove have no such bound. */
#define CGROUP_MAX_DEPTH 128

/** Whether it or a descendant holds a process: 1, 0 or -errno. */
int cgroup_is_populated(const struct cgroup *cgroup);
/**
 * All pids in it and its descendants, in the arena, ascending. Processes of pid namespaces that the
 * caller cannot see are left out (the kernel shows them as 0). Returns 0 or -errno; -ELOOP below
 * CGROUP_MAX_DEPTH levels.
 */
int cgroup_pids(const struct cgroup *cgroup, struct arena *arena, pid_t **ret_pids,
		size_t *ret_count, struct wh_error *err);
/**
 * Send @sig to every process in it and below, freezing meanwhile so that none escapes (SIGKILL uses
 * cgroup.kill).
 */
int cgroup_signal_all(const struct cgroup *cgroup, int sig, struct wh_error *err);
/**
 * Remove the cgroup at @path with its descendants, waiting up to @timeout_ms for what dies in it.
 * Gone already is success. When processes remain the error names their pids. Parents stay: see
 * cgroup_remove_parents().
 */
int cgroup_remove(int mount_fd, const char *path, int timeout_ms, struct wh_error *err);
/**
 * The same for the cgroup of systemd's @unit (@user: of the user's own manager), which is stopped and
 * forgotten, unless systemd has seen its end by itself. When systemd cannot be reached or refuses that is
 * a warning, and only the cgroup is removed: systemd collects a unit whose cgroup is gone.
 */
int cgroup_remove_unit(int mount_fd, const char *path, const char *unit, bool user, int timeout_ms,
		       struct wh_error *err);
/**
 * Remove the cgroup at @path if nothing is in it, killing nothing: for a cgroup that may be
 * another's. Gone already is success. Returns 0, -EBUSY when something is in it, or -errno; no
 * text.
 */
int cgroup_remove_unused(int mount_fd, const char *path);
/**
 * After cgroup_remove(): remove the parents of @path that wherry made, for it (@made, its struct
 * cgroup's member) or for another container before it (they are marked), deepest first, stopping
 * at the first that is another's or in use. Never fails: another container may live beside.
 */
void cgroup_remove_parents(int mount_fd, const char *path, unsigned int made);
/**
 * Whether the kernel killed something in it, or refused it memory, for its limit's sake: the counts
 * oom_kill and oom of memory.events. False when the controller is not there.
 */
bool cgroup_ran_out_of_memory(const struct cgroup *cgroup);
