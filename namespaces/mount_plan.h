/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What will be mounted in the container, decided before anything is done. Building is pure; nothing
 * here looks at the host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "namespaces/mount_opts.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

enum mount_kind {
	/* fsopen(2) of fs_type: tmpfs, proc, sysfs, devpts, mqueue, overlay, ... */
	MOUNT_KIND_FS,
	/* open_tree(2) of source */
	MOUNT_KIND_BIND,
	/* types cgroup and cgroup2: cgroup2 of the container's namespace */
	MOUNT_KIND_CGROUP,
	/* change the attributes of what is mounted there (option `remount`) */
	MOUNT_KIND_REMOUNT,
};

struct mount_entry {
	uint32_t index; /* into mounts[] of the document, for error texts */
	enum mount_kind kind;
	const char *destination; /* absolute, lexically clean */
	const char *fs_type;     /* kernel's name; NULL for binds */
	const char *source;      /* bind: absolute host path; else as given */
	struct mount_flags flags;
	/* of an idmapped mount: its own, else the container's; else none */
	struct oci_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct oci_id_mapping *gid_mappings;
	size_t n_gid_mappings;
	/* of an idmapped mount without mappings: the joined user namespace that has them; else NULL
	 */
	const char *idmap_namespace;
	/* the target's last component may not be a link (CVE-2019-19921, CVE-2023-28642) */
	bool real_directory;
	/* a tmpfs without mode=: it takes the mode of the directory it covers, if it covers one */
	bool mode_of_target;
	/* made read-only after all mounts and devices: some lie below it */
	bool readonly_last;
	/* linux.mountLabel, for the root of a file system that takes none as an option; else NULL */
	const char *root_label;
	/* host path bound instead when a user namespace may not mount fs_type; else NULL */
	const char *fallback_source;
};

/** Whether the mount is asked for with id mappings of its own or of the container. */
static inline bool mount_entry_is_idmapped(const struct mount_entry *entry)
{
	return (entry->flags.ext & (MOUNT_EXT_IDMAP | MOUNT_EXT_RIDMAP)) != 0;
}

/** Everything about the container's file system. */
struct rootfs_plan {
	const char *path; /* absolute host path of the root */
	bool readonly;
	/* MS_* of linux.rootfsPropagation; MS_SLAVE when unset (runc's default) */
	uint64_t propagation;
	bool propagation_recursive;
	bool no_pivot;           /* --no-pivot: move the mount and chroot */
	bool no_mount_namespace; /* none asked for: chroot only (mounts are a problem then) */
	bool new_user_namespace; /* or a joined one: devices by bind, sysfs and mqueue fallbacks */
	bool host_network;       /* no new network namespace: sysfs may have to be the host's */
	bool new_cgroup_namespace; /* or a joined one: cgroup2 shows the container's part only */
	struct mount_entry *mounts;
	size_t n_mounts;
	const char **masked_paths; /* absolute, clean */
	size_t n_masked_paths;
	const char **readonly_paths;
	size_t n_readonly_paths;
	/* the defaults (runtime-linux.md#default-devices) first, then linux.devices; one a path */
	struct oci_device *devices;
	size_t n_devices;
	/* a bind covers /dev: devices and links are its own, none is made (runc's rule) */
	bool host_dev;
	/* linux.mountLabel, for mounts that this plan does not list; NULL: none */
	const char *mount_label;
	bool console; /* bind the pty onto /dev/console */
};

/**
 * Build the plan of the root file system from @spec. @bundle: absolute path, for relative sources
 * and root. Pure.
 *
 * Adds to @problems: a destination that is not absolute (taken as relative to "/", a warning), a
 * bind without source, something else than procfs over /proc or anything below it but for runc's
 * exceptions, a masked path that is not absolute, what needs a mount namespace, options without
 * effect (warnings), an idmapped mount that is no bind or has no mappings. Returns 0 or -errno;
 * problems are not failures here.
 */
int rootfs_plan_build(const struct oci_spec *spec, const char *bundle, bool no_pivot,
		      struct arena *arena, struct problems *problems, struct rootfs_plan *ret_plan,
		      struct wh_error *err);

/**
 * The plan of mounts that come into a container of @spec which runs already: those of @spec, which
 * the caller has put in the place of the container's own. Pure. Adds to @problems what cannot come
 * late: a remount, cgroup and proc (they show what their maker is in), options of mount(2) alone.
 * Returns 0 or -errno.
 */
int rootfs_plan_build_late(const struct oci_spec *spec, const char *bundle, struct arena *arena,
			   struct problems *problems, struct rootfs_plan *ret_plan,
			   struct wh_error *err);
/** The same where they shall go away: of each entry only index and destination are set. */
int rootfs_plan_build_removal(const struct oci_spec *spec, struct arena *arena,
			      struct problems *problems, struct rootfs_plan *ret_plan,
			      struct wh_error *err);

/** What the sections of the plan are built from and into. All lent. */
struct rootfs_builder {
	const struct oci_spec *spec;
	const char *bundle;
	struct arena *arena;
	struct problems *problems;
	struct rootfs_plan *plan;
};

/**
 * The part of rootfs_plan_build() that plans the document's mounts, for @b->plan, whose namespaces,
 * devices and label are there already: sets mounts and host_dev. Returns 0 or -errno.
 */
int mount_plan_build(const struct rootfs_builder *b, struct wh_error *err);
