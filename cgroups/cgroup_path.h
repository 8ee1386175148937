/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths below the v2 mount: the one validator for everything that names a cgroup (cgroupsPath, exec
 * --cgroup).
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"

/**
 * Join @path to @base ("" or "/" = the mount) and clean it: one slash between components, none at
 * the end, a leading one always.
 *
 * Refused: "." and ".." components (nothing may be made outside of what was named; CVE class of
 * crun's cgroupsPath "/../.."), control bytes, components longer than NAME_MAX, the whole longer
 * than PATH_MAX - 1, and the root itself. Pure.
 * *@ret_path: in the arena. Returns 0, or -errno with a text that has no place in front.
 */
int cgroup_path_join(const char *base, const char *path, struct arena *arena, const char **ret_path,
		     struct wh_error *err);
