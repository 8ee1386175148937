/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <string.h>

#include "base/str.h"
#include "base/sys.h"
#include "cgroups/cgroup.h"
#include "cgroups/cgroup_path.h"
#include "cgroups/device_program.h"
#include "cgroups/device_property.h"
#include "oci-spec/namespace.h"

/** A short hash of a text (FNV-1a): tells state roots apart, needs no secrecy. */
static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

/**
 * The parent of the caller's own cgroup: the own one holds processes, so that no controller could
 * be enabled below it.
 */
static const char *relative_base(const char *own_cgroup, struct arena *arena)
{
	const char *slash = strrchr(own_cgroup, '/');

	return slash ? arena_strndup(arena, own_cgroup, slash - own_cgroup) : "";
}

static int plan_spec_path(const char *path, const char *own_cgroup, struct arena *arena,
			  struct problems *problems, const char **ret_path)
{
	struct wh_error reason = WH_ERROR_INIT;
	const char *base = path[0] == '/' ? "" : relative_base(own_cgroup, arena);
	int rc;

	if (!base)
		return -ENOMEM;
	/* BuildKit under Docker's systemd driver sends this form and means a name. */
	if (unit_name_has_form(path))
		problems_add(problems, PROBLEM_WARNING,
			     "linux.cgroupsPath: '%s' has systemd's form slice:prefix:name, but "
			     "the cgroup manager is cgroupfs, which takes it as a directory's name",
			     path);
	rc = cgroup_path_join(base, path, arena, ret_path, &reason);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		problems_add(problems, PROBLEM_ERROR, "linux.cgroupsPath: '%s': %s", path,
			     reason.message);
	return 0;
}

/** "wherry-ID", or with a root that is not the default one "wherry.HASH-ID"; NULL: no memory. */
static const char *default_name(const struct cgroup_plan_input *input, struct arena *arena)
{
	if (input->default_root)
		return arena_printf(arena, "wherry-%s", input->id);
	return arena_printf(arena, "wherry.%08" PRIx32 "-%s", hash_text(input->root), input->id);
}

/**
 * Beside the caller's own cgroup when that is told, else below the mount. No id can make one of
 * the two forms look like the other: what follows "wherry" is '-' or '.'.
 */
static const char *default_path(const struct cgroup_plan_input *input, struct arena *arena)
{
	const char *base = relative_base(input->own_cgroup, arena);
	const char *name = default_name(input, arena);

	return base && name ? arena_printf(arena, "%s/%s", base, name) : NULL;
}

static int plan_path(const struct cgroup_plan_input *input, struct arena *arena,
		     struct problems *problems, struct cgroup_plan *plan)
{
	const char *asked = input->spec->linux_->cgroups_path;

	/* An engine that leaves the path open may still send it, empty. */
	plan->own_path = str_empty(asked);
	if (!plan->own_path)
		return plan_spec_path(asked, input->own_cgroup, arena, problems, &plan->path);
	plan->path = default_path(input, arena);
	if (!plan->path)
		return -ENOMEM;
	if (strlen(strrchr(plan->path, '/') + 1) > NAME_MAX)
		problems_add(
		    problems, PROBLEM_ERROR,
		    "container id: too long for a cgroup's name (%d bytes with its prefix)",
		    NAME_MAX);
	return 0;
}

/** The unit's name and the place of its cgroup. */
static int plan_unit_name(const struct cgroup_plan_input *input, struct arena *arena,
			  struct problems *problems, struct cgroup_plan *plan,
			  struct systemd_unit *unit)
{
	const char *asked = input->spec->linux_->cgroups_path;
	struct wh_error reason = WH_ERROR_INIT;
	const char *name = default_name(input, arena);
	int rc;

	plan->own_path = str_empty(asked);
	if (plan->own_path)
		asked = name ? arena_printf(arena, "::%s", name) : NULL;
	if (!asked)
		return -ENOMEM;
	unit->user = input->user_manager;
	rc = unit_name_parse(asked, unit->user ? "user.slice" : "system.slice", input->id, arena,
			     &unit->name, &reason);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		problems_add(problems, PROBLEM_ERROR, "linux.cgroupsPath: '%s': %s", asked,
			     reason.message);
	plan->path = unit->name.path;
	return 0;
}

/** After the limits and the device rules: what of them a unit has properties for. */
static int plan_unit(const struct cgroup_plan_input *input, const struct oci_resources *resources,
		     struct arena *arena, struct problems *problems, struct cgroup_plan *plan,
		     struct wh_error *err)
{
	struct bus_properties limits = {.arena = arena};
	struct systemd_unit *unit = arena_new(arena, struct systemd_unit);
	int rc;

	if (!unit || plan_unit_name(input, arena, problems, plan, unit) < 0)
		return wh_oom(err);
	rc = resource_files_properties(&plan->writes, &limits, err);
	/* A malformed rule is a problem already. A user's manager may not guard devices either. */
	if (rc == 0 && !unit->user &&
	    device_property_add(resources->devices, resources->n_devices, &limits, NULL) == -ENOMEM)
		rc = wh_oom(err);
	if (rc == 0 &&
	    systemd_unit_plan(input->spec, input->id, &limits, arena, problems, unit) < 0)
		rc = wh_oom(err);
	plan->unit = unit;
	return rc;
}

static bool is_read_only(const struct oci_mount *mount)
{
	bool read_only = false;

	for (size_t i = 0; i < mount->n_options; i++) {
		if (streq(mount->options[i], "ro"))
			read_only = true;
		else if (streq(mount->options[i], "rw"))
			read_only = false;
	}
	return read_only;
}

static bool is_writable_tree(const struct oci_mount *mount)
{
	return streq(mount->destination, "/sys/fs/cgroup") && !is_read_only(mount);
}

bool cgroup_plan_may_nest(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (is_writable_tree(&spec->mounts[i]))
			return true;
	return false;
}

static bool has_writable_cgroupfs(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct oci_mount *mount = &spec->mounts[i];

		if (mount->source && streq(mount->source, "cgroup") && is_writable_tree(mount))
			return true;
	}
	return false;
}

/** The host's id of @id inside the container. Returns 0, or -ENOENT when it is not known. */
static int host_uid(const struct oci_linux *linux_, uint32_t id, uint32_t *ret_uid)
{
	const struct oci_namespace *user = oci_namespace_find(linux_, CLONE_NEWUSER);

	if (!user) {
		*ret_uid = id;
		return 0;
	}
	if (oci_namespace_is_joined(user))
		return -ENOENT;
	for (size_t i = 0; i < linux_->n_uid_mappings; i++) {
		const struct oci_id_mapping *map = &linux_->uid_mappings[i];

		if (id >= map->container_id && id - map->container_id < map->size) {
			*ret_uid = map->host_id + (id - map->container_id);
			return 0;
		}
	}
	return -ENOENT;
}

/**
 * config-linux.md#cgroup-ownership: only with a new cgroup namespace whose tree the container may
 * write.
 */
static void plan_owner(const struct oci_spec *spec, struct cgroup_plan *plan)
{
	const struct oci_namespace *cgroup_ns = oci_namespace_find(spec->linux_, CLONE_NEWCGROUP);
	uint32_t uid;

	if (!oci_namespace_is_new(cgroup_ns) || !spec->process || !has_writable_cgroupfs(spec))
		return;
	/* What root makes is root's already. */
	if (host_uid(spec->linux_, spec->process->user.uid, &uid) < 0 || uid == 0)
		return;
	plan->delegate = true;
	plan->delegate_uid = uid;
}

/**
 * Without a cgroup no limit holds: what asks for one is an error, what asks for none is dropped.
 */
static void refuse_limits(struct cgroup_plan *plan, struct problems *problems)
{
	for (size_t i = 0; i < plan->writes.count; i++)
		if (!plan->writes.list[i].optional)
			problems_add(problems, PROBLEM_ERROR,
				     "linux.resources.%s: no limit can be set without a cgroup "
				     "(manager disabled)",
				     plan->writes.list[i].field);
	plan->writes = (struct cgroup_writes){.count = 0};
}

int cgroup_plan_build(const struct cgroup_plan_input *input, struct arena *arena,
		      struct problems *problems, struct cgroup_plan *ret_plan, struct wh_error *err)
{
	static const struct oci_resources nothing = {.n_devices = 0};
	const struct oci_spec *spec = input->spec;
	const struct oci_resources *resources =
	    spec->linux_->resources ? spec->linux_->resources : &nothing;
	struct cgroup_plan plan = {.manager = input->manager};
	int rc = 0;

	if (plan.manager == CGROUP_MANAGER_CGROUPFS)
		rc = plan_path(input, arena, problems, &plan);
	if (plan.manager != CGROUP_MANAGER_DISABLED) {
		if (rc < 0 || device_program_plan(resources, arena, problems, &plan.device_program,
						  &plan.n_device_program) < 0)
			return wh_oom(err);
		plan_owner(spec, &plan);
	} else if (resources->n_devices) {
		problems_add(
		    problems, PROBLEM_WARNING,
		    "linux.resources.devices: not enforced without a cgroup (manager disabled)");
	}
	rc = resource_files_plan(resources, arena, problems, &plan.writes, err);
	if (rc == 0 && plan.manager == CGROUP_MANAGER_SYSTEMD)
		rc = plan_unit(input, resources, arena, problems, &plan, err);
	if (rc < 0)
		return rc;
	if (plan.manager == CGROUP_MANAGER_DISABLED)
		refuse_limits(&plan, problems);
	*ret_plan = plan;
	return 0;
}

/** What init takes in all, with room to spare: less than 300 KiB were measured. */
#define STARVING_BYTES (1u << 20)

bool cgroup_plan_starves(const struct cgroup_plan *plan)
{
	for (size_t i = 0; i < plan->writes.count; i++) {
		const struct cgroup_write *write = &plan->writes.list[i];
		uint64_t bytes;

		if (streq(write->file, "memory.max") &&
		    str_parse_u64(write->value, STARVING_BYTES, &bytes) == 0)
			return true;
	}
	return false;
}
