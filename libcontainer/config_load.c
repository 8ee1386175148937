/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/trace.h"
#include "cgroups/systemd_bus.h"
#include "libcontainer/state_store.h"
#include "libcontainer/user_mappings.h"
#include "oci-spec/config.h"

static int resolve_bundle(const char *bundle, struct arena *arena, const char **ret_path,
			  struct wh_error *err)
{
	char buf[PATH_MAX];

	if (!realpath(bundle ? bundle : ".", buf))
		return wh_fail(err, errno, "bundle '%s'", bundle ? bundle : ".");
	*ret_path = arena_strdup(arena, buf);
	return *ret_path ? 0 : wh_oom(err);
}

int config_load(const char *bundle, const char *config, struct arena *arena,
		struct problems *problems, struct loaded_config *ret_config, struct wh_error *err)
{
	const char *name = config ? config : "config.json";
	auto_fd dir = -EBADF;
	uint64_t start = trace_begin();
	char *text;
	int rc;

	rc = resolve_bundle(bundle, arena, &ret_config->bundle, err);
	if (rc < 0)
		return rc;
	dir = config ? AT_FDCWD : open(ret_config->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 && dir != AT_FDCWD)
		return wh_fail(err, errno, "bundle '%s'", ret_config->bundle);
	rc = file_read(dir, name, OCI_CONFIG_MAX_SIZE, arena, &text, &ret_config->len, err);
	trace_end(start, "read config");
	if (rc < 0) {
		wh_error_prefix(err, "bundle '%s'", ret_config->bundle);
		return rc;
	}
	ret_config->text = text;
	start = trace_begin();
	rc =
	    oci_config_decode(name, text, ret_config->len, arena, problems, &ret_config->spec, err);
	trace_end(start, "decode config");
	return rc;
}

int state_config_read(int dir_fd, struct arena *arena, const struct oci_spec **ret_spec,
		      struct wh_error *err)
{
	struct problems problems;
	char *text;
	size_t len;
	int rc;

	problems_init(&problems, arena);
	rc = file_read(dir_fd, STATE_CONFIG_FILE, OCI_CONFIG_MAX_SIZE, arena, &text, &len, err);
	if (rc == 0)
		rc = oci_config_decode("config.json", text, len, arena, &problems, ret_spec, err);
	if (rc < 0)
		wh_error_prefix(err, "the container's own copy of its configuration");
	return rc;
}

int state_config_encode(const struct oci_spec *spec, struct arena *arena, const char **ret_text,
			size_t *ret_len, struct wh_error *err)
{
	const struct oci_spec *read_back;
	struct problems problems;
	int rc;

	problems_init(&problems, arena);
	rc = oci_config_encode(spec, arena, ret_text, ret_len, err);
	return rc < 0 ? rc
		      : oci_config_decode("the configuration as changed", *ret_text, *ret_len,
					  arena, &problems, &read_back, err);
}

int state_config_write(int dir_fd, const char *text, size_t len, struct wh_error *err)
{
	return file_replace(dir_fd, STATE_CONFIG_FILE, text, len, 0600, err);
}

/**
 * The caller's own cgroup is asked for only when the document's path is relative to it, or when the
 * default path has to be: the mount's root is the host root's.
 */
static int find_own_cgroup(const struct runtime *rt, const struct oci_spec *spec,
			   struct arena *arena, const char **ret_path, struct wh_error *err)
{
	const char *path = spec->linux_->cgroups_path;
	char buf[PATH_MAX];
	int rc;

	*ret_path = "";
	/* systemd's names are relative to its manager's cgroup */
	if (rt->cgroup_manager == CGROUP_MANAGER_SYSTEMD)
		return 0;
	if (str_empty(path) ? cgroup_caller_is_host_root() : path[0] == '/')
		return 0;
	rc = cgroup_own_path(buf, sizeof(buf), err);
	if (rc < 0)
		return rc;
	*ret_path = arena_strdup(arena, buf);
	return *ret_path ? 0 : wh_oom(err);
}

/** A spec made in memory goes the way of a document: init reads it in the arena, and the state
 * directory keeps its text. */
static int take_spec(const struct create_options *opts, struct arena *arena,
		     struct problems *problems, struct loaded_config *ret_config,
		     struct wh_error *err)
{
	int rc = resolve_bundle(opts->bundle, arena, &ret_config->bundle, err);

	if (rc == 0)
		rc = oci_config_encode(opts->spec, arena, &ret_config->text, &ret_config->len, err);
	if (rc < 0)
		return rc;
	return oci_config_decode("the default configuration", ret_config->text, ret_config->len,
				 arena, problems, &ret_config->spec, err);
}

/** An ordinary user gets nowhere without a user namespace: one is part of the configuration then. */
static int add_user_namespace(struct loaded_config *config, struct arena *arena,
			      struct problems *problems, struct wh_error *err)
{
	int rc = user_mappings_add(&config->spec, arena, problems, err);

	return rc <= 0 ? rc
		       : state_config_encode(config->spec, arena, &config->text, &config->len, err);
}

/**
 * Nobody has chosen a manager: an ordinary user's cgroup is made by the user's own systemd, where it
 * runs. Where it does not, cgroup_plan_fit_caller() decides.
 */
static void choose_manager(const struct runtime *rt, struct container_plan_input *input)
{
	if (rt->cgroup_manager_set || str_empty(input->own_cgroup) ||
	    !str_empty(input->spec->linux_->cgroups_path) || !systemd_user_runs())
		return;
	input->cgroup_manager = CGROUP_MANAGER_SYSTEMD;
	input->user_manager = true;
	input->own_cgroup = "";
}

int container_plan_load(const struct runtime *rt, const struct create_options *opts,
			struct arena *arena, struct problems *problems,
			struct loaded_config *ret_config, struct container_plan **ret_plan,
			struct wh_error *err)
{
	struct container_plan_input input = {
	    .id = opts->id,
	    .state_root = rt->root,
	    .default_root = rt->default_root,
	    .cgroup_manager = rt->cgroup_manager,
	    .user_manager = rt->cgroup_manager == CGROUP_MANAGER_SYSTEMD && systemd_manages_user(),
	    .privileged = geteuid() == 0,
	    .no_pivot = opts->no_pivot,
	    .no_new_keyring = opts->no_new_keyring,
	    .preserve_fds = opts->preserve_fds,
	    .listen_fds = getenv("LISTEN_FDS"),
	    .notify_socket = getenv("NOTIFY_SOCKET"),
	};
	uint64_t start;
	int rc;

	*ret_plan = NULL;
	if (opts->spec)
		rc = take_spec(opts, arena, problems, ret_config, err);
	else
		rc = config_load(opts->bundle, opts->config, arena, problems, ret_config, err);
	if (rc == 0 && !input.privileged)
		rc = add_user_namespace(ret_config, arena, problems, err);
	if (rc < 0)
		return rc;
	input.spec = ret_config->spec;
	input.bundle = ret_config->bundle;
	rc = find_own_cgroup(rt, input.spec, arena, &input.own_cgroup, err);
	if (rc < 0)
		return rc;
	choose_manager(rt, &input);
	start = trace_begin();
	rc = container_plan_build(&input, arena, problems, ret_plan, err);
	trace_end(start, "build plan");
	if (rc < 0)
		return rc;
	cgroup_plan_fit_caller(&(*ret_plan)->cgroup);
	return problems_to_error(problems, err);
}
