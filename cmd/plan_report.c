/* SPDX-License-Identifier: Apache-2.0 */
/* What both forms of the report say in the same words. */
#include "cmd/plan_report.h"

#include <sys/mount.h>

#include "base/str.h"
#include "oci-spec/enums.h"

struct plan_namespace plan_namespace_at(const struct ns_plan *plan, size_t index)
{
	const struct name_value *row = &oci_namespace_types.rows[index];
	struct plan_namespace namespace = {.type = row->name, .mode = "inherited"};

	if (ns_plan_is_new(plan, (int)row->value))
	namespace.mode = "new";
	for (size_t i = 0; i < plan->n_joins; i++) {
		if (plan->joins[i].type == row->value) {
			namespace.mode = "joined";
			namespace.path = plan->joins[i].path;
		}
	}
	return namespace;
}

const char *plan_mount_kind(enum mount_kind kind)
{
	static const char *const names[] = {
	    [MOUNT_KIND_FS] = "fs",
	    [MOUNT_KIND_BIND] = "bind",
	    [MOUNT_KIND_CGROUP] = "cgroup",
	    [MOUNT_KIND_REMOUNT] = "remount",
	};

	return names[kind];
}

const char *plan_propagation(uint64_t propagation, bool recursive)
{
	static const struct {
		uint64_t flag;
		const char *name;
	} rows[] = {
	    {MS_SHARED,     "rshared"    },
	    {MS_SLAVE,      "rslave"     },
	    {MS_PRIVATE,    "rprivate"   },
	    {MS_UNBINDABLE, "runbindable"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (propagation & rows[i].flag)
			return rows[i].name + !recursive;
	}
	return "unchanged";
}

void plan_hook_lists(const struct oci_hooks *hooks, struct plan_hooks ret_lists[PLAN_HOOK_KINDS])
{
	const struct plan_hooks lists[PLAN_HOOK_KINDS] = {
	    {"prestart",        hooks->prestart,         hooks->n_prestart        },
	    {"createRuntime",   hooks->create_runtime,   hooks->n_create_runtime  },
	    {"createContainer", hooks->create_container, hooks->n_create_container},
	    {"startContainer",  hooks->start_container,  hooks->n_start_container },
	    {"poststart",       hooks->poststart,        hooks->n_poststart       },
	    {"poststop",        hooks->poststop,         hooks->n_poststop        },
	};

	for (size_t i = 0; i < PLAN_HOOK_KINDS; i++)
		ret_lists[i] = lists[i];
}

void plan_capability_sets(const struct process_plan *process,
			  struct plan_capability_set ret_sets[PLAN_CAPABILITY_SETS])
{
	const struct plan_capability_set sets[PLAN_CAPABILITY_SETS] = {
	    {"bounding",    process->caps_bounding   },
            {"effective",   process->caps_effective  },
	    {"permitted",   process->caps_permitted  },
            {"inheritable", process->caps_inheritable},
	    {"ambient",     process->caps_ambient    },
	};

	for (size_t i = 0; i < PLAN_CAPABILITY_SETS; i++)
		ret_sets[i] = sets[i];
}
