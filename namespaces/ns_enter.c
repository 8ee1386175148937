/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/ns_enter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "base/sys.h"
#include "oci-spec/enums.h"

static const char *type_name(int64_t type)
{
	const char *name = name_table_name(&oci_namespace_types, type);

	return name ? name : "unknown";
}

/**
 * Open @path, following links: namespace files are the host's, and their usual form is a magic
 * link. O_NONBLOCK: a FIFO must not hold us.
 */
static int open_namespace(const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK};

	return sys_openat2(AT_FDCWD, path, &how);
}

/* The file is a magic link, which procfs_open_file() rightly refuses; its directory is verified. */
int ns_open_of_process(int proc_fd, pid_t pid, const char *name, struct wh_error *err)
{
	const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
	char path[32];
	auto_fd dir = -EBADF;
	int fd;

	snprintf(path, sizeof(path), "%d/ns", (int)pid);
	dir = procfs_open_file(proc_fd, path, O_PATH | O_DIRECTORY, err);
	if (dir < 0)
		return dir;
	fd = sys_openat2(dir, name, &how);
	return fd < 0 ? wh_fail(err, -fd, "open the %s namespace of process %d", name, (int)pid)
		      : fd;
}

static int open_join(const struct ns_join *join, struct wh_error *err)
{
	auto_fd fd = open_namespace(join->path);
	int type;

	if (fd < 0)
		return wh_fail(err, -fd, "linux.namespaces: open %s namespace '%s'",
			       type_name(join->type), join->path);
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0)
		return wh_fail(err, 0, "linux.namespaces: %s '%s': is not a namespace",
			       type_name(join->type), join->path);
	if (type != join->type)
		return wh_fail(err, 0, "linux.namespaces: %s '%s': is a %s namespace",
			       type_name(join->type), join->path, type_name(type));
	return fd_take(&fd);
}

/** A joined network namespace may be the caller's own, and its parameters the host's. */
static int check_network_sysctls(const struct ns_plan *plan, int fd, struct wh_error *err)
{
	struct stat joined, own;
	auto_fd own_fd = -EBADF;

	own_fd = open_namespace("/proc/self/ns/net");
	if (own_fd < 0 || fstat(own_fd, &own) < 0 || fstat(fd, &joined) < 0)
		return wh_fail(err, own_fd < 0 ? -own_fd : errno, "compare network namespaces");
	if (own.st_ino != joined.st_ino || own.st_dev != joined.st_dev)
		return 0;
	for (size_t i = 0; i < plan->n_sysctl; i++) {
		if (str_after(plan->sysctl[i].key, "net/"))
			return wh_fail(
			    err, 0,
			    "linux.sysctl: '%s': the network namespace to join is the host's",
			    plan->sysctl[i].key);
	}
	return 0;
}

int ns_open_joins(const struct ns_plan *plan, int *ret_fds, struct wh_error *err)
{
	for (size_t i = 0; i < plan->n_joins; i++) {
		int rc = open_join(&plan->joins[i], err);

		ret_fds[i] = rc;
		if (rc >= 0 && plan->joins[i].type == CLONE_NEWNET && plan->n_sysctl > 0)
			rc = check_network_sysctls(plan, ret_fds[i], err);
		if (rc < 0) {
			for (size_t j = 0; j <= i; j++)
				ret_fds[j] = fd_close(ret_fds[j]);
			return rc;
		}
	}
	return 0;
}

static int join_failed(const struct ns_join *join, int code, struct wh_error *err)
{
	return wh_fail(err, code, "join %s namespace '%s'", type_name(join->type), join->path);
}

/**
 * Join one, or leave it for later when this needs rights that only the joined user namespace gives.
 */
static int join_or_defer(const struct ns_join *join, int fd, bool *ret_deferred,
			 struct wh_error *err)
{
	*ret_deferred = false;
	if (setns(fd, join->type) == 0)
		return 0;
	if (errno != EPERM)
		return join_failed(join, errno, err);
	*ret_deferred = true;
	return 0;
}

/** Whether the joined user namespace (NULL: none is joined) is the owner of the namespace @fd. */
static bool joined_later_too(int fd, const int *user_fd)
{
	struct stat joined, owner;
	auto_fd owner_fd = -EBADF;

	if (!user_fd)
		return true;
	owner_fd = ioctl(fd, NS_GET_USERNS);
	return owner_fd >= 0 && fstat(owner_fd, &owner) == 0 && fstat(*user_fd, &joined) == 0 &&
	       owner.st_ino == joined.st_ino && owner.st_dev == joined.st_dev;
}

/*
 * Beside a joined user namespace the other ones may be owned by it, or by the caller's (an engine's
 * own network namespace): both kinds are joined where the right to do so is. Each type at most
 * once, so 8 is enough. The pid namespace is left to the caller where it can be joined later, too.
 */
static int join_all(const struct ns_plan *plan, const int *fds, bool *ret_pid_later,
		    struct wh_error *err)
{
	bool user_first = plan->n_joins > 0 && plan->joins[0].type == CLONE_NEWUSER;
	bool deferred[8] = {false};
	int rc;

	*ret_pid_later = false;
	for (size_t i = user_first ? 1 : 0; i < plan->n_joins; i++) {
		if (plan->joins[i].by_parent)
			continue;
		if (plan->joins[i].type == CLONE_NEWPID &&
		    joined_later_too(fds[i], user_first ? &fds[0] : NULL)) {
			*ret_pid_later = true;
			continue;
		}
		rc = join_or_defer(&plan->joins[i], fds[i], &deferred[i], err);
		if (rc < 0)
			return rc;
		if (deferred[i] && !user_first)
			return join_failed(&plan->joins[i], EPERM, err);
	}
	if (!user_first)
		return 0;
	if (setns(fds[0], CLONE_NEWUSER) < 0)
		return join_failed(&plan->joins[0], errno, err);
	for (size_t i = 1; i < plan->n_joins; i++) {
		if (deferred[i] && setns(fds[i], plan->joins[i].type) < 0)
			return join_failed(&plan->joins[i], errno, err);
	}
	return 0;
}

/** One line a clock: its name, seconds, nanoseconds (time_namespaces(7)). */
static int write_time_offsets(const struct ns_plan *plan, int proc_fd, struct wh_error *err)
{
	char text[256];
	size_t len = 0;

	for (size_t i = 0; i < plan->n_time_offsets; i++) {
		const struct oci_time_offset *offset = &plan->time_offsets[i];
		int n = snprintf(text + len, sizeof(text) - len, "%d %lld %u\n", (int)offset->clock,
				 (long long)offset->secs, offset->nanosecs);

		if (n < 0 || (size_t)n >= sizeof(text) - len)
			return wh_fail(err, EINVAL,
				       "linux.timeOffsets: there are two clocks, not %zu",
				       plan->n_time_offsets);
		len += (size_t)n;
	}
	return procfs_write(proc_fd, "self/timens_offsets", text, err);
}

/**
 * The namespace that a child would be born in: a process enters it by its link, the last step of a
 * checked path.
 */
static int enter_time_namespace(int proc_fd, struct wh_error *err)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
	auto_fd dir = -EBADF;
	auto_fd fd = -EBADF;

	dir = procfs_open_file(proc_fd, "self/ns", O_PATH | O_DIRECTORY, err);
	if (dir < 0)
		return dir;
	fd = sys_openat2(dir, "time_for_children", &how);
	if (fd < 0)
		return wh_fail(err, -fd, "open the new time namespace");
	if (setns(fd, CLONE_NEWTIME) < 0)
		return wh_fail(err, errno, "enter the new time namespace");
	return 0;
}

static int unshare_rest(const struct ns_plan *plan, int proc_fd, struct wh_error *err)
{
	int rc;

	if (plan->unshare_flags == 0)
		return 0;
	if (unshare((int)plan->unshare_flags) < 0)
		return wh_fail(err, errno, "make the container's namespaces");
	if (!(plan->unshare_flags & CLONE_NEWTIME))
		return 0;
	if (plan->n_time_offsets > 0) {
		rc = write_time_offsets(plan, proc_fd, err);
		if (rc < 0) {
			wh_error_prefix(err, "linux.timeOffsets");
			return rc;
		}
	}
	return enter_time_namespace(proc_fd, err);
}

int ns_enter(const struct ns_plan *plan, const int *fds, int proc_fd, bool *ret_pid_later,
	     struct wh_error *err)
{
	int rc = join_all(plan, fds, ret_pid_later, err);

	return rc < 0 ? rc : unshare_rest(plan, proc_fd, err);
}

/**
 * The link of the caller's own namespace of @type; for the pid namespace the one its children are
 * born in.
 */
static const char *own_namespace_path(int type)
{
	switch (type) {
	case CLONE_NEWIPC:
		return "/proc/self/ns/ipc";
	case CLONE_NEWUTS:
		return "/proc/self/ns/uts";
	case CLONE_NEWNET:
		return "/proc/self/ns/net";
	case CLONE_NEWCGROUP:
		return "/proc/self/ns/cgroup";
	case CLONE_NEWTIME:
		return "/proc/self/ns/time";
	default:
		return "/proc/self/ns/pid_for_children";
	}
}

int ns_enter_for_clone(const struct ns_plan *plan, const int *fds, struct ns_home *ret_home,
		       struct wh_error *err)
{
	int rc;

	*ret_home = (struct ns_home){.n = 0};
	for (size_t i = 0; i < plan->n_joins; i++) {
		const struct ns_join *join = &plan->joins[i];
		int own;

		if (!join->by_parent)
			continue;
		own = open_namespace(own_namespace_path(join->type));
		if (own < 0) {
			rc = wh_fail(err, -own, "open the caller's %s namespace",
				     type_name(join->type));
			goto back;
		}
		ret_home->types[ret_home->n] = join->type;
		ret_home->fds[ret_home->n++] = own;
		if (setns(fds[i], join->type) < 0) {
			rc = join_failed(join, errno, err);
			goto back;
		}
	}
	return 0;
back:
	ns_leave_for_clone(ret_home, NULL);
	return rc;
}

int ns_leave_for_clone(struct ns_home *home, struct wh_error *err)
{
	int rc = 0;

	while (home->n > 0) {
		home->n--;
		if (setns(home->fds[home->n], home->types[home->n]) < 0)
			rc = wh_fail(err, errno, "return to the caller's %s namespace",
				     type_name(home->types[home->n]));
		fd_close(home->fds[home->n]);
	}
	return rc;
}

int ns_unshare_cgroup(struct wh_error *err)
{
	if (unshare(CLONE_NEWCGROUP) < 0)
		return wh_fail(err, errno, "make a cgroup namespace");
	return 0;
}

int ns_enter_process(int pidfd, uint64_t flags, struct wh_error *err)
{
	if (flags != 0 && setns(pidfd, (int)flags) < 0)
		return wh_fail(err, errno, "join the container's namespaces");
	return 0;
}

int ns_set_names(const struct ns_plan *plan, struct wh_error *err)
{
	if (plan->hostname && sethostname(plan->hostname, strlen(plan->hostname)) < 0)
		return wh_fail(err, errno, "hostname: set '%s'", plan->hostname);
	if (plan->domainname && setdomainname(plan->domainname, strlen(plan->domainname)) < 0)
		return wh_fail(err, errno, "domainname: set '%s'", plan->domainname);
	return 0;
}

int ns_set_sysctls(const struct ns_plan *plan, int proc_fd, struct wh_error *err)
{
	for (size_t i = 0; i < plan->n_sysctl; i++) {
		const struct oci_string_map *sysctl = &plan->sysctl[i];
		char path[512];
		int n = snprintf(path, sizeof(path), "sys/%s", sysctl->key);
		int rc;

		if (n < 0 || (size_t)n >= sizeof(path))
			return wh_fail(err, ENAMETOOLONG, "linux.sysctl: '%s'", sysctl->key);
		rc = procfs_write(proc_fd, path, sysctl->value, err);
		if (rc < 0) {
			wh_error_prefix(err, "linux.sysctl: '%s' = '%s'", sysctl->key,
					sysctl->value);
			return rc;
		}
	}
	return 0;
}

int ns_loopback_up(struct wh_error *err)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	auto_fd sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return wh_fail(err, errno, "open a socket to bring lo up");
	if (ioctl(sock, SIOCSIFFLAGS, &request) < 0)
		return wh_fail(err, errno, "bring lo up");
	return 0;
}
