/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the caller's fds a container gets; all others end at exec (CVE-2024-21626). */
#pragma once

#include "base/error.h"

/**
 * Mark everything above stdio close-on-exec. For a verb without --preserve-fds.
 * Returns 0 or -errno.
 */
int inherited_fds_close(struct wh_error *err);
/**
 * The same, but leave open @preserve fds and those that LISTEN_FDS passes, which come first
 * (sd_listen_fds(3)). LISTEN_FDS is for this process only when LISTEN_PID says so; else it is
 * removed from the environment, so that nobody below reads it. To be called before anything is
 * opened: each of these fds must be open, else one of ours would take its number. Returns 0 or
 * -errno.
 */
int inherited_fds_keep(unsigned int preserve, struct wh_error *err);
