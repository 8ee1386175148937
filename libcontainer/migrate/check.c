/* SPDX-License-Identifier: Apache-2.0 */
/* Destination: what is missing here. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/procfs.h"
#include "base/str.h"
#include "cgroups/cgroup.h"
#include "cgroups/systemd_bus.h"
#include "libcontainer/migrate/obstacles.h"
#include "libcontainer/migrate/rootfs.h"
#include "libcontainer/migrate/sample.h"
#include "oci-spec/enums.h"
#include "oci-spec/namespace.h"

/** Room that is wanted besides the memory itself: the other images, and a second copy of what changes. */
#define ROOM_BESIDES (64UL << 20)

#define MIB(bytes) ((unsigned long long)((bytes) >> 20))

void migrate_find_in_hosts(const struct migrate_offer *offer, const struct migrate_host *here,
			   struct migrate_obstacles *obstacles)
{
	const char *lacks = migrate_cpu_lacks(offer->cpu_features, offer->n_cpu_features,
					      here->cpu_features, here->n_cpu_features);

	if (!streq(offer->machine, here->uname.machine))
		migrate_obstacle(obstacles, "it is a %s machine, and the source is %s",
				 here->uname.machine, offer->machine);
	else if (lacks)
		migrate_obstacle(obstacles,
				 "its processor lacks '%s', which a program may have chosen its "
				 "code by",
				 lacks);
	if (here->support.criu_version < offer->criu_version)
		migrate_obstacle(obstacles,
				 "its CRIU is %u.%u.%u, older than the source's %u.%u.%u, whose "
				 "images it may not know",
				 here->support.criu_version / 10000,
				 here->support.criu_version / 100 % 100,
				 here->support.criu_version % 100, offer->criu_version / 10000,
				 offer->criu_version / 100 % 100, offer->criu_version % 100);
	if (offer->post_copy && !here->support.lazy_pages)
		migrate_obstacle(obstacles, "its kernel or CRIU cannot fetch memory on access "
					    "(userfaultfd): a migration without --lazy may do");
	if (streq(offer->boot_id, here->boot_id) && !str_empty(offer->cgroup))
		migrate_obstacle(obstacles,
				 "it is the same host, where the cgroup '%s' of the source "
				 "(linux.cgroupsPath) is in use",
				 offer->cgroup);
}

/** The file of a process by which its kernel shows a kind of namespace. */
static const struct {
	int64_t type;
	const char *file;
} namespace_files[] = {
    {CLONE_NEWCGROUP, "self/ns/cgroup"},
    {CLONE_NEWIPC,    "self/ns/ipc"   },
    {CLONE_NEWNS,     "self/ns/mnt"   },
    {CLONE_NEWNET,    "self/ns/net"   },
    {CLONE_NEWPID,    "self/ns/pid"   },
    {CLONE_NEWTIME,   "self/ns/time"  },
    {CLONE_NEWUSER,   "self/ns/user"  },
    {CLONE_NEWUTS,    "self/ns/uts"   },
};

static bool has_file(int proc, const char *path)
{
	auto_fd fd = procfs_open_file(proc, path, O_PATH | O_NOFOLLOW, NULL);

	return fd >= 0;
}

/** Whether this kernel has namespaces of @type. One that is not known here is left to the restore. */
static bool has_namespaces(int proc, int64_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(namespace_files); i++) {
		if (namespace_files[i].type == type)
			return has_file(proc, namespace_files[i].file);
	}
	return true;
}

void migrate_find_in_kernel(const struct oci_spec *spec, int proc,
			    struct migrate_obstacles *obstacles)
{
	const struct oci_linux *linux_ = spec->linux_;
	char label[256];

	for (size_t i = 0; i < linux_->n_namespaces; i++) {
		int64_t type = linux_->namespaces[i].type;

		if (!has_namespaces(proc, type))
			migrate_obstacle(obstacles, "its kernel has no %s namespaces",
					 name_table_name(&oci_namespace_types, type));
	}
	if (linux_->seccomp && !has_file(proc, "sys/kernel/seccomp/actions_avail"))
		migrate_obstacle(obstacles, "its kernel has no seccomp filters (linux.seccomp)");
	if (spec->process && !str_empty(spec->process->apparmor_profile) &&
	    procfs_read(proc, "self/attr/apparmor/current", label, sizeof(label), NULL) < 0)
		migrate_obstacle(obstacles,
				 "its kernel does not use AppArmor (process.apparmorProfile '%s')",
				 spec->process->apparmor_profile);
}

/** Whether a process that is root only in a user namespace may use userfaultfd for what the kernel touches. */
static bool lets_users_fault(void)
{
	auto_fd proc = procfs_open(true, NULL);
	char text[16] = "";

	return proc >= 0 &&
	       procfs_read(proc, "sys/vm/unprivileged_userfaultfd", text, sizeof(text), NULL) > 0 &&
	       text[0] == '1';
}

/** What post-copy needs besides what CRIU was asked for: CRIU opens the userfaultfd as the container's root. */
static void find_userfaultfd(const struct migrate_offer *offer, const struct oci_spec *spec,
			     struct migrate_obstacles *obstacles)
{
	if (offer->post_copy && oci_namespace_find(spec->linux_, CLONE_NEWUSER) &&
	    !lets_users_fault())
		migrate_obstacle(obstacles,
				 "it lets only the host's root fetch memory on access, and the "
				 "container has a user namespace: sysctl "
				 "vm.unprivileged_userfaultfd=1 there, or a migration without "
				 "--lazy");
}

static void find_id(const struct migrate_offer *offer, int root_fd,
		    struct migrate_obstacles *obstacles)
{
	struct stat st;

	if (root_fd >= 0 && fstatat(root_fd, offer->id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		migrate_obstacle(obstacles, "a container '%s' is there already", offer->id);
}

/** Open a directory of the destination's own by its path. */
static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/**
 * What of the root file system at @fd is not as the source has it: "" when that is the whole of it, NULL when nothing is. Where
 * nobody can write to it, the same directory of the same host is known by its numbers, and any other by what is in it.
 */
static const char *other_in_root(const struct migrate_offer *offer, int fd, const char *boot_id)
{
	struct stat st;

	if (!str_empty(offer->witness))
		return fstatat(fd, offer->witness, &st, AT_SYMLINK_NOFOLLOW) == 0 ? NULL : "";
	if (fstat(fd, &st) < 0)
		return "";
	if (streq(boot_id, offer->boot_id) && st.st_ino == offer->rootfs_inode &&
	    st.st_dev == offer->rootfs_device)
		return NULL;
	return offer->n_rootfs_sample == 0
		   ? ""
		   : migrate_sample_differs(offer->rootfs_sample, offer->n_rootfs_sample, fd);
}

static void find_root(const struct migrate_offer *offer, struct migrate_obstacles *obstacles)
{
	char boot_id[BOOT_ID_SIZE] = "";
	auto_fd bundle = -EBADF;
	auto_fd root = -EBADF;
	const char *other;

	if (offer->rootfs_copied) {
		migrate_rootfs_check(offer, obstacles);
		return;
	}
	(void)process_boot_id(boot_id, NULL);
	bundle = open_dir(offer->bundle);
	root = open_dir(offer->rootfs);
	if (bundle < 0)
		migrate_obstacle(obstacles, "the bundle '%s': %s (--rootfs copy makes it there)",
				 offer->bundle, strerror(errno));
	if (root < 0) {
		migrate_obstacle(obstacles,
				 "the root file system '%s': %s (--rootfs copy brings it along)",
				 offer->rootfs, strerror(errno));
		return;
	}
	other = other_in_root(offer, root, boot_id);
	if (other)
		migrate_obstacle(obstacles,
				 "the root file system '%s' there is not the source's own, shared "
				 "between the two%s%s%s",
				 offer->rootfs, *other ? ": '" : "", other,
				 *other ? "' there is another, or missing" : "");
}

bool migrate_is_bind(const struct oci_mount *mount)
{
	for (size_t i = 0; i < mount->n_options; i++) {
		if (streq(mount->options[i], "bind") || streq(mount->options[i], "rbind"))
			return true;
	}
	return false;
}

/** Whether the host's @path is there: a source, relative to the bundle, or a namespace's file. */
static bool is_there(const char *bundle, const char *path)
{
	auto_fd dir = path[0] == '/' ? -EBADF : open_dir(bundle);
	struct stat st;

	if (path[0] == '/')
		return stat(path, &st) == 0;
	return dir >= 0 && fstatat(dir, path, &st, 0) == 0; /* a link of the host's is followed */
}

static void find_mounts(const struct migrate_offer *offer, const struct oci_spec *spec,
			struct migrate_obstacles *obstacles)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct oci_mount *mount = &spec->mounts[i];

		if (migrate_is_bind(mount) && mount->source &&
		    !is_there(offer->bundle, mount->source))
			migrate_obstacle(obstacles,
					 "the source '%s' of the mount at '%s' is missing there",
					 mount->source, mount->destination);
	}
	for (size_t i = 0; i < spec->linux_->n_namespaces; i++) {
		const char *path = spec->linux_->namespaces[i].path;

		if (path && !is_there("/", path))
			migrate_obstacle(obstacles, "the namespace '%s' is missing there", path);
	}
}

/** Whether the list @controllers, apart by blanks, has the one that @file belongs to. */
static bool has_controller(const char *controllers, const char *file)
{
	size_t len = strcspn(file, ".");

	for (const char *at = controllers; *at; at += strspn(at, " \n")) {
		size_t word = strcspn(at, " \n");

		if (word == len && memcmp(at, file, len) == 0)
			return true;
		at += word;
	}
	return false;
}

static void find_controllers(const struct oci_spec *spec, struct migrate_obstacles *obstacles)
{
	struct cgroup_writes writes = {0};
	struct problems problems;
	char controllers[512] = "";
	auto_fd mount = cgroup_open_mount(NULL);

	problems_init(&problems, obstacles->arena);
	if (mount < 0) {
		migrate_obstacle(obstacles, "it has no cgroup v2 tree");
		return;
	}
	if (!spec->linux_->resources ||
	    resource_files_plan(spec->linux_->resources, obstacles->arena, &problems, &writes,
				NULL) < 0 ||
	    file_read_small(mount, "cgroup.controllers", controllers, sizeof(controllers)) < 0)
		return;
	for (size_t i = 0; i < writes.count; i++) {
		const struct cgroup_write *write = &writes.list[i];

		if (!write->optional && !str_after(write->file, "cgroup.") &&
		    !has_controller(controllers, write->file))
			migrate_obstacle(obstacles,
					 "its cgroup v2 tree lacks the controller '%.*s' for %s",
					 (int)strcspn(write->file, "."), write->file, write->field);
	}
}

void migrate_find_systemd(struct migrate_obstacles *obstacles)
{
	struct wh_error reason = WH_ERROR_INIT;
	struct systemd_bus *bus = NULL;
	int rc = systemd_load(&reason);

	if (rc == 0)
		rc = systemd_bus_open(systemd_manages_user(), &bus, &reason);
	if (rc < 0)
		migrate_obstacle(obstacles, "it cannot make the container a unit of systemd: %s",
				 reason.message);
	systemd_bus_close(bus);
}

void migrate_find_here(const struct migrate_offer *offer, const struct oci_spec *spec, int root_fd,
		       int images_fd, struct migrate_obstacles *obstacles)
{
	uint64_t room = migrate_images_room(images_fd);
	auto_fd proc = procfs_open(true, NULL);

	if (proc >= 0)
		migrate_find_in_kernel(spec, proc, obstacles);
	find_id(offer, root_fd, obstacles);
	find_root(offer, obstacles);
	find_mounts(offer, spec, obstacles);
	find_controllers(spec, obstacles);
	find_userfaultfd(offer, spec, obstacles);
	if (room < offer->memory || room - offer->memory < ROOM_BESIDES)
		migrate_obstacle(
		    obstacles,
		    "it has %llu MiB of room for images (in $TMPDIR, /dev/shm or /var/tmp), and "
		    "%llu are needed",
		    MIB(room), MIB(offer->memory + ROOM_BESIDES));
}
