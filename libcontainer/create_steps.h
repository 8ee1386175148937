/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of create that live in files of their own. @ctx is a struct create. */
#pragma once

#include "libcontainer/create.h"

/**
 * Intent first: before a cgroup or a process exists, what to remove is on disk (create_claim.c).
 */
int create_step_claim(void *ctx, struct wh_error *err);
void create_undo_claim(void *ctx);

/** With the systemd manager: libsystemd, the bus, and the unit (create_unit.c). */
int create_step_load_systemd(void *ctx, struct wh_error *err);
int create_may_need_unit(const void *ctx);
int create_step_reach_systemd(void *ctx, struct wh_error *err);
void create_undo_reach_systemd(void *ctx);
int create_step_unit(void *ctx, struct wh_error *err);
void create_undo_unit(void *ctx);
int create_needs_unit(const void *ctx);

/**
 * Where nothing of ours comes between init's being ready and its start, it need not wait to be
 * told: waking two processes costs more than most of what they do (create_converse.c).
 */
int create_step_start_ahead(void *ctx, struct wh_error *err);
int create_can_start_ahead(const void *ctx);
/** linux.intelRdt: look, make, and add init (create_rdt.c). */
int create_needs_rdt(const void *ctx);
int create_step_rdt_look(void *ctx, struct wh_error *err);
int create_step_rdt_make(void *ctx, struct wh_error *err);
void create_undo_rdt_make(void *ctx);
int create_step_rdt_add(void *ctx, struct wh_error *err);
/** What init's silence may mean: see struct spawn. */
int create_on_stalled(void *ctx, struct wh_error *err);
/** Answer init until it is ready. */
int create_step_ready(void *ctx, struct wh_error *err);
