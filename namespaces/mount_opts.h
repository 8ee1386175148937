/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of mount options (config.md#linux-mount-options) and what a list of them adds up to.
 * One row an option: parsing, `wherry plan` and `features` read the same rows.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/name_table.h"

/** What options ask for beyond attributes, propagation and file-system parameters. */
#define MOUNT_EXT_BIND      (1U << 0)
#define MOUNT_EXT_RECURSIVE (1U << 1) /* rbind */
#define MOUNT_EXT_REMOUNT   (1U << 2)
#define MOUNT_EXT_TMPCOPYUP (1U << 3)
#define MOUNT_EXT_IDMAP     (1U << 4)
#define MOUNT_EXT_RIDMAP    (1U << 5)

/** The sum of a mount's options, in the terms of the new mount API. */
struct mount_flags {
	uint64_t attr_set; /* MOUNT_ATTR_* of the top mount (mount_setattr(2)) */
	uint64_t attr_clr;
	uint64_t rec_attr_set; /* the same, AT_RECURSIVE: the r* options */
	uint64_t rec_attr_clr;
	/* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, or 0 when not asked for */
	uint64_t propagation;
	bool propagation_recursive;
	uint32_t ext; /* MOUNT_EXT_* */
	/* super-block flags by their fsconfig(2) name: "ro", "sync", "dirsync", "lazytime", ... */
	const char **sb_flags;
	uint32_t n_sb_flags;
	/* file-system parameters in order: key, value, key, value...; value NULL for a flag */
	const char **params;
	uint32_t n_params; /* pairs */
};

/** All option names for `features` (mountOptions), in the order of the spec's table. */
extern const struct name_table mount_option_names;

/**
 * Add up @options in order; later ones win. Unknown options become file-system parameters
 * (key=value or flag). Pure. Returns 0, or -ENOMEM; nothing a list of strings holds is an error
 * here.
 */
int mount_opts_parse(const char *const *options, size_t count, struct arena *arena,
		     struct mount_flags *ret_flags, struct wh_error *err);
/**
 * Describe @flags as option words for a person ("ro,nosuid,rprivate"). NULL when the arena is
 * full.
 */
const char *mount_flags_describe(const struct mount_flags *flags, struct arena *arena);
