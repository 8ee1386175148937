/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/rules.h"

#include <assert.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "base/str.h"
#include "libcontainer/seccomp/multiplexed.h"

/** Arguments of a system call. */
#define N_ARGS 6
/** What the value of a SECCOMP_RET_TRACE can be at most. */
#define TRACE_MAX 0xffff

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

uint32_t seccomp_action_value(int64_t action, const uint32_t *value)
{
	const struct seccomp_action_row *row = &seccomp_actions[action];

	return row->takes_value ? row->scmp | ((value ? *value : EPERM) & 0xffffU) : row->scmp;
}

/* the rules as a table */

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

static void add_row(struct seccomp_rules *rules, struct seccomp_rule rule)
{
	rule.order = rules->n;
	rules->rows[rules->n++] = rule;
}

/**
 * All conditions of a rule hold together. With several on one argument each becomes a rule of its
 * own: engines' profiles rely on that reading (runc's).
 */
static void add_syscall(struct seccomp_rules *rules, const struct oci_seccomp_syscall *syscall,
			struct seccomp_rule rule)
{
	bool together = one_condition_an_argument(syscall);

	rule.args = syscall->args;
	rule.n_args = together ? syscall->n_args : 1;
	add_row(rules, rule);
	for (size_t i = 1; !together && i < syscall->n_args; i++) {
		rule.args = &syscall->args[i];
		add_row(rules, rule);
	}
}

static int add_entry(struct seccomp_rules *rules, const struct oci_seccomp *profile, size_t index,
		     uint32_t default_action, struct wh_error *err)
{
	const struct oci_seccomp_syscall *syscall = &profile->syscalls[index];
	struct seccomp_rule rule = {.action =
					seccomp_action_value(syscall->action, syscall->errno_ret)};
	int rc = check_arguments(syscall, index, err);

	/* what the default says anyway */
	if (rc < 0 || rule.action == default_action)
		return rc;
	for (size_t i = 0; i < syscall->n_names; i++) {
		rule.name = syscall->names[i];
		rule.number = seccomp_syscall_resolve_name(rule.name);
		/*
		 * Engines list calls of newer kernels than this libseccomp knows: the ENOSYS in
		 * front answers those.
		 */
		if (rule.number != __NR_SCMP_ERROR)
			add_syscall(rules, syscall, rule);
	}
	return 0;
}

static int collect(struct seccomp_rules *rules, const struct oci_seccomp *profile,
		   struct arena *arena, struct wh_error *err)
{
	uint32_t default_action =
	    seccomp_action_value(profile->default_action, profile->default_errno_ret);
	size_t most = 0;
	int rc = 0;

	for (size_t i = 0; i < profile->n_syscalls; i++)
		most += profile->syscalls[i].n_names * (profile->syscalls[i].n_args + 1);
	rules->rows = arena_array(arena, struct seccomp_rule, most);
	if (!rules->rows)
		return wh_oom(err);
	for (size_t i = 0; i < profile->n_syscalls && rc == 0; i++)
		rc = add_entry(rules, profile, i, default_action, err);
	return rc;
}

static int compare(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/** The smaller, the stricter: the kernel's own order (seccomp(2)). */
static int32_t leniency(const struct seccomp_rule *rule)
{
	return (int32_t)(rule->action & SECCOMP_RET_ACTION_FULL);
}

/** The largest number first: libseccomp finds the place of each from the smallest on. */
static int compare_rules(const void *left, const void *right)
{
	const struct seccomp_rule *a = left;
	const struct seccomp_rule *b = right;
	int rc = compare(b->number, a->number);

	if (rc == 0)
		rc = compare(a->n_args > 0, b->n_args > 0);
	if (rc == 0 && a->n_args > 0)
		rc = compare(leniency(a), leniency(b));
	return rc ? rc : compare((int64_t)a->order, (int64_t)b->order);
}

static void sort_rules(struct seccomp_rules *rules)
{
	qsort(rules->rows, rules->n, sizeof(*rules->rows), compare_rules);
}

size_t seccomp_rules_count(const struct seccomp_rules *rules, size_t at)
{
	size_t count = 1;

	while (at + count < rules->n && rules->rows[at + count].number == rules->rows[at].number)
		count++;
	return count;
}

/* the table as libseccomp gets it */

/** Actions that no rule has: SECCOMP_RET_TRACE with values from the largest on. */
struct markers {
	uint64_t taken[(TRACE_MAX + 1) / 64];
	uint32_t next; /* above the value to look at next */
};

static void take_action(struct markers *markers, uint32_t action)
{
	uint32_t value = action & SECCOMP_RET_DATA;

	if ((action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE)
		markers->taken[value / 64] |= 1ULL << value % 64;
}

static void markers_init(struct markers *markers, const struct seccomp_rules *rules,
			 uint32_t default_action)
{
	*markers = (struct markers){.next = TRACE_MAX + 1};
	take_action(markers, default_action);
	for (size_t i = 0; i < rules->n; i++)
		take_action(markers, rules->rows[i].action);
}

static int next_marker(struct markers *markers, uint32_t *ret, struct wh_error *err)
{
	while (markers->next-- > 0) {
		if (markers->taken[markers->next / 64] >> markers->next % 64 & 1)
			continue;
		*ret = SECCOMP_RET_TRACE | markers->next;
		return 0;
	}
	return wh_fail(err, 0, "linux.seccomp: the rules have every value of SCMP_ACT_TRACE");
}

static int add_rule(scmp_filter_ctx ctx, uint32_t action, const struct seccomp_rule *rule,
		    struct wh_error *err)
{
	int rc = seccomp_rule_add(ctx, action, rule->number, 0);

	return rc < 0 ? wh_fail(err, -rc, "add a rule for system call '%s'", rule->name) : 0;
}

static int add_rules(scmp_filter_ctx ctx, const struct seccomp_rules *rules,
		     uint32_t default_action, struct seccomp_calls *calls, struct wh_error *err)
{
	struct markers markers;
	size_t n;
	int rc = 0;

	markers_init(&markers, rules, default_action);
	for (size_t i = 0; i < rules->n && rc == 0; i += n) {
		const struct seccomp_rule *first = &rules->rows[i];
		uint32_t action = first->action;

		n = seccomp_rules_count(rules, i);
		if (first->n_args > 0) {
			rc = next_marker(&markers, &action, err);
			calls->calls[calls->n++] = (struct seccomp_call){action, first, n};
		}
		if (rc == 0)
			rc = add_rule(ctx, action, first, err);
	}
	return rc;
}

/** Room for as many calls as @rules can have whose rules all have conditions. */
static int make_room(const struct seccomp_rules *rules, struct arena *arena,
		     struct seccomp_calls *ret, struct wh_error *err)
{
	size_t most = 0;

	for (size_t i = 0; i < rules->n; i++)
		most += rules->rows[i].n_args > 0;
	*ret = (struct seccomp_calls){.calls = arena_array(arena, struct seccomp_call, most)};
	return ret->calls ? 0 : wh_oom(err);
}

int seccomp_rules_add(scmp_filter_ctx ctx, const struct oci_seccomp *profile, struct arena *arena,
		      struct seccomp_calls *ret_calls, struct wh_error *err)
{
	uint32_t default_action =
	    seccomp_action_value(profile->default_action, profile->default_errno_ret);
	struct seccomp_rules rules = {0};
	int rc = collect(&rules, profile, arena, err);

	if (rc < 0)
		return rc;
	sort_rules(&rules);
	rc = seccomp_multiplexed_add(&rules, arena, err);
	if (rc < 0)
		return rc;
	sort_rules(&rules);
	rc = make_room(&rules, arena, ret_calls, err);
	return rc < 0 ? rc : add_rules(ctx, &rules, default_action, ret_calls, err);
}
