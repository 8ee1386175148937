/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/mount_idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "base/sys.h"
#include "namespaces/ns_enter.h"

/** As much of the mount table as is searched for a file system's name. */
#define MOUNT_TABLE_SIZE 65536

static bool same_maps(const struct oci_id_mapping *a, size_t n_a, const struct oci_id_mapping *b,
		      size_t n_b)
{
	for (size_t i = 0; n_a == n_b && i < n_a; i++) {
		if (a[i].container_id != b[i].container_id || a[i].host_id != b[i].host_id ||
		    a[i].size != b[i].size)
			return false;
	}
	return n_a == n_b;
}

static bool same_mapping(const struct mount_entry *a, const struct mount_entry *b)
{
	return same_maps(a->uid_mappings, a->n_uid_mappings, b->uid_mappings, b->n_uid_mappings) &&
	       same_maps(a->gid_mappings, a->n_gid_mappings, b->gid_mappings, b->n_gid_mappings);
}

/** Lives until the caller closes the pipe's other end, or is gone. */
static _Noreturn void hold_namespace(const int ends[2])
{
	char byte;

	close(ends[1]);
	while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static int map_child(const struct mount_entry *entry, int proc_fd, pid_t pid, struct wh_error *err)
{
	const struct ns_plan mappings = {
	    .uid_mappings = entry->uid_mappings,
	    .n_uid_mappings = entry->n_uid_mappings,
	    .gid_mappings = entry->gid_mappings,
	    .n_gid_mappings = entry->n_gid_mappings,
	};
	int rc = id_map_write(&mappings, pid, proc_fd, err);

	return rc < 0 ? rc : ns_open_of_process(proc_fd, pid, "user", err);
}

/** A user namespace with the mappings of @entry; nothing else is ever in it. */
static int make_user_namespace(const struct mount_entry *entry, int proc_fd, struct wh_error *err)
{
	struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_CLEAR_SIGHAND,
				  .exit_signal = SIGCHLD};
	int ends[2];
	long pid;
	int fd;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return wh_fail(err, errno, "make a pipe");
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		hold_namespace(ends);
	fd_close(ends[0]);
	if (pid > 0)
		fd = map_child(entry, proc_fd, (pid_t)pid, err);
	else
		fd = wh_fail(err, (int)-pid, "make a user namespace for the mappings");
	fd_close(ends[1]);
	while (pid > 0 && waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

static int make_mapping(struct mount_idmap *idmap, const struct rootfs_plan *plan, size_t i,
			struct wh_error *err)
{
	const struct mount_entry *entry = &plan->mounts[i];
	int fd;

	if (entry->idmap_namespace) {
		fd = open(entry->idmap_namespace, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? wh_fail(err, errno, "open the user namespace '%s'",
					entry->idmap_namespace)
			      : fd;
	}
	if (idmap->proc_fd < 0)
		idmap->proc_fd = procfs_open(false, err);
	return idmap->proc_fd < 0 ? idmap->proc_fd
				  : make_user_namespace(entry, idmap->proc_fd, err);
}

/** The mapping of mount @i, lent: made now, or for an earlier mount with the same one. */
static int find_mapping(struct mount_idmap *idmap, const struct rootfs_plan *plan, size_t i,
			struct wh_error *err)
{
	for (size_t j = 0; j < i; j++) {
		if (idmap->fds[j] >= 0 && same_mapping(&plan->mounts[i], &plan->mounts[j]))
			return idmap->fds[j];
	}
	idmap->fds[i] = make_mapping(idmap, plan, i, err);
	return idmap->fds[i];
}

/** Find the file system type of device @dev in @table (proc_pid_mountinfo(5)); NULL when the table
 * does not show it, as with btrfs. The table is cut into pieces. */
static const char *find_type(char *table, dev_t dev)
{
	char wanted[32];

	snprintf(wanted, sizeof(wanted), " %u:%u ", major(dev), minor(dev));
	for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n")) {
		char *type = strstr(line, " - ");

		if (type && strstr(line, wanted)) {
			type += 3;
			type[strcspn(type, " ")] = '\0';
			return type;
		}
	}
	return NULL;
}

/** Why the kernel takes no mapping: what can be done differs. */
static int explain_refusal(const struct mount_idmap *idmap, const struct mount_entry *entry,
			   int mount_fd, int code, struct wh_error *err)
{
	static char table[MOUNT_TABLE_SIZE];
	const char *type = NULL;
	struct stat st;

	if (code == EPERM)
		return wh_fail(err, code,
			       "give it id mappings: it needs CAP_SYS_ADMIN over the file system, "
			       "and a source that is not idmapped already");
	if (code != EINVAL)
		return wh_fail(err, code, "give it id mappings");
	if (fstat(mount_fd, &st) == 0 && idmap->proc_fd >= 0 &&
	    procfs_read(idmap->proc_fd, "self/mountinfo", table, sizeof(table), NULL) > 0)
		type = find_type(table, st.st_dev);
	return wh_fail(err, code,
		       "this kernel cannot idmap the file system%s%s%s of '%s'%s: leave %s and the "
		       "mappings out, or use a source on one that it can (ext4, xfs, btrfs, tmpfs)",
		       type ? " (" : "", type ? type : "", type ? ")" : "", entry->source,
		       entry->flags.ext & MOUNT_EXT_RIDMAP ? ", or one mounted below it" : "",
		       entry->flags.ext & MOUNT_EXT_RIDMAP ? "ridmap" : "idmap");
}

int mount_idmap_apply(struct mount_idmap *idmap, const struct rootfs_plan *plan, size_t i,
		      int mount_fd, struct wh_error *err)
{
	const struct mount_entry *entry = &plan->mounts[i];
	const bool recursive = (entry->flags.ext & MOUNT_EXT_RIDMAP) != 0;
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
	int fd = find_mapping(idmap, plan, i, err);
	int rc;

	if (fd < 0)
		return fd;
	attr.userns_fd = (uint64_t)fd;
	rc = sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
			       sizeof(attr));
	return rc < 0 ? explain_refusal(idmap, entry, mount_fd, -rc, err) : 0;
}

void mount_idmap_done(struct mount_idmap *idmap)
{
	idmap->proc_fd = fd_close(idmap->proc_fd);
	for (size_t i = 0; i < idmap->n_fds; i++)
		idmap->fds[i] = fd_close(idmap->fds[i]);
}
