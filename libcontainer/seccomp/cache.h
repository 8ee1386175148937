/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled filters kept between containers: libseccomp takes longer for Docker's profile than all
 * the rest of a start. A file below the state root holds the whole of what the program was made
 * from and the program; it is only used when every byte of the first is the same and the second is
 * a program that could have been made here. Anything odd means: compile again.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/seccomp/program.h"
#include "oci-spec/types.h"

/** Where the files are, below the state root. */
#define SECCOMP_CACHE_DIR ".cache/seccomp"
/** As many files are kept; the next one makes room by removing all. */
#define SECCOMP_CACHE_MAX_FILES 64

/** All that a program depends on, in one canonical sequence of bytes. */
struct seccomp_cache_key {
	const unsigned char *data;
	size_t len;
	char name[17]; /* of the file: a hash, which only finds the file */
};

/**
 * Make the key of @profile: the rules in their order, libseccomp's @version, the kernel's release
 * and machine, the format of the file. In @arena.
 * Returns 0 or -errno.
 */
int seccomp_cache_key_make(const struct oci_seccomp *profile, const char *version,
			   struct arena *arena, struct seccomp_cache_key *ret_key,
			   struct wh_error *err);
/**
 * Find the program of @key below @state_root; insns and n_insns of *@ret_program are set, and live
 * in @arena.
 * Returns 0; -ENOENT when it is not there; -EINVAL when what is there cannot be used (another's
 * file, damaged, of another key).
 */
int seccomp_cache_load(const char *state_root, const struct seccomp_cache_key *key,
		       struct arena *arena, struct seccomp_program *ret_program);
/** Keep @program under @key, whole or not at all. Returns 0 or -errno. */
int seccomp_cache_store(const char *state_root, const struct seccomp_cache_key *key,
			const struct seccomp_program *program, struct wh_error *err);
/**
 * Whether @insns is a program as seccomp.c makes them: known instructions only, loads inside struct
 * seccomp_data, jumps inside the program, a return at its end. The kernel checks the same again.
 */
bool seccomp_program_is_valid(const struct sock_filter *insns, size_t count);
