/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/**
 * A CRIU that was built without SELinux saves no labels: what it restores has its own, ours, and is kept from nothing. Refuse
 * process @pid if that has become of it although the configuration gives it @label (NULL: none).
 *
 * Returns 0, or -EPERM; 0 as well where SELinux is not in use.
 */
int restore_check_label(pid_t pid, const char *label, struct wh_error *err);
