/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the OCI profile to a filter program, with libseccomp; the only place that knows it, besides
 * the cache and the notifier.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/seccomp/program.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/**
 * What is wrong with @profile here: names this libseccomp does not know, actions and flags this
 * kernel lacks, SCMP_ACT_NOTIFY on system calls that init itself still needs. Unknown system calls
 * are ignored, as runc does. Adds problems; cheap enough for every create.
 */
void seccomp_check(const struct oci_seccomp *profile, struct problems *problems);
/**
 * How many of @profile's system call names this libseccomp does not know, for `wherry plan`: a
 * second's thousandth or so.
 */
size_t seccomp_unknown_syscalls(const struct oci_seccomp *profile);
/** Whether an action of @profile is SCMP_ACT_NOTIFY. */
bool seccomp_uses_notify(const struct oci_seccomp *profile);
/**
 * Compile @profile, with ENOSYS for system calls that are newer than it
 * (libcontainer/seccomp/enosys.h) where it would deny them otherwise. The program is in @arena.
 * Returns 0 or -errno.
 */
int seccomp_compile(const struct oci_seccomp *profile, struct arena *arena,
		    struct seccomp_program *ret_program, struct wh_error *err);
/**
 * The program of @profile from the cache below @state_root, or compiled and then cached.
 * *@ret_program is NULL for a profile that allows everything and has no rule. Returns 0 or -errno;
 * a cache that cannot be used is no error.
 */
int seccomp_prepare(const struct oci_seccomp *profile, const char *state_root, struct arena *arena,
		    struct seccomp_program **ret_program, struct wh_error *err);
/** The version of libseccomp in use, "2.5.4", in @buf. */
void seccomp_library_version(char *buf, size_t size);
