/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/container_plan.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/str.h"
#include "base/sys.h"
#include "base/trace.h"
#include "libcontainer/seccomp/seccomp.h"
#include "oci-spec/state.h"

/** The state document of init's hooks, cut at the pid, which only init knows. */
static int build_hook_state(const struct container_plan_input *input, struct arena *arena,
			    struct container_plan *plan, struct wh_error *err)
{
	static const char marker[] = "\"pid\":";
	struct oci_state state = {
	    .oci_version = input->spec->oci_version,
	    .id = input->id,
	    .status = OCI_STATUS_CREATED,
	    .pid = 1,
	    .bundle = input->bundle,
	    .annotations = input->spec->annotations,
	    .n_annotations = input->spec->n_annotations,
	};
	const char *json;
	const char *pid;
	size_t len;
	int rc;

	if (plan->hooks->n_create_container + plan->hooks->n_start_container == 0)
		return 0;
	rc = oci_state_encode(&state, false, arena, &json, &len, err);
	if (rc < 0)
		return rc;
	pid = strstr(json, marker);
	if (!pid)
		return wh_fail(err, EPROTO, "the state document has no pid");
	pid += strlen(marker);
	plan->state_head = arena_strndup(arena, json, (size_t)(pid - json));
	plan->state_tail = arena_strdup(arena, pid + strspn(pid, "0123456789 "));
	return plan->state_head && plan->state_tail ? 0 : wh_oom(err);
}

static int plan_cgroup(const struct container_plan_input *input, struct arena *arena,
		       struct problems *problems, struct cgroup_plan *ret_plan,
		       struct wh_error *err)
{
	const struct cgroup_plan_input cgroup = {
	    .spec = input->spec,
	    .manager = input->cgroup_manager,
	    .id = input->id,
	    .root = input->state_root,
	    .default_root = input->default_root,
	    .own_cgroup = input->own_cgroup,
	    .user_manager = input->user_manager,
	};

	return cgroup_plan_build(&cgroup, arena, problems, ret_plan, err);
}

int container_plan_build(const struct container_plan_input *input, struct arena *arena,
			 struct problems *problems, struct container_plan **ret_plan,
			 struct wh_error *err)
{
	const struct oci_spec *spec = input->spec;
	struct container_plan *plan = arena_new(arena, struct container_plan);
	int rc;

	if (!plan)
		return wh_oom(err);
	*plan = (struct container_plan){
	    .kind = CONTAINER_PLAN_CREATE,
	    .id = input->id,
	    .bundle = input->bundle,
	    .spec = spec,
	    .hooks = spec->hooks ? spec->hooks : arena_new(arena, struct oci_hooks),
	    .trace = trace_enabled(),
	    .fds = INIT_FDS_NONE,
	};
	if (!plan->hooks)
		return wh_oom(err);
	if (spec->linux_->seccomp)
		seccomp_check(spec->linux_->seccomp, problems);
	rc = ns_plan_build(spec, input->privileged, arena, problems, &plan->ns, err);
	if (rc == 0)
		rc = rootfs_plan_build(spec, input->bundle, input->no_pivot, arena, problems,
				       &plan->rootfs, err);
	if (rc == 0)
		rc = plan_cgroup(input, arena, problems, &plan->cgroup, err);
	if (rc == 0 && spec->process)
		rc = process_plan_build(spec->process, spec, input, arena, problems, &plan->process,
					err);
	if (rc == 0)
		rc = intel_rdt_plan_build(spec->linux_->intel_rdt, input->id, arena, &plan->rdt,
					  err);
	if (rc == 0)
		rc = build_hook_state(input, arena, plan, err);
	if (rc < 0)
		return rc;
	if (!spec->process)
		problems_add(problems, PROBLEM_ERROR, "process: is required to create a container");
	/* a user namespace that denies setgroups has no additional groups */
	if (plan->ns.deny_setgroups) {
		plan->process.set_groups = false;
		if (plan->process.n_groups > 0)
			problems_add(
			    problems, PROBLEM_ERROR,
			    "process.user.additionalGids: the user namespace denies setgroups");
	}
	*ret_plan = plan;
	return 0;
}
