/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process exec runs: the container's own as a base, changed by options, or what --process
 * FILE says.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/container.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/**
 * Build the process in the arena. @spec: the container's, its process is the base of exec by
 * arguments.
 * Returns 0 with *@ret_process, or -errno (kind USAGE for a malformed option).
 */
int exec_process_build(const struct exec_options *opts, const struct oci_spec *spec,
		       struct arena *arena, struct problems *problems,
		       const struct oci_process **ret_process, struct wh_error *err);

/**
 * Parse UID[:GID], both plain decimal numbers below 2^32 - 1 (CVE-2026-30892, CVE-2016-3697).
 * @ret_gid is left when not given.
 */
int exec_parse_user(const char *text, uint32_t *ret_uid, uint32_t *ret_gid, struct wh_error *err);
