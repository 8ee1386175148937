/* SPDX-License-Identifier: Apache-2.0 */
/* Source: what cannot be moved. */
#include "libcontainer/migrate/obstacles.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/procfs.h"
#include "base/procfs_status.h"
#include "base/str.h"
#include "base/sys.h"
#include "cgroups/cgroup_tree.h"
#include "libcontainer/checkpoint/external.h"
#include "libcontainer/mountinfo.h"
#include "oci-spec/namespace.h"

void migrate_obstacle(struct migrate_obstacles *obstacles, const char *fmt, ...)
{
	char text[1024];
	const char *kept;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (obstacles->count == MIGRATE_OBSTACLES_MAX)
		return;
	for (size_t i = 0; i < obstacles->count; i++) {
		if (streq(obstacles->list[i], text))
			return;
	}
	kept = arena_strdup(obstacles->arena, text);
	if (kept)
		obstacles->list[obstacles->count++] = kept;
}

int migrate_obstacles_fail(const struct migrate_obstacles *obstacles, const char *who,
			   struct wh_error *err)
{
	char text[3000] = "";
	size_t len = 0;

	if (obstacles->count == 0)
		return 0;
	for (size_t i = 0; i < obstacles->count && len < sizeof(text); i++) {
		int n = snprintf(text + len, sizeof(text) - len, "%s%s", i ? "; " : "",
				 obstacles->list[i]);

		len += n > 0 ? (size_t)n : 0;
	}
	wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0, "%s: %s", who, text);
	return -EOPNOTSUPP;
}

/** Namespaces that a container which is to be moved has for itself, and why. */
static const struct {
	int64_t type;
	const char *why;
} own_namespaces[] = {
    {CLONE_NEWNS,  "it has no mount namespace of its own"                                        },
    {CLONE_NEWPID, "it has no pid namespace of its own: its pids may be taken at the destination"},
    {CLONE_NEWIPC, "it has no ipc namespace of its own: what it shares with the host stays there"},
};

static bool is_standard_device(const char *path)
{
	static const char *const standard[] = {"/dev/null",    "/dev/zero",    "/dev/full",
					       "/dev/random",  "/dev/urandom", "/dev/tty",
					       "/dev/console", "/dev/ptmx"};

	for (size_t i = 0; i < ARRAY_LEN(standard); i++) {
		if (streq(path, standard[i]))
			return true;
	}
	return str_after(path, "/dev/pts/") || str_after(path, "/dev/shm/") ||
	       str_after(path, "/dev/mqueue/");
}

void migrate_find_in_spec(const struct oci_spec *spec, struct migrate_obstacles *obstacles)
{
	for (size_t i = 0; i < ARRAY_LEN(own_namespaces); i++) {
		const struct oci_namespace *ns =
		    oci_namespace_find(spec->linux_, own_namespaces[i].type);

		if (!ns)
			migrate_obstacle(obstacles, "%s", own_namespaces[i].why);
		else if (ns->path && own_namespaces[i].type != CLONE_NEWIPC)
			migrate_obstacle(obstacles,
					 "it has joined the namespace '%s' of other processes, "
					 "which stay behind",
					 ns->path);
	}
	if (spec->process && spec->process->terminal)
		migrate_obstacle(obstacles, "it has a terminal (process.terminal), whose other end "
					    "stays behind");
	for (size_t i = 0; i < spec->linux_->n_net_devices; i++)
		migrate_obstacle(obstacles,
				 "network device '%s' of the host was moved into it "
				 "(linux.netDevices)",
				 spec->linux_->net_devices[i].name);
}

/** What may stand behind an open file that is of this kernel or this machine alone. */
static const struct {
	const char *prefix;
	const char *what;
} bound_to_host[] = {
    {"anon_inode:[io_uring]",     "an io_uring, whose requests are the kernel's"   },
    {"anon_inode:[userfaultfd]",  "a userfaultfd"                                  },
    {"anon_inode:[perf_event]",   "a performance counter"                          },
    {"anon_inode:[fanotify]",     "a fanotify mark, which needs the files it marks"},
    {"anon_inode:bpf-",           "a BPF object"                                   },
    {"anon_inode:kvm-",           "a virtual machine"                              },
    {"anon_inode:[vfio",          "a device (VFIO)"                                },
    {"anon_inode:dmabuf",         "memory of a device"                             },
    {"anon_inode:seccomp notify", "a seccomp notification"                         },
};

void migrate_find_in_link(const char *link, pid_t pid, struct migrate_obstacles *obstacles)
{
	for (size_t i = 0; i < ARRAY_LEN(bound_to_host); i++) {
		if (str_after(link, bound_to_host[i].prefix))
			migrate_obstacle(obstacles, "process %d has %s open", (int)pid,
					 bound_to_host[i].what);
	}
	if (str_after(link, "/dev/") && !is_standard_device(link))
		migrate_obstacle(obstacles, "process %d has the device '%s' open", (int)pid, link);
}

/** Whether its parent is none of the container's processes @pids: exec has started it. */
static bool came_from_outside(const char *status, const pid_t *pids, size_t count)
{
	static const char key[] = "\nPPid:";
	const char *line = strstr(status, key);
	pid_t parent = line ? (pid_t)strtol(line + sizeof(key) - 1, NULL, 10) : 0;

	for (size_t i = 0; i < count; i++) {
		if (pids[i] == parent)
			return false;
	}
	return line != NULL;
}

/** What the processes of @access are searched for. */
struct search {
	const struct access *access;
	struct migrate_obstacles *obstacles;
	uint64_t memory; /* bytes, of those so far */
	pid_t pid;       /* whose files are looked at */
};

static int find_in_file(void *ctx, int fd, const char *link)
{
	const struct search *search = ctx;

	migrate_find_in_link(link, search->pid, search->obstacles);
	return 0;
}

static int find_in_process(void *ctx, const struct access_processes *all, pid_t pid,
			   struct wh_error *err)
{
	struct search *search = ctx;
	char status[PROCFS_STATUS_SIZE];

	(void)procfs_status_read(all->proc, pid, status);
	search->pid = pid;
	/* one that has ended has no status, and nothing open */
	(void)procfs_each_fd(all->proc, pid, find_in_file, search, NULL);
	search->memory += procfs_status_memory(status);
	if (pid != search->access->record.init.pid &&
	    came_from_outside(status, all->pids, all->count))
		log_warning("process %d was started by exec and does not come along: it "
			    "ends when the container has moved",
			    (int)pid);
	return 0;
}

int migrate_find_in_processes(struct access *access, struct migrate_obstacles *obstacles,
			      uint64_t *ret_memory, struct wh_error *err)
{
	struct search search = {.access = access, .obstacles = obstacles};
	int rc = access_each_process(access, find_in_process, &search, err);

	if (rc == 0)
		*ret_memory = search.memory;
	return rc;
}

int migrate_find_in_streams(struct access *access, struct migrate_obstacles *obstacles,
			    struct wh_error *err)
{
	struct checkpoint_image image = {.n_stdio = 0};
	struct mountinfo *mounts;
	size_t n_mounts;
	int rc = mountinfo_read(access->record.init.pid, &access->arena, &mounts, &n_mounts, err);

	if (rc == 0)
		rc = checkpoint_streams_find(access->record.init.pid, mounts, n_mounts,
					     &access->arena, &image, err);
	if (rc == 0 && image.callers_terminal)
		migrate_obstacle(obstacles, "a standard stream of it is its caller's terminal, "
					    "whose other end stays behind");
	return rc;
}

int migrate_find_in_cgroups(struct access *access, struct migrate_obstacles *obstacles,
			    struct wh_error *err)
{
	const char *unkept = NULL;
	int rc = access_open_cgroup(access, err);

	if (rc == 0)
		rc = cgroup_tree_look(&access->cgroup, false, &access->arena, &unkept, err);
	if (unkept)
		migrate_obstacle(obstacles, "%s", unkept);
	return rc;
}
