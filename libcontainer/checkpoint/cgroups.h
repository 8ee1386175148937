/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroups of a container in an image. CRIU is told to leave cgroups alone: it would mount every hierarchy of
 * the host anew, which changes the options of the host's mount, and knows no other place for a container than
 * the saved one's. The container's own cgroup is made from its configuration; what it has below comes from the image.
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/cgroup.h"
#include "libcontainer/checkpoint/checkpoint.h"
#include "libcontainer/checkpoint/image.h"

/**
 * Fill in image->cgroups: @cgroup and what is below it, with the processes as @init's pid namespace numbers
 * them. Returns 0 or -errno.
 */
int checkpoint_cgroups_read(const struct cgroup *cgroup, pid_t init, struct arena *arena,
			    struct checkpoint_image *image, struct wh_error *err);

/** What cgroups are restored with. All lent. */
struct cgroups_restore {
	enum checkpoint_cgroups mode;
	const struct cgroup *cgroup; /* the new container's, in which everything was born */
	int mount_fd;
	pid_t init; /* restored, standing still */
	pid_t criu;
	struct arena *arena;
};

/**
 * Make what @image has below the cgroup, and move the restored processes there. CRIU goes to the caller's cgroup
 * if need be: a cgroup that holds a process cannot have controllers below. Returns 0 or -errno.
 */
int checkpoint_cgroups_restore(const struct cgroups_restore *restore,
			       const struct checkpoint_image *image, struct wh_error *err);
