/* SPDX-License-Identifier: Apache-2.0 */
/* --rootfs copy: rsync brings the root file system along, over the same program that the protocol goes over. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/migrate/document.h"
#include "libcontainer/migrate/obstacles.h"
#include "libcontainer/migrate/transport.h"
#include "libcontainer/migrate/unsure.h"

/** The container runs and may change files meanwhile, or it stands still, or these are the files that are named on stdin. */
enum migrate_rootfs_pass { MIGRATE_ROOTFS_RUNNING, MIGRATE_ROOTFS_FROZEN, MIGRATE_ROOTFS_NAMED };

/**
 * Source: copy @rootfs to the same path at @destination: owners, modes, times, links, extended attributes, ACLs and
 * holes; what is there and not here is removed. The container runs meanwhile: *@ret_copied says when. Returns 0 or
 * -errno.
 */
int migrate_rootfs_copy(const struct migrate_destination *destination, const char *rsh,
			const char *rootfs, struct arena *arena, struct migrate_copied *ret_copied,
			struct wh_error *err);
/** The same of what has changed since then, while the container stands still. */
int migrate_rootfs_finish(const struct migrate_destination *destination, const char *rsh,
			  const char *rootfs, const struct migrate_copied *copied,
			  struct arena *arena, struct wh_error *err);
/** rsync's words for one pass, NULL-terminated, in the arena. Pure. Returns 0 or -errno. */
int migrate_rootfs_words(const struct migrate_destination *destination, const char *rsh,
			 const char *rootfs, enum migrate_rootfs_pass pass, struct arena *arena,
			 const char ***ret_argv, struct wh_error *err);

/** Destination: what is at @offer's paths must not be lost by a copy. */
void migrate_rootfs_check(const struct migrate_offer *offer, struct migrate_obstacles *obstacles);
/** Destination: make the bundle and the root's directory for a copy, with @config in it. Returns 0 or -errno. */
int migrate_rootfs_prepare(const struct migrate_offer *offer, const char *config, size_t len,
			   struct wh_error *err);
