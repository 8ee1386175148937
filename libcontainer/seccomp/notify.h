/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing the listener of SCMP_ACT_NOTIFY to the agent at listenerPath
 * (config-linux.md#containerprocessstate).
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "libcontainer/seccomp/program.h"

/**
 * Connect to @program->listener_path, send one ContainerProcessState with the fd @listener (lent)
 * in the first message, and close.
 *
 * @pid: of the container process; @state_json: the container's state document (one line);
 * @oci_version: of the configuration Without a listener path it fails: nobody would answer. Returns
 * 0 or -errno.
 */
int seccomp_notify_send(const struct seccomp_program *program, int listener, pid_t pid,
			const char *state_json, const char *oci_version, struct wh_error *err);
