/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/mountinfo (proc_pid_mountinfo(5)) as a list. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

struct mountinfo {
	uint32_t id;
	uint32_t parent;
	dev_t dev;
	const char *root;       /* the directory of its file system that is mounted */
	const char *mountpoint; /* relative to the process's root */
	const char *fs_type;
	bool readonly; /* the mount, not its file system */
};

/** The mounts of @pid (0: the caller), in the arena. Returns 0 or -errno. */
int mountinfo_read(pid_t pid, struct arena *arena, struct mountinfo **ret_mounts, size_t *ret_count,
		   struct wh_error *err);
/** The same from a text, which is changed. Returns 0 or -EBADMSG or -ENOMEM. */
int mountinfo_parse(char *text, struct arena *arena, struct mountinfo **ret_mounts,
		    size_t *ret_count);
/** The id of the mount that the file behind fd @fd of @pid (0: the caller) is on. Returns 0 or -errno. */
int mountinfo_of_fd(pid_t pid, int fd, uint32_t *ret_id);
