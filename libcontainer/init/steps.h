/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that stand in the tables of both create and exec inside init. @ctx is a struct init. */
#pragma once

#include "base/error.h"

/** Open the verified procfs that labels and scores are written through. */
int init_step_open_proc(void *ctx, struct wh_error *err);
/** process.oomScoreAdj. */
int init_step_oom_score(void *ctx, struct wh_error *err);
/** A session keyring of the container's own. */
int init_step_keyring(void *ctx, struct wh_error *err);
int init_needs_keyring(const void *ctx);
/** In a user namespace init is its root from here on, where the maps know a root. */
int init_step_become_root(void *ctx, struct wh_error *err);
int init_needs_terminal(const void *ctx);
