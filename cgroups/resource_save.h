/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing limits to a cgroup that is in use, all or none: what a file says before it is written is
 * kept, and put back in reverse order.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/resource_files.h"

/** One file as it was. */
struct saved_value {
	const char *file;
	const char *value;      /* what to write to it */
	const char *else_value; /* what comes nearest where the kernel refuses that; NULL: none */
};

struct saved_values {
	struct saved_value *list; /* in the order of writing; lives in the arena */
	size_t count;
};

/**
 * Keep what the files say that @writes are about to change. A file that cannot be read is not put
 * back: it is no limit but an order. Returns 0 or -errno.
 */
int resource_files_save(const struct cgroup_writes *writes, int dir_fd, struct arena *arena,
			struct saved_values *ret_saved, struct wh_error *err);
/**
 * resource_files_apply(), but a failure leaves every file as it was. *@ret_saved is for
 * resource_files_restore(), should something later fail. Returns 0 or -errno.
 */
int resource_files_replace(const struct cgroup_writes *writes, int dir_fd, struct arena *arena,
			   struct saved_values *ret_saved, struct wh_error *err);
/** Put back what is @saved, the last first. What the kernel refuses now stays as it is. */
void resource_files_restore(const struct saved_values *saved, int dir_fd);
