/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation with systemd over its bus. Whatever is waited for has a time limit: a systemd that is
 * absent, refuses, is slow or goes away meanwhile is an error, never a hang.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct systemd_bus;

/**
 * How long one answer is waited for, connecting included; how long a job of systemd's; and how long a
 * systemd that is being restarted is tried again.
 */
#define SYSTEMD_CALL_TIMEOUT_MS    20000
#define SYSTEMD_JOB_TIMEOUT_MS     30000
#define SYSTEMD_RESTART_TIMEOUT_MS 30000

/**
 * Load what is needed to talk to systemd; the static program executes its twin and does not return.
 * To be called before anything that must not be done twice. Returns 0 or -errno.
 */
int systemd_load(struct wh_error *err);

/** Whether systemd_load() did so already: to ask systemd then costs no more than a connection. */
bool systemd_is_loaded(void);
/**
 * Whether the caller's units are a user's own manager's: an ordinary user's, and those of who is root
 * only in a user namespace that has no systemd of its own.
 */
bool systemd_manages_user(void);
/** Whether the caller's own systemd runs, and can be reached. Looks at the host. */
bool systemd_user_runs(void);
/**
 * Connect to the host's systemd, or with @user to the caller's own. *@ret_bus is the caller's, to be
 * closed. Returns 0 or -errno (kind UNSUPPORTED: there is no bus).
 */
int systemd_bus_open(bool user, struct systemd_bus **ret_bus, struct wh_error *err);
/** Close; NULL is left alone. */
void systemd_bus_close(struct systemd_bus *bus);
/**
 * Whether systemd still has the definition of the transient unit @name, which goes when the unit is
 * forgotten; also when that cannot be told. No call.
 */
bool systemd_transient_exists(bool user, const char *name);
