/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/rlimits.h"

#include <sched.h>
#include <stdbool.h>

static bool changes_user_namespace(const struct container_plan *plan)
{
	if ((plan->ns.clone_flags | plan->exec_namespaces) & CLONE_NEWUSER)
		return true;
	for (size_t i = 0; i < plan->ns.n_joins; i++) {
		if (plan->ns.joins[i].type == CLONE_NEWUSER)
			return true;
	}
	return false;
}

static void raise_one(const struct oci_rlimit *wanted, struct rlimits_raised *raised)
{
	struct rlimit *was = &raised->was[wanted->type];
	struct rlimit higher;

	if (getrlimit((int)wanted->type, was) < 0 || was->rlim_max >= wanted->hard)
		return;
	higher = (struct rlimit){.rlim_cur = was->rlim_cur, .rlim_max = wanted->hard};
	if (setrlimit((int)wanted->type, &higher) == 0)
		raised->kinds |= 1U << wanted->type;
}

void rlimits_raise(const struct container_plan *plan, struct rlimits_raised *ret_raised)
{
	const struct oci_process *process = plan->process.spec;

	ret_raised->kinds = 0;
	if (!process || !changes_user_namespace(plan))
		return;
	for (size_t i = 0; i < process->n_rlimits; i++)
		raise_one(&process->rlimits[i], ret_raised);
}

void rlimits_lower(const struct rlimits_raised *raised)
{
	for (int kind = 0; kind < (int)RLIM_NLIMITS; kind++) {
		if (raised->kinds & (1U << kind))
			setrlimit(kind, &raised->was[kind]);
	}
}
