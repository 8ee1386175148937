/* SPDX-License-Identifier: Apache-2.0 */
/* linux.netDevices: the host's network interfaces that become the container's
 * (config-linux.md#network-devices). */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "namespaces/ns_plan.h"

/**
 * Parent: move plan->net_devices from the caller's network namespace into that of the process
 * @pid, each under its name there, with its permanent addresses of global scope, and set them up.
 *
 * All of them are looked at before the first is moved: a device that is missing or a name that is
 * taken changes nothing. After a later failure nothing is moved back: with the namespace the kernel
 * gives hardware back to the initial namespace, and virtual devices end (network_namespaces(7)).
 * The caller must have no threads: it is in the other namespace for the time of one socket(2).
 * Returns 0 or -errno.
 */
int net_devices_move(const struct ns_plan *plan, pid_t pid, struct wh_error *err);
