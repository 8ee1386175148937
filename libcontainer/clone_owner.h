/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns the user namespace that init is made in. Whoever has the owner's euid has all
 * capabilities over it from the parent namespace, CAP_SYS_PTRACE among them and whatever its own are
 * (user_namespaces(7)). Where init is born into a joined pid namespace its processes see it while it
 * still holds the host's root: root of an ordinary container without any capability could go through
 * /proc/PID/root. So there the owner is an id that nobody runs as.
 */
#pragma once

#include "base/error.h"
#include "namespaces/ns_plan.h"

/** Whether @plan makes a user namespace and joins a pid namespace before. */
bool clone_owner_matters(const struct ns_plan *plan);
/**
 * Take the euid that shall own the namespace made next, keeping all capabilities. Undone by
 * clone_owner_restore(). Returns 0 or -errno.
 */
int clone_owner_take(const struct ns_plan *plan, struct wh_error *err);
/** Be root again. Returns 0 or -errno. */
int clone_owner_restore(struct wh_error *err);
