/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/exec_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "oci-spec/config.h"
#include "oci-spec/enums.h"

/** Ids up to this one are valid: 2^32 - 1 means "no change" to the kernel. */
#define ID_MAX (UINT32_MAX - 1ULL)

static int parse_id(const char *text, size_t len, uint64_t *ret_id)
{
	char buf[16];

	if (len == 0 || len >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return str_parse_u64(buf, ID_MAX, ret_id);
}

int exec_parse_user(const char *text, uint32_t *ret_uid, uint32_t *ret_gid, struct wh_error *err)
{
	size_t len = strcspn(text, ":");
	uint64_t uid;
	uint64_t gid = *ret_gid;

	if (parse_id(text, len, &uid) < 0 ||
	    (text[len] == ':' && parse_id(text + len + 1, strlen(text + len + 1), &gid) < 0))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--user '%s': expected UID[:GID], numbers from 0 to %llu", text,
				    (unsigned long long)ID_MAX);
	*ret_uid = (uint32_t)uid;
	*ret_gid = (uint32_t)gid;
	return 0;
}

static int read_process_file(const char *path, struct arena *arena, struct problems *problems,
			     const struct oci_process **ret_process, struct wh_error *err)
{
	char *text;
	size_t len;
	int rc = file_read(AT_FDCWD, path, OCI_CONFIG_MAX_SIZE, arena, &text, &len, err);

	if (rc < 0) {
		wh_error_prefix(err, "--process");
		return rc;
	}
	return oci_process_decode(path, text, len, arena, problems, ret_process, err);
}

static int add_strings(struct arena *arena, const char ***list, size_t *n, const char *const *more,
		       size_t n_more, struct wh_error *err)
{
	const char **joined = arena_array(arena, const char *, *n + n_more + 1);

	if (!joined)
		return wh_oom(err);
	if (*n > 0)
		memcpy(joined, *list, *n * sizeof(*joined));
	for (size_t i = 0; i < n_more; i++) {
		joined[*n + i] = arena_strdup(arena, more[i]);
		if (!joined[*n + i])
			return wh_oom(err);
	}
	*list = joined;
	*n += n_more;
	return 0;
}

static int add_groups(struct arena *arena, struct oci_user *user, const struct exec_options *opts,
		      struct wh_error *err)
{
	uint32_t *groups =
	    arena_array(arena, uint32_t, user->n_additional_gids + opts->n_additional_gids + 1);

	if (!groups)
		return wh_oom(err);
	if (user->n_additional_gids > 0)
		memcpy(groups, user->additional_gids, user->n_additional_gids * sizeof(*groups));
	if (opts->n_additional_gids > 0)
		memcpy(groups + user->n_additional_gids, opts->additional_gids,
		       opts->n_additional_gids * sizeof(*groups));
	user->additional_gids = groups;
	user->n_additional_gids += opts->n_additional_gids;
	return 0;
}

/** A capability by its name, with or without CAP_, in any case. */
static int parse_capability(const char *name, uint64_t *ret_mask, struct wh_error *err)
{
	char buf[64];
	const struct name_value *row;

	snprintf(buf, sizeof(buf), "%s%s", strncasecmp(name, "CAP_", 4) == 0 ? "" : "CAP_", name);
	for (char *c = buf; *c; c++)
		*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
	row = name_table_find(&oci_capability_names, buf);
	if (!row)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "--cap '%s': no such capability", name);
	*ret_mask |= 1ULL << row->value;
	return 0;
}

static const struct oci_capability_set *
add_mask(struct arena *arena, const struct oci_capability_set *set, uint64_t mask)
{
	struct oci_capability_set *sum = arena_new(arena, struct oci_capability_set);

	if (sum) {
		*sum = set ? *set : (struct oci_capability_set){0};
		sum->mask |= mask;
	}
	return sum;
}

/**
 * To bounding, effective and permitted; never to inheritable or ambient (CVE-2022-29162,
 * CVE-2022-27650).
 */
static int add_capabilities(struct arena *arena, struct oci_process *process,
			    const struct exec_options *opts, struct wh_error *err)
{
	struct oci_capabilities *caps = arena_new(arena, struct oci_capabilities);
	uint64_t mask = 0;

	if (!caps)
		return wh_oom(err);
	for (size_t i = 0; i < opts->n_caps; i++) {
		int rc = parse_capability(opts->caps[i], &mask, err);

		if (rc < 0)
			return rc;
	}
	if (process->capabilities)
		*caps = *process->capabilities;
	caps->bounding = add_mask(arena, caps->bounding, mask);
	caps->effective = add_mask(arena, caps->effective, mask);
	caps->permitted = add_mask(arena, caps->permitted, mask);
	process->capabilities = caps;
	return caps->bounding && caps->effective && caps->permitted ? 0 : wh_oom(err);
}

static int copy_text(struct arena *arena, const char **dest, const char *text, struct wh_error *err)
{
	if (!text)
		return 0;
	*dest = arena_strdup(arena, text);
	return *dest ? 0 : wh_oom(err);
}

static int apply_options(struct oci_process *process, const struct exec_options *opts,
			 struct arena *arena, struct wh_error *err)
{
	static const bool yes = true;
	bool *no_new_privileges;
	int rc = 0;

	if (opts->user)
		rc = exec_parse_user(opts->user, &process->user.uid, &process->user.gid, err);
	if (rc == 0)
		rc = add_groups(arena, &process->user, opts, err);
	if (rc == 0)
		rc =
		    add_strings(arena, &process->env, &process->n_env, opts->env, opts->n_env, err);
	if (rc == 0 && opts->n_caps > 0)
		rc = add_capabilities(arena, process, opts, err);
	if (rc == 0 && opts->cwd && opts->cwd[0] != '/')
		rc = wh_fail_kind(err, WH_ERROR_USAGE, 0, "--cwd '%s': must be an absolute path",
				  opts->cwd);
	if (rc == 0)
		rc = copy_text(arena, &process->cwd, opts->cwd, err);
	if (rc == 0)
		rc = copy_text(arena, &process->selinux_label, opts->process_label, err);
	if (rc == 0)
		rc = copy_text(arena, &process->apparmor_profile, opts->apparmor, err);
	if (rc < 0 || !opts->no_new_privs)
		return rc;
	no_new_privileges = arena_memdup(arena, &yes, sizeof(yes));
	process->no_new_privileges = no_new_privileges;
	return no_new_privileges ? 0 : wh_oom(err);
}

int exec_process_build(const struct exec_options *opts, const struct oci_spec *spec,
		       struct arena *arena, struct problems *problems,
		       const struct oci_process **ret_process, struct wh_error *err)
{
	struct oci_process *process;
	int rc;

	if (opts->process_file)
		return read_process_file(opts->process_file, arena, problems, ret_process, err);
	if (opts->n_args == 0)
		return wh_fail_kind(
		    err, WH_ERROR_USAGE, 0,
		    "exec: the command is missing: give it after the id, or use --process FILE");
	process = arena_memdup(arena, spec->process, sizeof(*spec->process));
	if (!process)
		return wh_oom(err);
	process->terminal = opts->tty;
	process->args = NULL;
	process->n_args = 0;
	rc = add_strings(arena, &process->args, &process->n_args, opts->args, opts->n_args, err);
	if (rc == 0)
		rc = apply_options(process, opts, arena, err);
	*ret_process = process;
	return rc;
}
