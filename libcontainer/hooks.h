/* SPDX-License-Identifier: Apache-2.0 */
/* Running hooks (config.md#posix-platform-hooks), in the parent and in the init image. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "oci-spec/types.h"

/** What the hooks of one moment have in common. All lent. */
struct hook_setting {
	const char *state; /* the state document for standard input, @len bytes */
	size_t len;
	/*
	 * Environment of a hook that has none in the document; NULL: empty. startContainer hooks
	 * get the container's, as runc's do.
	 */
	const char *const *default_env;
	const char *cwd; /* the bundle; NULL, or gone: the caller's directory */
	/*
	 * The caller is the runtime: see struct command. Not for init, which becomes the container's
	 * program, and whose hooks are in the container's cgroup and end with that.
	 */
	bool attended;
};

/**
 * Run one hook and wait for it.
 *
 * @kind, @index: how errors name it: "hooks.prestart[0] '/path': exit status 1: <what it printed>"
 *
 * The hook runs in a session of its own with no fd above 2; its output is captured (the last 4 KiB
 * go to the error). A timeout kills it and all it started, and does not wait for a grandchild that holds
 * the pipes; a signal to the runtime (SIGTERM, SIGINT, SIGHUP, SIGQUIT) does the same. Returns 0 or
 * -errno.
 */
int hook_run(const struct oci_hook *hook, const char *kind, size_t index,
	     const struct hook_setting *setting, struct wh_error *err);
/** Run @count hooks in order; the first failure ends it. Returns 0 or -errno. */
int hooks_run(const struct oci_hook *hooks, size_t count, const char *kind,
	      const struct hook_setting *setting, struct wh_error *err);
