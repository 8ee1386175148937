/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a profile says about one system call, read off its rules one by one (config-
 * linux.md#seccomp), with nothing of how filters are made. It knows the points at which wherry adds
 * to the text: several conditions on one argument are alternatives; a rule without conditions
 * decides alone, and of several others that hold the strictest; arguments and values have 32 bits
 * where the architecture has; calls newer than the profile get ENOSYS; and what is asked of the
 * first argument of a socket's call is not asked of socketcall's.
 */
#pragma once

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "oci-spec/types.h"

#define ORACLE_X32_BIT   0x40000000U
#define ORACLE_ARM_FIRST 0x0f0000U

/**
 * Calls of sockets and System V IPC, which 32-bit x86 makes by one number for all or each by its
 * own: libseccomp knows both, and gives a name of its own numbering, below 0.
 */
#define ORACLE_MULTIPLEXED_LAST 402
#define ORACLE_SOCKETCALL       102
#define ORACLE_IPC              117

/** The direct numbers of these calls (arch/x86/entry/syscalls/syscall_32.tbl) by libseccomp's. */
static const struct oracle_direct {
	int number;
	uint32_t direct;
} oracle_directs[] = {
    {-101, 359},
    {-102, 361},
    {-103, 362},
    {-104, 363},
    {-106, 367},
    {-107, 368},
    {-108, 360},
    {-111, 369},
    {-112, 371},
    {-113, 373},
    {-114, 366},
    {-115, 365},
    {-116, 370},
    {-117, 372},
    {-118, 364},
    {-119, 337},
    {-120, 345},
    {-202, 393},
    {-203, 394},
    {-211, 400},
    {-212, 401},
    {-213, 399},
    {-214, 402},
    {-221, 397},
    {-222, 398},
    {-223, 395},
    {-224, 396},
};

/** libseccomp's number of call @nr; none is as large as those below 0 would be. */
static inline int64_t oracle_number(uint32_t token, uint32_t nr)
{
	for (size_t i = 0;
	     token == SCMP_ARCH_X86 && i < sizeof(oracle_directs) / sizeof(oracle_directs[0]);
	     i++) {
		if (oracle_directs[i].direct == nr)
			return oracle_directs[i].number;
	}
	return nr;
}

/** A profile seen from one architecture: the number of each name, rule by rule. */
struct oracle {
	const struct oci_seccomp *profile;
	uint32_t token;  /* SCMP_ARCH_* */
	int *numbers;    /* of all names in order; negative: not there */
	uint32_t newest; /* of the ordinary numbers */
	bool has_newest;
	bool has_x32; /* the filter knows it, beside x86_64 */
	bool narrow;  /* arguments have 32 bits */
};

static inline bool oracle_is_ordinary(uint32_t token, uint32_t nr)
{
	return token != SCMP_ARCH_ARM || nr < ORACLE_ARM_FIRST;
}

static inline void oracle_init(struct oracle *oracle, const struct oci_seccomp *profile,
			       uint32_t token)
{
	size_t total = 0;
	size_t at = 0;

	*oracle = (struct oracle){.profile = profile, .token = token};
	for (size_t i = 0; i < profile->n_syscalls; i++)
		total += profile->syscalls[i].n_names;
	oracle->numbers = calloc(total ? total : 1, sizeof(int));
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		for (size_t j = 0; j < profile->syscalls[i].n_names; j++, at++) {
			int nr =
			    seccomp_syscall_resolve_name_arch(token, profile->syscalls[i].names[j]);

			oracle->numbers[at] = nr;
			if (nr > -300 && nr <= -100)
				nr = ORACLE_MULTIPLEXED_LAST;
			if (nr < 0 || !oracle_is_ordinary(token, (uint32_t)nr))
				continue;
			if (!oracle->has_newest || (uint32_t)nr > oracle->newest)
				oracle->newest = (uint32_t)nr;
			oracle->has_newest = true;
		}
	}
	oracle->narrow = token == SCMP_ARCH_X86 || token == SCMP_ARCH_X32 || token == SCMP_ARCH_ARM;
}

static inline void oracle_done(struct oracle *oracle)
{
	free(oracle->numbers);
}

static inline uint32_t oracle_action(int64_t action, const uint32_t *value)
{
	uint32_t v = (value ? *value : EPERM) & 0xffff;

	switch ((enum oci_seccomp_action)action) {
	case OCI_SECCOMP_KILL:
	case OCI_SECCOMP_KILL_THREAD:
		return SECCOMP_RET_KILL_THREAD;
	case OCI_SECCOMP_KILL_PROCESS:
		return SECCOMP_RET_KILL_PROCESS;
	case OCI_SECCOMP_TRAP:
		return SECCOMP_RET_TRAP;
	case OCI_SECCOMP_ERRNO:
		return SECCOMP_RET_ERRNO | v;
	case OCI_SECCOMP_TRACE:
		return SECCOMP_RET_TRACE | v;
	case OCI_SECCOMP_ALLOW:
		return SECCOMP_RET_ALLOW;
	case OCI_SECCOMP_LOG:
		return SECCOMP_RET_LOG;
	case OCI_SECCOMP_NOTIFY:
		return SECCOMP_RET_USER_NOTIF;
	}
	return 0;
}

static inline bool oracle_holds(const struct oracle *oracle, const struct oci_seccomp_arg *arg,
				const uint64_t *args)
{
	uint64_t mask = oracle->narrow ? UINT32_MAX : UINT64_MAX;
	uint64_t have = args[arg->index] & mask;
	uint64_t a = arg->value & mask;
	uint64_t b = arg->value_two & mask;

	switch ((enum oci_seccomp_op)arg->op) {
	case OCI_SECCOMP_NE:
		return have != a;
	case OCI_SECCOMP_LT:
		return have < a;
	case OCI_SECCOMP_LE:
		return have <= a;
	case OCI_SECCOMP_EQ:
		return have == a;
	case OCI_SECCOMP_GE:
		return have >= a;
	case OCI_SECCOMP_GT:
		return have > a;
	case OCI_SECCOMP_MASKED_EQ:
		return (have & a) == (b & a); /* "the masked datum value", seccomp_rule_add(3) */
	}
	return false;
}

/** @hidden: the first argument is not there to be asked. */
static inline bool oracle_matches(const struct oracle *oracle,
				  const struct oci_seccomp_syscall *rule, const uint64_t *args,
				  bool hidden)
{
	bool repeated = false;
	bool all = true;
	bool any = false;

	for (size_t i = 0; i < rule->n_args; i++) {
		bool holds = (hidden && rule->args[i].index == 0) ||
			     oracle_holds(oracle, &rule->args[i], args);

		for (size_t j = 0; j < i; j++)
			repeated |= rule->args[i].index == rule->args[j].index;
		all &= holds;
		any |= holds;
	}
	return repeated ? any : all;
}

/** What rules say. */
struct oracle_word {
	bool said;
	bool plain; /* by a rule without conditions */
	uint32_t action;
	size_t order; /* of the rule in the profile */
};

static inline int32_t oracle_leniency(const struct oracle_word *word)
{
	return (int32_t)(word->action & SECCOMP_RET_ACTION_FULL);
}

/** Which of two counts. */
static inline struct oracle_word oracle_join(struct oracle_word a, struct oracle_word b)
{
	if (!a.said || !b.said)
		return a.said ? a : b;
	if (a.plain || b.plain)
		return a.plain ? a : b;
	if (oracle_leniency(&a) != oracle_leniency(&b))
		return oracle_leniency(&a) < oracle_leniency(&b) ? a : b;
	return a.order <= b.order ? a : b;
}

/** What the rules about libseccomp's @number say. */
static inline struct oracle_word oracle_about(const struct oracle *oracle, int64_t number,
					      const uint64_t *args, bool hidden)
{
	const struct oci_seccomp *profile = oracle->profile;
	uint32_t fallback = oracle_action(profile->default_action, profile->default_errno_ret);
	struct oracle_word word = {.said = false};
	size_t at = 0;

	for (size_t i = 0; i < profile->n_syscalls; i++) {
		const struct oci_seccomp_syscall *rule = &profile->syscalls[i];
		const struct oracle_word says = {true, rule->n_args == 0,
						 oracle_action(rule->action, rule->errno_ret), i};

		for (size_t j = 0; j < rule->n_names; j++, at++) {
			if (oracle->numbers[at] == number && says.action != fallback &&
			    oracle_matches(oracle, rule, args, hidden))
				word = oracle_join(word, says);
		}
	}
	return word;
}

static inline uint32_t oracle_rules(const struct oracle *oracle, uint32_t nr, const uint64_t *args)
{
	const struct oci_seccomp *profile = oracle->profile;
	bool multiplexer =
	    oracle->token == SCMP_ARCH_X86 && (nr == ORACLE_SOCKETCALL || nr == ORACLE_IPC);
	struct oracle_word word =
	    oracle_about(oracle, oracle_number(oracle->token, nr), args, false);
	uint32_t call = (uint32_t)args[0];

	if (multiplexer && !word.plain && call > 0 && call < 100) {
		int number = (nr == ORACLE_IPC ? -200 : -100) - (int)call;
		struct oracle_word of_call = oracle_about(oracle, number, args, true);

		of_call.plain = false; /* it asks which call it is */
		word = oracle_join(word, of_call);
	}
	return word.said ? word.action
			 : oracle_action(profile->default_action, profile->default_errno_ret);
}

/** The verdict on call @nr of the oracle's architecture. */
static inline uint32_t oracle_ask(const struct oracle *oracle, uint32_t nr, const uint64_t *args)
{
	const struct oci_seccomp *profile = oracle->profile;
	uint32_t fallback = oracle_action(profile->default_action, profile->default_errno_ret);
	uint32_t kind = fallback & SECCOMP_RET_ACTION_FULL;
	bool denies = kind != SECCOMP_RET_ALLOW && kind != SECCOMP_RET_LOG &&
		      kind != SECCOMP_RET_TRACE && kind != SECCOMP_RET_USER_NOTIF;

	if (oracle->token == SCMP_ARCH_X86_64 && nr >= ORACLE_X32_BIT && !oracle->has_x32)
		return nr == UINT32_MAX ? fallback : SECCOMP_RET_KILL_THREAD;
	if (denies && oracle->has_newest && nr > oracle->newest &&
	    oracle_is_ordinary(oracle->token, nr))
		return SECCOMP_RET_ERRNO | ENOSYS;
	return oracle_rules(oracle, nr, args);
}
