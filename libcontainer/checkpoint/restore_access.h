/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In a user namespace it is the container's root, nobody on the host, who opens files of an image, as CRIU's restore does.
 * What it may read there was its own memory. Only directories that the caller named are opened to it, or wherry made: none that
 * a link in an image leads to.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "oci-spec/types.h"

/** The host's id of the container's root by its @count @gid_mappings, or -1 where it has none. */
gid_t restore_gid_of_root(const struct oci_id_mapping *gid_mappings, size_t count);

/**
 * Make the directory @dir_fd group @gid's with @bits (of S_IRWXG) for it, unless the group or everybody has these. @path: how
 * errors call it. Returns 0 or -errno.
 */
int restore_let_group(int dir_fd, gid_t gid, mode_t bits, const char *path, struct wh_error *err);
