/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about a finished plan: the init image asks them too. */
#include <sched.h>

#include "base/sys.h"
#include "namespaces/ns_plan.h"

bool ns_plan_is_new(const struct ns_plan *plan, int type)
{
	if (type == CLONE_NEWCGROUP)
		return plan->new_cgroup;
	return ((plan->clone_flags | plan->unshare_flags) & (uint64_t)type) != 0;
}

bool ns_plan_has(const struct ns_plan *plan, int type)
{
	for (size_t i = 0; i < plan->n_joins; i++) {
		if (plan->joins[i].type == type)
			return true;
	}
	return ns_plan_is_new(plan, type);
}
