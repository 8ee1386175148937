/* SPDX-License-Identifier: Apache-2.0 */
/* What the container's process will be: environment, user, capabilities (config.md#process). */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "libcontainer/container_plan.h"

#define DEFAULT_UMASK 0022

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strcspn(b, "=") == len && memcmp(a, b, len) == 0;
}

/**
 * Append @entry, or replace the entry of the same name: of a repeated variable the last wins
 * (runc).
 */
static void env_put(const char **env, size_t *n, const char *entry)
{
	for (size_t i = 0; i < *n; i++) {
		if (same_name(env[i], entry)) {
			env[i] = entry;
			return;
		}
	}
	env[(*n)++] = entry;
}

static bool is_home(const char *entry)
{
	return str_after(entry, "HOME=") != NULL;
}

/**
 * LISTEN_FDS of the caller (sd_listen_fds(3)) goes on to the container, where LISTEN_PID is for
 * init to say.
 */
static int add_listen_fds(const struct container_plan_input *input, struct arena *arena,
			  struct problems *problems, struct process_plan *plan,
			  struct wh_error *err)
{
	uint64_t count;
	const char *entry;

	if (str_empty(input->listen_fds))
		return 0;
	if (str_parse_u64(input->listen_fds, 1024, &count) < 0) {
		problems_add(problems, PROBLEM_ERROR,
			     "environment: LISTEN_FDS='%s' is no number of fds", input->listen_fds);
		return 0;
	}
	if (count == 0)
		return 0;
	entry = arena_printf(arena, "LISTEN_FDS=%s", input->listen_fds);
	if (!entry)
		return wh_oom(err);
	env_put(plan->env, &plan->n_env, entry);
	plan->preserve_fds += (unsigned int)count;
	plan->listen_pid = true;
	return 0;
}

/* A copy: init sees the arena, not this program's own strings. */
static int add_notify_socket(const struct container_plan_input *input, struct arena *arena,
			     struct process_plan *plan, struct wh_error *err)
{
	const char *entry;

	if (!input->notify_socket)
		return 0;
	entry = arena_strdup(arena, "NOTIFY_SOCKET=/run/notify/notify.sock");
	if (!entry)
		return wh_oom(err);
	env_put(plan->env, &plan->n_env, entry);
	return 0;
}

static int build_env(const struct oci_process *process, const struct container_plan_input *input,
		     struct arena *arena, struct problems *problems, struct process_plan *plan,
		     struct wh_error *err)
{
	size_t room = process->n_env + 4;
	int rc;

	plan->env = arena_array(arena, const char *, room);
	if (!plan->env)
		return wh_oom(err);
	for (size_t i = 0; i < process->n_env; i++)
		env_put(plan->env, &plan->n_env, process->env[i]);
	rc = add_listen_fds(input, arena, problems, plan, err);
	if (rc < 0)
		return rc;
	rc = add_notify_socket(input, arena, plan, err);
	if (rc < 0)
		return rc;
	/* an empty HOME counts as none: init finds the user's own */
	plan->home_missing = true;
	size_t kept = 0;

	for (size_t i = 0; i < plan->n_env; i++) {
		if (is_home(plan->env[i]) && plan->env[i][strlen("HOME=")] == '\0')
			continue;
		if (is_home(plan->env[i]))
			plan->home_missing = false;
		plan->env[kept++] = plan->env[i];
	}
	plan->n_env = kept;
	plan->env[kept] = NULL;
	return 0;
}

static int build_args(const struct oci_process *process, struct arena *arena,
		      struct problems *problems, struct process_plan *plan, struct wh_error *err)
{
	if (process->n_args == 0) {
		problems_add(problems, PROBLEM_ERROR, "process.args: the program is missing");
		return 0;
	}
	plan->args = arena_array(arena, const char *, process->n_args + 1);
	if (!plan->args)
		return wh_oom(err);
	memcpy(plan->args, process->args, process->n_args * sizeof(*plan->args));
	return 0;
}

static uint64_t capability_mask(const struct oci_capability_set *set)
{
	return set ? set->mask : 0;
}

static void build_capabilities(const struct oci_process *process, struct process_plan *plan)
{
	const struct oci_capabilities *caps = process->capabilities;

	/* no object: all five sets are empty, the bounding set too */
	if (!caps)
		return;
	plan->caps_bounding = capability_mask(caps->bounding);
	plan->caps_effective = capability_mask(caps->effective);
	plan->caps_permitted = capability_mask(caps->permitted);
	plan->caps_inheritable = capability_mask(caps->inheritable);
	/*
	 * The kernel refuses the rest, and what cannot be granted must not fail
	 * (config.md#linux-process): the decoder warned. The default spec of runc 1.1 has an
	 * ambient set and no inheritable one.
	 */
	plan->caps_ambient =
	    capability_mask(caps->ambient) & plan->caps_permitted & plan->caps_inheritable;
}

/** Podman's --group-add keep-groups, which it spells as crun does: the caller's groups stay. */
static bool keeps_groups(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->n_annotations; i++) {
		if (streq(spec->annotations[i].key, "run.oci.keep_original_groups"))
			return streq(spec->annotations[i].value, "1");
	}
	return false;
}

static int build_user(const struct oci_user *user, struct arena *arena, struct process_plan *plan,
		      struct wh_error *err)
{
	gid_t *groups;

	plan->uid = user->uid;
	plan->gid = user->gid;
	plan->umask = user->umask ? *user->umask : DEFAULT_UMASK;
	plan->n_groups = user->n_additional_gids;
	groups = arena_array(arena, gid_t, user->n_additional_gids + 1);
	if (!groups)
		return wh_oom(err);
	for (size_t i = 0; i < user->n_additional_gids; i++)
		groups[i] = user->additional_gids[i];
	plan->groups = groups;
	return 0;
}

static void build_terminal(const struct oci_process *process, struct problems *problems,
			   struct process_plan *plan)
{
	plan->terminal = process->terminal;
	if (!process->terminal || !process->console_size)
		return;
	if (process->console_size->height > UINT16_MAX ||
	    process->console_size->width > UINT16_MAX) {
		problems_add(problems, PROBLEM_ERROR,
			     "process.consoleSize: larger than a terminal can be (65535)");
		return;
	}
	plan->rows = (uint16_t)process->console_size->height;
	plan->columns = (uint16_t)process->console_size->width;
}

int process_plan_build(const struct oci_process *process, const struct oci_spec *spec,
		       const struct container_plan_input *input, struct arena *arena,
		       struct problems *problems, struct process_plan *ret_plan,
		       struct wh_error *err)
{
	struct process_plan *plan = ret_plan;
	int rc;

	*plan = (struct process_plan){
	    .spec = process,
	    .cwd = process->cwd,
	    .no_new_privs = process->no_new_privileges && *process->no_new_privileges,
	    .apparmor_profile =
		str_empty(process->apparmor_profile) ? NULL : process->apparmor_profile,
	    .selinux_label = str_empty(process->selinux_label) ? NULL : process->selinux_label,
	    .preserve_fds = input->preserve_fds,
	    .set_groups = !keeps_groups(spec),
	};
	build_capabilities(process, plan);
	build_terminal(process, problems, plan);
	rc = build_args(process, arena, problems, plan, err);
	if (rc == 0)
		rc = build_env(process, input, arena, problems, plan, err);
	if (rc == 0)
		rc = build_user(&process->user, arena, plan, err);
	if (rc < 0)
		return rc;
	if (!input->no_new_keyring) {
		plan->keyring = arena_printf(arena, "_ses.%s", input->id);
		if (!plan->keyring)
			return wh_oom(err);
	}
	return 0;
}
