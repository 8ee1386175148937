/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "cmd/plan_report.h"
#include "oci-spec/enums.h"
#include "oci-spec/json_writer.h"

static void member(struct json_writer *writer, const char *key, const char *text)
{
	json_write_key(writer, key);
	json_write_string(writer, text);
}

/** Left out when there is none. */
static void optional(struct json_writer *writer, const char *key, const char *text)
{
	if (text)
		member(writer, key, text);
}

static void flag(struct json_writer *writer, const char *key, bool value)
{
	json_write_key(writer, key);
	json_write_bool(writer, value);
}

static void number(struct json_writer *writer, const char *key, uint64_t value)
{
	json_write_key(writer, key);
	json_write_u64(writer, value);
}

static void strings(struct json_writer *writer, const char *key, const char *const *items,
		    size_t count)
{
	json_write_key(writer, key);
	json_write_array_begin(writer);
	for (size_t i = 0; i < count; i++)
		json_write_string(writer, items[i]);
	json_write_array_end(writer);
}

static void write_namespaces(struct json_writer *writer, const struct ns_plan *ns)
{
	json_write_key(writer, "namespaces");
	json_write_array_begin(writer);
	for (size_t i = 0; i < oci_namespace_types.len; i++) {
		struct plan_namespace row = plan_namespace_at(ns, i);

		json_write_object_begin(writer);
		member(writer, "type", row.type);
		member(writer, "mode", row.mode);
		optional(writer, "path", row.path);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

static void write_mappings(struct json_writer *writer, const char *key,
			   const struct oci_id_mapping *mappings, size_t count)
{
	json_write_key(writer, key);
	json_write_array_begin(writer);
	for (size_t i = 0; i < count; i++) {
		json_write_object_begin(writer);
		number(writer, "containerID", mappings[i].container_id);
		number(writer, "hostID", mappings[i].host_id);
		number(writer, "size", mappings[i].size);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

static void write_net_devices(struct json_writer *writer, const struct ns_plan *ns)
{
	json_write_key(writer, "netDevices");
	json_write_array_begin(writer);
	for (size_t i = 0; i < ns->n_net_devices; i++) {
		json_write_object_begin(writer);
		member(writer, "hostName", ns->net_devices[i].host_name);
		member(writer, "name", net_device_name(&ns->net_devices[i]));
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

static void write_root(struct json_writer *writer, const struct rootfs_plan *rootfs)
{
	json_write_key(writer, "root");
	json_write_object_begin(writer);
	optional(writer, "path", rootfs->path);
	flag(writer, "readonly", rootfs->readonly);
	member(writer, "propagation",
	       plan_propagation(rootfs->propagation, rootfs->propagation_recursive));
	flag(writer, "pivotRoot", !rootfs->no_pivot && !rootfs->no_mount_namespace);
	json_write_object_end(writer);
}

static int write_mounts(struct json_writer *writer, const struct rootfs_plan *rootfs,
			struct arena *arena)
{
	json_write_key(writer, "mounts");
	json_write_array_begin(writer);
	for (size_t i = 0; i < rootfs->n_mounts; i++) {
		const struct mount_entry *mount = &rootfs->mounts[i];
		const char *flags = mount_flags_describe(&mount->flags, arena);

		if (!flags)
			return -ENOMEM;
		json_write_object_begin(writer);
		number(writer, "index", mount->index);
		member(writer, "kind", plan_mount_kind(mount->kind));
		member(writer, "destination", mount->destination);
		optional(writer, "type", mount->fs_type);
		optional(writer, "source", mount->source);
		member(writer, "flags", flags);
		if (mount_entry_is_idmapped(mount)) {
			optional(writer, "idmapNamespace", mount->idmap_namespace);
			write_mappings(writer, "uidMappings", mount->uid_mappings,
				       mount->n_uid_mappings);
			write_mappings(writer, "gidMappings", mount->gid_mappings,
				       mount->n_gid_mappings);
		}
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
	return 0;
}

static void write_devices(struct json_writer *writer, const struct rootfs_plan *rootfs)
{
	json_write_key(writer, "devices");
	json_write_array_begin(writer);
	for (size_t i = 0; i < rootfs->n_devices; i++) {
		const struct oci_device *device = &rootfs->devices[i];
		const char type[] = {device->type, '\0'};

		json_write_object_begin(writer);
		member(writer, "path", device->path);
		member(writer, "type", type);
		number(writer, "major", (uint64_t)(device->major ? *device->major : 0));
		number(writer, "minor", (uint64_t)(device->minor ? *device->minor : 0));
		number(writer, "fileMode", device->file_mode ? *device->file_mode : 0666);
		number(writer, "uid", device->uid ? *device->uid : 0);
		number(writer, "gid", device->gid ? *device->gid : 0);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

static void write_process(struct json_writer *writer, const struct process_plan *process)
{
	size_t n_args = 0;

	while (process->args && process->args[n_args])
		n_args++;
	json_write_key(writer, "process");
	json_write_object_begin(writer);
	strings(writer, "args", process->args, n_args);
	strings(writer, "env", process->env, process->n_env);
	optional(writer, "cwd", process->cwd);
	number(writer, "uid", process->uid);
	number(writer, "gid", process->gid);
	json_write_key(writer, "groups");
	json_write_array_begin(writer);
	for (size_t i = 0; i < process->n_groups; i++)
		json_write_u64(writer, process->groups[i]);
	json_write_array_end(writer);
	number(writer, "umask", process->umask);
	flag(writer, "terminal", process->terminal);
	flag(writer, "noNewPrivileges", process->no_new_privs);
	optional(writer, "apparmorProfile", process->apparmor_profile);
	optional(writer, "selinuxLabel", process->selinux_label);
	json_write_object_end(writer);
}

static void write_capabilities(struct json_writer *writer, const struct process_plan *process)
{
	struct plan_capability_set sets[PLAN_CAPABILITY_SETS];

	plan_capability_sets(process, sets);
	json_write_key(writer, "capabilities");
	json_write_object_begin(writer);
	for (size_t i = 0; i < PLAN_CAPABILITY_SETS; i++) {
		json_write_key(writer, sets[i].name);
		json_write_array_begin(writer);
		for (size_t k = 0; k < oci_capability_names.len; k++) {
			if (sets[i].mask & 1ULL << oci_capability_names.rows[k].value)
				json_write_string(writer, oci_capability_names.rows[k].name);
		}
		json_write_array_end(writer);
	}
	json_write_object_end(writer);
}

static void write_seccomp(struct json_writer *writer, const struct plan_report *report)
{
	const struct oci_seccomp *seccomp = report->plan->spec->linux_->seccomp;

	json_write_key(writer, "seccomp");
	if (!seccomp) {
		json_write_string(writer, NULL);
		return;
	}
	json_write_object_begin(writer);
	member(writer, "defaultAction",
	       name_table_name(&oci_seccomp_actions, seccomp->default_action));
	number(writer, "rules", seccomp->n_syscalls);
	if (report->seccomp)
		number(writer, "instructions", report->seccomp->n_insns);
	optional(writer, "listenerPath", seccomp->listener_path);
	json_write_object_end(writer);
}

static void write_limits(struct json_writer *writer, const struct cgroup_writes *writes)
{
	json_write_key(writer, "limits");
	json_write_array_begin(writer);
	for (size_t i = 0; i < writes->count; i++) {
		json_write_object_begin(writer);
		member(writer, "field", writes->list[i].field);
		member(writer, "file", writes->list[i].file);
		member(writer, "value", writes->list[i].value);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

static void write_unit(struct json_writer *writer, const struct systemd_unit *unit)
{
	const struct bus_properties *properties = &unit->properties;

	member(writer, "unit", unit->name.name);
	member(writer, "slice", unit->name.slice);
	flag(writer, "userManager", unit->user);
	json_write_key(writer, "properties");
	json_write_array_begin(writer);
	for (size_t i = 0; i < properties->count; i++) {
		const struct bus_property *property = &properties->list[i];
		const char *value = bus_value_format(&property->value, properties->arena);

		json_write_object_begin(writer);
		member(writer, "name", property->name);
		optional(writer, "value", value);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

static void write_cgroup(struct json_writer *writer, const struct cgroup_plan *cgroup)
{
	static const char *const managers[] = {
	    [CGROUP_MANAGER_CGROUPFS] = "cgroupfs",
	    [CGROUP_MANAGER_SYSTEMD] = "systemd",
	    [CGROUP_MANAGER_DISABLED] = "disabled",
	};

	json_write_key(writer, "cgroup");
	json_write_object_begin(writer);
	member(writer, "manager", managers[cgroup->manager]);
	optional(writer, "path", cgroup->path);
	if (cgroup->unit)
		write_unit(writer, cgroup->unit);
	number(writer, "deviceInstructions", cgroup->n_device_program);
	write_limits(writer, &cgroup->writes);
	flag(writer, "delegated", cgroup->delegate);
	json_write_object_end(writer);
}

static void write_rdt(struct json_writer *writer, const struct intel_rdt_plan *rdt)
{
	if (!rdt->group)
		return;
	json_write_key(writer, "intelRdt");
	json_write_object_begin(writer);
	member(writer, "class", rdt->group);
	optional(writer, "limits", rdt->limits);
	optional(writer, "schemata", rdt->schemata);
	optional(writer, "monitoring", rdt->monitor);
	json_write_object_end(writer);
}

static void write_hooks(struct json_writer *writer, const struct oci_hooks *hooks)
{
	struct plan_hooks lists[PLAN_HOOK_KINDS];

	plan_hook_lists(hooks, lists);
	json_write_key(writer, "hooks");
	json_write_object_begin(writer);
	for (size_t i = 0; i < PLAN_HOOK_KINDS; i++) {
		json_write_key(writer, lists[i].kind);
		json_write_array_begin(writer);
		for (size_t k = 0; k < lists[i].count; k++)
			json_write_string(writer, lists[i].hooks[k].path);
		json_write_array_end(writer);
	}
	json_write_object_end(writer);
}

static void write_problems(struct json_writer *writer, const struct problems *problems)
{
	json_write_key(writer, "problems");
	json_write_array_begin(writer);
	for (const struct problem *problem = problems->first; problem; problem = problem->next) {
		json_write_object_begin(writer);
		member(writer, "severity",
		       problem->severity == PROBLEM_ERROR ? "error" : "warning");
		member(writer, "text", problem->text);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

static int write_plan(struct json_writer *writer, const struct plan_report *report,
		      struct arena *arena)
{
	const struct container_plan *plan = report->plan;
	const struct ns_plan *ns = &plan->ns;
	int rc;

	write_namespaces(writer, ns);
	write_mappings(writer, "uidMappings", ns->uid_mappings, ns->n_uid_mappings);
	write_mappings(writer, "gidMappings", ns->gid_mappings, ns->n_gid_mappings);
	write_net_devices(writer, ns);
	optional(writer, "hostname", ns->hostname);
	optional(writer, "domainname", ns->domainname);
	write_root(writer, &plan->rootfs);
	rc = write_mounts(writer, &plan->rootfs, arena);
	if (rc < 0)
		return rc;
	strings(writer, "maskedPaths", plan->rootfs.masked_paths, plan->rootfs.n_masked_paths);
	strings(writer, "readonlyPaths", plan->rootfs.readonly_paths,
		plan->rootfs.n_readonly_paths);
	write_devices(writer, &plan->rootfs);
	write_process(writer, &plan->process);
	write_capabilities(writer, &plan->process);
	write_seccomp(writer, report);
	write_cgroup(writer, &plan->cgroup);
	write_rdt(writer, &plan->rdt);
	write_hooks(writer, plan->hooks);
	return 0;
}

int plan_report_json(FILE *out, const struct plan_report *report, struct arena *arena,
		     struct wh_error *err)
{
	struct json_writer writer;
	const char *json;
	size_t len;
	int rc = 0;

	json_writer_init(&writer, "  ");
	json_write_object_begin(&writer);
	member(&writer, "bundle", report->bundle);
	if (report->plan)
		rc = write_plan(&writer, report, arena);
	if (rc == 0) {
		write_problems(&writer, report->problems);
		json_write_object_end(&writer);
	}
	if (json_writer_finish(&writer, arena, &json, &len, err) < 0 || rc < 0)
		return wh_oom(err);
	fwrite(json, 1, len, out);
	return 0;
}
