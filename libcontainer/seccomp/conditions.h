/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that are judged by their arguments. libseccomp finds such a call by its number and
 * answers with a marker, an action that the profile does not have; here each marker becomes a jump
 * to instructions of our own, which compare the arguments. Other calls cost nothing more.
 *
 * libseccomp's own comparisons are not used: where several rules are about one call it joins them
 * wrongly in some shapes (2.5.4 and 2.6.0: conditions on several arguments, "not equal"), and then
 * the default action decides where a rule should.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci-spec/types.h"

/** As many architectures can a filter have. */
#define SECCOMP_ARCHS_MAX 64
/** System calls of the x32 ABI have this bit and the audit architecture of x86_64. */
#define SECCOMP_X32_BIT 0x40000000U

/** One rule about one system call. */
struct seccomp_rule {
	int number;                         /* of the call, as libseccomp counts for this machine */
	const char *name;                   /* of the call */
	size_t order;                       /* in the profile */
	uint32_t action;                    /* SECCOMP_RET_* with its value */
	const struct oci_seccomp_arg *args; /* all of these have to hold */
	size_t n_args;
};

/** A system call whose rules all have conditions. */
struct seccomp_call {
	uint32_t marker;                  /* what libseccomp's program answers to it */
	const struct seccomp_rule *rules; /* the first that holds decides */
	size_t n_rules;
};

/** How wide arguments are: of the architectures of one filter, which are of one byte order. */
struct seccomp_widths {
	bool big_endian;
	bool x32;                         /* it is one of them */
	bool narrow;                      /* so is another one whose arguments have 32 bits */
	uint32_t wide[SECCOMP_ARCHS_MAX]; /* AUDIT_ARCH_* of those with 64 bits */
	size_t n_wide;
};

/**
 * Put what judges @calls behind the @n instructions in @insns, which has room for BPF_MAXINSNS, and
 * replace their markers there. @fallback (SECCOMP_RET_*) is the verdict where no rule holds. Where
 * arguments have 32 bits, so has what they are compared with: the lower half of the document's.
 * Returns the number of instructions, of which those above BPF_MAXINSNS are only counted.
 */
size_t seccomp_conditions_append(struct sock_filter *insns, size_t n,
				 const struct seccomp_call *calls, size_t n_calls,
				 const struct seccomp_widths *widths, uint32_t fallback);
