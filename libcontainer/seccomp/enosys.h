/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls newer than a profile. Programs try a new system call and fall back when the kernel
 * answers ENOSYS; a profile that was written before the call existed answers EPERM (or kills), and
 * they break. So calls above the newest one that a profile knows get ENOSYS, from instructions put
 * in front of libseccomp's.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What is known about the system calls of one architecture of the filter. */
struct seccomp_newest {
	uint32_t audit_arch; /* AUDIT_ARCH_*, as seccomp_data.arch has it */
	uint32_t first;      /* the numbers judged are first <= nr < end */
	uint32_t end;
	uint32_t newest; /* the largest number of these that the profile names */
};

/** More than any list of architectures adds up to. */
#define SECCOMP_ENOSYS_MAX_INSNS 64

/**
 * Write the instructions for @ranges into @insns (SECCOMP_ENOSYS_MAX_INSNS): ERRNO(ENOSYS) for a
 * number above its range's newest, else on to what follows. Ranges of one architecture must be
 * adjacent, by ascending first.
 * Returns their number; 0 when there is nothing to do, or no room for it.
 */
size_t seccomp_enosys_build(const struct seccomp_newest *ranges, size_t count,
			    struct sock_filter *insns);
