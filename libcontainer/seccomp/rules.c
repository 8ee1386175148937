/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/rules.h"

#include <assert.h>
#include <errno.h>
#include <linux/seccomp.h>

#include "base/str.h"

/** Arguments of a system call. */
#define N_ARGS 6
/** As many rules may one become by split_less(). */
#define SPLIT_MAX 128

/* clang-format off */
const struct seccomp_action_row seccomp_actions[] = {
    [OCI_SECCOMP_KILL] = {SCMP_ACT_KILL_THREAD,  SECCOMP_RET_KILL_THREAD,  false, false},
    [OCI_SECCOMP_KILL_PROCESS] = {SCMP_ACT_KILL_PROCESS, SECCOMP_RET_KILL_PROCESS, false, false},
    [OCI_SECCOMP_KILL_THREAD] = {SCMP_ACT_KILL_THREAD,  SECCOMP_RET_KILL_THREAD,  false, false},
    [OCI_SECCOMP_TRAP] = {SCMP_ACT_TRAP,         SECCOMP_RET_TRAP,         false, false},
    [OCI_SECCOMP_ERRNO] = {SCMP_ACT_ERRNO(0),     SECCOMP_RET_ERRNO,        true,  false},
    [OCI_SECCOMP_TRACE] = {SCMP_ACT_TRACE(0),     SECCOMP_RET_TRACE,        true,  true },
    [OCI_SECCOMP_ALLOW] = {SCMP_ACT_ALLOW,        SECCOMP_RET_ALLOW,        false, true },
    [OCI_SECCOMP_LOG] = {SCMP_ACT_LOG,          SECCOMP_RET_LOG,          false, true },
    [OCI_SECCOMP_NOTIFY] = {SCMP_ACT_NOTIFY,       SECCOMP_RET_USER_NOTIF,   false, true },
};
/* clang-format on */
static_assert(ARRAY_LEN(seccomp_actions) == OCI_SECCOMP_NOTIFY + 1, "a row an action");

static const enum scmp_compare operators[] = {
    [OCI_SECCOMP_NE] = SCMP_CMP_NE,
    [OCI_SECCOMP_LT] = SCMP_CMP_LT,
    [OCI_SECCOMP_LE] = SCMP_CMP_LE,
    [OCI_SECCOMP_EQ] = SCMP_CMP_EQ,
    [OCI_SECCOMP_GE] = SCMP_CMP_GE,
    [OCI_SECCOMP_GT] = SCMP_CMP_GT,
    [OCI_SECCOMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
};

uint32_t seccomp_action_value(int64_t action, const uint32_t *value)
{
	const struct seccomp_action_row *row = &seccomp_actions[action];

	return row->takes_value ? row->scmp | ((value ? *value : EPERM) & 0xffffU) : row->scmp;
}

/** Rules about one system call that end in one action. */
struct target {
	scmp_filter_ctx ctx;
	uint32_t action;
	int number;
	const char *name;
	bool alone; /* no other rule of the profile is about it */
};

/** The conditions of one rule, at most one an argument. */
struct conditions {
	struct scmp_arg_cmp args[N_ARGS];
	unsigned int n;
};

static int add_rule(const struct target *target, const struct conditions *conditions,
		    struct wh_error *err)
{
	int rc = seccomp_rule_add_array(target->ctx, target->action, target->number, conditions->n,
					conditions->args);

	/* EEXIST: an earlier rule says the same */
	if (rc < 0 && rc != -EEXIST)
		return wh_fail(err, -rc, "add a rule for system call '%s'", target->name);
	return 0;
}

static bool is_less(const struct scmp_arg_cmp *arg)
{
	return arg->op == SCMP_CMP_LT || arg->op == SCMP_CMP_LE;
}

/** How many rules split_less() would make of @conditions. */
static unsigned long split_size(const struct conditions *conditions)
{
	unsigned long size = 1;

	for (unsigned int i = 0; i < conditions->n; i++) {
		const struct scmp_arg_cmp *arg = &conditions->args[i];

		if (is_less(arg))
			size *= 1 + (unsigned long)__builtin_popcountll(arg->datum_a);
		if (size > SPLIT_MAX)
			break;
	}
	return size;
}

/**
 * Add @conditions without "less than" from argument @from on. A number is less than another when
 * they are the same down to a bit that is set only in the other one: as many comparisons under a
 * mask as the other one has bits set.
 *
 * libseccomp (2.5.4) joins the comparisons of several rules about one call wrongly where two of
 * them are "less than" and the upper halves differ: the filter then allows what no rule allows.
 */
static int split_less(const struct target *target, struct conditions conditions, unsigned int from,
		      struct wh_error *err)
{
	struct scmp_arg_cmp *arg = &conditions.args[from];
	uint64_t limit;
	int rc = 0;

	while (from < conditions.n && !is_less(arg))
		arg = &conditions.args[++from];
	if (from == conditions.n)
		return add_rule(target, &conditions, err);
	limit = arg->datum_a;
	if (arg->op == SCMP_CMP_LE) {
		struct conditions equal = conditions;

		equal.args[from].op = SCMP_CMP_EQ;
		rc = split_less(target, equal, from + 1, err);
	}
	arg->op = SCMP_CMP_MASKED_EQ;
	for (unsigned int bit = 0; bit < 64 && rc == 0; bit++) {
		if (!(limit >> bit & 1))
			continue;
		arg->datum_a = UINT64_MAX << bit;
		arg->datum_b = (limit & arg->datum_a) ^ 1ULL << bit;
		rc = split_less(target, conditions, from + 1, err);
	}
	return rc;
}

static int add_conditions(const struct target *target, const struct conditions *conditions,
			  struct wh_error *err)
{
	if (target->alone)
		return add_rule(target, conditions, err);
	if (split_size(conditions) > SPLIT_MAX)
		return wh_fail(err, 0,
			       "linux.seccomp: the rules for system call '%s' compare too many "
			       "arguments by SCMP_CMP_LT or SCMP_CMP_LE",
			       target->name);
	return split_less(target, *conditions, 0, err);
}

static bool one_condition_an_argument(const struct oci_seccomp_syscall *syscall)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < syscall->n_args; i++) {
		if (seen & (1U << syscall->args[i].index))
			return false;
		seen |= 1U << syscall->args[i].index;
	}
	return true;
}

static struct scmp_arg_cmp comparison(const struct oci_seccomp_arg *arg)
{
	return (struct scmp_arg_cmp){
	    .arg = arg->index,
	    .op = operators[arg->op],
	    .datum_a = arg->value,
	    .datum_b = arg->value_two,
	};
}

/**
 * All conditions of a rule hold together; libseccomp takes one condition an argument, though. With
 * several on one argument each becomes a rule of its own: engines' profiles rely on that reading
 * (runc's).
 */
static int add_syscall(struct target *target, const struct oci_seccomp_syscall *syscall,
		       struct wh_error *err)
{
	struct conditions conditions = {.n = 0};
	int rc = 0;

	if (one_condition_an_argument(syscall)) {
		for (size_t i = 0; i < syscall->n_args; i++)
			conditions.args[conditions.n++] = comparison(&syscall->args[i]);
		return add_conditions(target, &conditions, err);
	}
	target->alone = false;
	conditions.n = 1;
	for (size_t i = 0; i < syscall->n_args && rc == 0; i++) {
		conditions.args[0] = comparison(&syscall->args[i]);
		rc = add_conditions(target, &conditions, err);
	}
	return rc;
}

static bool names_call(const struct oci_seccomp_syscall *syscall, const char *name)
{
	for (size_t i = 0; i < syscall->n_names; i++) {
		if (streq(syscall->names[i], name))
			return true;
	}
	return false;
}

/** Only rules with conditions ask: most rules have none. */
static bool is_alone(const struct oci_seccomp *profile, size_t index, const char *name)
{
	if (profile->syscalls[index].n_args == 0)
		return true;
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		if (i != index && names_call(&profile->syscalls[i], name))
			return false;
	}
	return true;
}

static int check_arguments(const struct oci_seccomp_syscall *syscall, size_t index,
			   struct wh_error *err)
{
	for (size_t i = 0; i < syscall->n_args; i++) {
		if (syscall->args[i].index >= N_ARGS)
			return wh_fail(err, 0,
				       "linux.seccomp.syscalls[%zu].args[%zu].index: a system call "
				       "has %d arguments",
				       index, i, N_ARGS);
	}
	return 0;
}

static int add_entry(scmp_filter_ctx ctx, const struct oci_seccomp *profile, size_t index,
		     uint32_t default_action, struct wh_error *err)
{
	const struct oci_seccomp_syscall *syscall = &profile->syscalls[index];
	uint32_t action = seccomp_action_value(syscall->action, syscall->errno_ret);
	int rc = check_arguments(syscall, index, err);

	/* libseccomp refuses rules that say what the default says anyway */
	if (rc < 0 || action == default_action)
		return rc;
	for (size_t i = 0; i < syscall->n_names && rc == 0; i++) {
		struct target target = {
		    .ctx = ctx,
		    .action = action,
		    .name = syscall->names[i],
		    .number = seccomp_syscall_resolve_name(syscall->names[i]),
		    .alone = is_alone(profile, index, syscall->names[i]),
		};

		/*
		 * Engines list calls of newer kernels than this libseccomp knows: the ENOSYS in
		 * front answers those.
		 */
		if (target.number != __NR_SCMP_ERROR)
			rc = add_syscall(&target, syscall, err);
	}
	return rc;
}

int seccomp_rules_add(scmp_filter_ctx ctx, const struct oci_seccomp *profile, struct wh_error *err)
{
	uint32_t default_action =
	    seccomp_action_value(profile->default_action, profile->default_errno_ret);
	int rc = 0;

	for (size_t i = 0; i < profile->n_syscalls && rc == 0; i++)
		rc = add_entry(ctx, profile, i, default_action, err);
	return rc;
}
