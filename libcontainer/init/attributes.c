/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attributes of the container's process that are one system call each (config.md#process,
 * config.md#linux-process).
 */
#include "libcontainer/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/number_list.h"
#include "base/path.h"
#include "base/procfs.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/cpu_affinity.h"

#define KEYCTL_JOIN_SESSION_KEYRING 1
#define KEYCTL_SETPERM              5
#define KEYCTL_DESCRIBE             6
#define KEY_POS_ALL                 0x3f000000U
#define KEY_USR_ALL                 0x003f0000U
/** search: what runc adds for the user, so that the owner's processes find the ring */
#define KEY_USR_SEARCH 0x00080000U

#define IOPRIO_WHO_PGRP    2
#define IOPRIO_CLASS_SHIFT 13

/**
 * struct sched_attr of sched_setattr(2): the kernel's header clashes with the C libraries' own
 * <sched.h>.
 */
struct scheduler_attributes {
	uint32_t size;
	uint32_t sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime;
	uint64_t sched_deadline;
	uint64_t sched_period;
};

/**
 * Write one LSM attribute of this thread; what the kernel lacks is an error, since a label was
 * asked for.
 */
static int write_label(int proc_fd, const char *const *files, const char *value, const char *what,
		       struct wh_error *err)
{
	for (; *files; files++) {
		auto_fd fd = procfs_open_file(proc_fd, *files, O_WRONLY, NULL);

		if (fd == -ENOENT && files[1])
			continue;
		if (fd < 0)
			return wh_fail(err, -fd, "%s '%s': open /proc/%s", what, value, *files);
		if (fd_write_all(fd, value, strlen(value)) < 0)
			return wh_fail(err, errno, "%s '%s': write /proc/%s", what, value, *files);
		return 0;
	}
	return wh_fail(err, ENOENT, "%s '%s'", what, value);
}

/** A ring that is made from here on is the program's, in SELinux's eyes. The program's start ends that. */
static int label_new_keys(struct init *init, struct wh_error *err)
{
	static const char *const files[] = {"thread-self/attr/keycreate", NULL};
	const char *label = init->plan->process.selinux_label;

	return label ? write_label(init->proc_fd, files, label, "process.selinuxLabel", err) : 0;
}

int init_join_keyring(struct init *init, struct wh_error *err)
{
	char description[256];
	const char *perm;
	unsigned int bits;
	long ring;
	int rc = label_new_keys(init, err);

	if (rc < 0)
		return rc;
	ring = sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, (unsigned long)init->plan->process.keyring,
			  0, 0, 0);
	if (ring == -ENOSYS) /* a kernel without keys, or a host that filters the call */
		return 0;
	if (ring < 0)
		return wh_fail(err, (int)-ring, "join session keyring '%s'",
			       init->plan->process.keyring);
	/* An exec joins the ring by name: let its owner search it. */
	long n = sys_keyctl(KEYCTL_DESCRIBE, (unsigned long)ring, (unsigned long)description,
			    sizeof(description) - 1, 0);

	if (n < 0 || (size_t)n >= sizeof(description))
		return wh_fail(err, n < 0 ? (int)-n : EMSGSIZE, "describe session keyring '%s'",
			       init->plan->process.keyring);
	description[n] = '\0';
	/* type;uid;gid;perm;description */
	perm = description;
	for (int field = 0; perm && field < 3; field++) {
		perm = strchr(perm, ';');
		perm = perm ? perm + 1 : NULL;
	}
	if (!perm || (bits = (unsigned int)strtoul(perm, NULL, 16)) == 0)
		return wh_fail(err, EPROTO, "permissions of session keyring '%s'",
			       init->plan->process.keyring);
	n = sys_keyctl(KEYCTL_SETPERM, (unsigned long)ring, bits | KEY_USR_SEARCH, 0, 0);
	if (n < 0)
		return wh_fail(err, (int)-n, "set the permissions of session keyring '%s'",
			       init->plan->process.keyring);
	return 0;
}

/**
 * Before a user namespace is joined, whose root may not lower the score. The parent does it for a
 * new one.
 */
int init_set_oom_score(struct init *init, struct wh_error *err)
{
	const struct oci_process *spec = init->plan->process.spec;
	char text[24];
	int rc;

	if (!spec->oom_score_adj || (init->plan->ns.clone_flags & CLONE_NEWUSER))
		return 0;
	snprintf(text, sizeof(text), "%d", (int)*spec->oom_score_adj);
	rc = procfs_write(init->proc_fd, "self/oom_score_adj", text, err);
	if (rc < 0)
		wh_error_prefix(err, "process.oomScoreAdj");
	return rc;
}

int init_set_rlimits(struct init *init, struct wh_error *err)
{
	const struct oci_process *spec = init->plan->process.spec;

	for (size_t i = 0; i < spec->n_rlimits; i++) {
		const struct oci_rlimit *limit = &spec->rlimits[i];
		struct rlimit value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};

		if (setrlimit((int)limit->type, &value) < 0)
			return wh_fail(err, errno, "process.rlimits[%zu]: set soft %llu, hard %llu",
				       i, (unsigned long long)limit->soft,
				       (unsigned long long)limit->hard);
	}
	return 0;
}

int init_set_labels(struct init *init, struct wh_error *err)
{
	static const char *const apparmor_files[] = {"thread-self/attr/apparmor/exec",
						     "thread-self/attr/exec", NULL};
	static const char *const selinux_files[] = {"thread-self/attr/exec", NULL};
	const struct process_plan *process = &init->plan->process;
	char profile[PATH_MAX];
	int rc = 0;

	if (process->apparmor_profile) {
		int n = snprintf(profile, sizeof(profile), "exec %s", process->apparmor_profile);

		if (n < 0 || (size_t)n >= sizeof(profile))
			return wh_fail(err, ENAMETOOLONG, "process.apparmorProfile");
		rc = write_label(init->proc_fd, apparmor_files, profile, "process.apparmorProfile",
				 err);
	}
	if (rc == 0 && process->selinux_label)
		rc = write_label(init->proc_fd, selinux_files, process->selinux_label,
				 "process.selinuxLabel", err);
	return rc;
}

int init_set_scheduler(struct init *init, struct wh_error *err)
{
	const struct oci_scheduler *spec = init->plan->process.spec->scheduler;
	struct scheduler_attributes attr = {.size = sizeof(attr)};

	if (!spec)
		return 0;
	attr.sched_policy = (uint32_t)spec->policy;
	attr.sched_flags = spec->flags;
	attr.sched_nice = spec->nice ? (int32_t)*spec->nice : 0;
	attr.sched_priority = spec->priority ? (uint32_t)*spec->priority : 0;
	attr.sched_runtime = spec->runtime ? *spec->runtime : 0;
	attr.sched_deadline = spec->deadline ? *spec->deadline : 0;
	attr.sched_period = spec->period ? *spec->period : 0;
	if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
		return wh_fail(err, errno, "process.scheduler");
	return 0;
}

int init_set_io_priority(struct init *init, struct wh_error *err)
{
	const struct oci_io_priority *spec = init->plan->process.spec->io_priority;

	if (!spec)
		return 0;
	/* the process group, as runc does: init leads its own session by now */
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PGRP, 0,
		    (int)(spec->io_class << IOPRIO_CLASS_SHIFT | spec->priority)) < 0)
		return wh_fail(err, errno, "process.ioPriority");
	return 0;
}

int init_set_memory_policy(struct init *init, struct wh_error *err)
{
	const struct oci_memory_policy *spec = init->plan->spec->linux_->memory_policy;
	unsigned long mask[1024 / (8 * sizeof(unsigned long))] = {0};
	int max_node = 0;

	if (!spec || init->plan->kind != CONTAINER_PLAN_CREATE)
		return 0;
	if (!str_empty(spec->nodes)) {
		max_node = number_list_parse(spec->nodes, mask, 8 * sizeof(mask));
		if (max_node < 0)
			return wh_fail(err, EINVAL,
				       "linux.memoryPolicy.nodes: '%s' is no list of nodes",
				       spec->nodes);
		max_node++;
	}
	if (syscall(SYS_set_mempolicy, (int)spec->mode | (int)spec->flags, max_node ? mask : NULL,
		    (unsigned long)max_node) < 0)
		return wh_fail(err, errno, "linux.memoryPolicy");
	return 0;
}

int init_set_cpu_affinity(struct init *init, struct wh_error *err)
{
	const struct oci_exec_cpu_affinity *spec = init->plan->process.spec->exec_cpu_affinity;

	if (!spec || init->plan->kind != CONTAINER_PLAN_EXEC || str_empty(spec->final))
		return 0;
	return cpu_affinity_set(spec->final, "process.execCPUAffinity.final", err);
}

int init_set_personality(struct init *init, struct wh_error *err)
{
	const struct oci_personality *spec = init->plan->spec->linux_->personality;

	if (!spec)
		return 0;
	if (personality((unsigned long)spec->domain) < 0)
		return wh_fail(err, errno, "linux.personality");
	return 0;
}

int init_make_cwd(struct init *init, struct wh_error *err)
{
	auto_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd made = -EBADF;

	if (root < 0)
		return wh_fail(err, errno, "open the container's root");
	made = path_mkdir_in_root(root, init->plan->process.cwd, 0755, err);
	if (made >= 0)
		return 0;
	wh_error_prefix(err, "process.cwd");
	return made;
}

int init_enter_cwd(struct init *init, struct wh_error *err)
{
	const char *cwd = init->plan->process.cwd;

	if (chdir(cwd) == 0)
		init->in_cwd = true;
	else if (errno != EACCES && errno != EPERM && errno != ENOENT)
		return wh_fail(err, errno, "process.cwd: change to '%s'", cwd);
	return 0;
}

/** As the user: where init's own attempt failed. Only create makes what is missing: an exec leaves the root as it is. */
static int change_to_cwd(struct init *init, struct wh_error *err)
{
	const char *cwd = init->plan->process.cwd;
	int rc;

	if (chdir(cwd) == 0)
		return 0;
	if (errno != ENOENT || init->plan->kind == CONTAINER_PLAN_EXEC)
		return wh_fail(err, errno, "process.cwd: change to '%s'", cwd);
	rc = init_make_cwd(init, err);
	if (rc == 0 && chdir(cwd) < 0)
		rc = wh_fail(err, errno, "process.cwd: change to '%s'", cwd);
	return rc;
}

/**
 * The raw getcwd(2) tells whether it lies inside the root: a cwd reached through a leaked directory
 * fd is outside (CVE-2024-21626).
 */
int init_set_cwd(struct init *init, struct wh_error *err)
{
	const char *cwd = init->plan->process.cwd;
	char buf[PATH_MAX];
	int rc = init->in_cwd ? 0 : change_to_cwd(init, err);

	if (rc < 0)
		return rc;
	rc = sys_getcwd(buf, sizeof(buf));
	if (rc < 0)
		return wh_fail(err, -rc, "process.cwd: '%s'", cwd);
	if (buf[0] != '/')
		return wh_fail(err, EPERM, "process.cwd: '%s' is outside of the container's root",
			       cwd);
	return 0;
}
