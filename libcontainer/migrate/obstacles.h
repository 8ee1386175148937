/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in the way of a migration, found before anything is touched: at the source what of a container
 * cannot be moved at all, at the destination what is missing there. All of it is collected, not the first only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/access.h"
#include "libcontainer/migrate/document.h"
#include "libcontainer/migrate/host.h"
#include "libcontainer/mountinfo.h"

#define MIGRATE_OBSTACLES_MAX 32

struct migrate_obstacles {
	struct arena *arena;
	const char *list[MIGRATE_OBSTACLES_MAX];
	size_t count;
};

/** Add one: a sentence without a full stop. When there are too many the last ones are dropped. */
void migrate_obstacle(struct migrate_obstacles *obstacles, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** All of them as one error (kind UNSUPPORTED). @who: "container 'x' cannot be moved". Returns -EOPNOTSUPP, or 0 without any. */
int migrate_obstacles_fail(const struct migrate_obstacles *obstacles, const char *who,
			   struct wh_error *err);

/** Source: what the configuration says that cannot be moved. Pure. */
void migrate_find_in_spec(const struct oci_spec *spec, struct migrate_obstacles *obstacles);
/** Source: what a process of the container holds open, as /proc/PID/fd shows it: "/dev/kvm". Pure. */
void migrate_find_in_link(const char *link, pid_t pid, struct migrate_obstacles *obstacles);
/** Source: the same for the container's processes. Their memory in bytes is *@ret_memory. Returns 0 or -errno. */
int migrate_find_in_processes(struct access *access, struct migrate_obstacles *obstacles,
			      uint64_t *ret_memory, struct wh_error *err);

/** Source: a standard stream that cannot follow it. Returns 0 or -errno. */
int migrate_find_in_streams(struct access *access, struct migrate_obstacles *obstacles,
			    struct wh_error *err);

/** Source: cgroups of its own making that could not be made again. Returns 0 or -errno. */
int migrate_find_in_cgroups(struct access *access, struct migrate_obstacles *obstacles,
			    struct wh_error *err);

/** Whether the lines of /proc/PID/fdinfo/FD name a lock that nobody else can have at the same time. Pure. */
bool migrate_lock_excludes(const char *fdinfo);
/**
 * Whether a file on @mount of the container (NULL: on none that has a place) is the same one at both ends. @copied: the root
 * file system comes along, and is not shared. Pure.
 */
bool migrate_mount_is_shared(const struct mountinfo *mount, const struct oci_spec *spec,
			     bool copied);
/** Source: locks that the container's processes hold and the destination would wait for. Returns 0 or -errno. */
int migrate_find_locks(struct access *access, bool copied, struct migrate_obstacles *obstacles,
		       struct wh_error *err);

/** Whether @mount binds what the host has. Pure. */
bool migrate_is_bind(const struct oci_mount *mount);

/** Destination: compare what @offer needs with @here. Pure. */
void migrate_find_in_hosts(const struct migrate_offer *offer, const struct migrate_host *here,
			   struct migrate_obstacles *obstacles);
/** Destination: what of the kernel's features that @spec names is not in the procfs @proc. */
void migrate_find_in_kernel(const struct oci_spec *spec, int proc,
			    struct migrate_obstacles *obstacles);
/** Destination: whether a container can be a unit of systemd here. The static program has executed its twin before. */
void migrate_find_systemd(struct migrate_obstacles *obstacles);
/**
 * Destination: look for what @spec needs here: id, bundle, root file system, sources of mounts, namespaces,
 * controllers, room for images.
 */
void migrate_find_here(const struct migrate_offer *offer, const struct oci_spec *spec, int root_fd,
		       int images_fd, struct migrate_obstacles *obstacles);
