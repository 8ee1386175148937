/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/str.h"
#include "cmd/plan_report.h"
#include "oci-spec/enums.h"

/** Where a section's lines and their values begin. */
#define LABEL "  %-14s "

/** Text from the document: control bytes must not steer the terminal. */
static void put(FILE *out, const char *text)
{
	for (; text && *text; text++)
		putc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static void put_line(FILE *out, const char *label, const char *text)
{
	if (str_empty(text))
		return;
	fprintf(out, LABEL, label);
	put(out, text);
	putc('\n', out);
}

/** Strings on one line, quoted where a blank would mislead. */
static void put_words(FILE *out, const char *label, const char *const *words, size_t count)
{
	if (count == 0)
		return;
	fprintf(out, LABEL, label);
	for (size_t i = 0; i < count; i++) {
		const char *quote =
		    words[i][0] == '\0' || strpbrk(words[i], " \t'\"$\\") ? "'" : "";

		fprintf(out, "%s%s", i ? " " : "", quote);
		put(out, words[i]);
		fputs(quote, out);
	}
	putc('\n', out);
}

static void print_namespaces(FILE *out, const struct ns_plan *ns)
{
	fputs("\nnamespaces\n", out);
	for (size_t i = 0; i < oci_namespace_types.len; i++) {
		struct plan_namespace row = plan_namespace_at(ns, i);

		fprintf(out, LABEL "%s", row.type, row.mode);
		if (row.path)
			fputs(", ", out);
		put(out, row.path);
		putc('\n', out);
	}
	for (size_t i = 0; i < ns->n_uid_mappings; i++)
		fprintf(out, LABEL "%u is %u outside, %u ids\n", i ? "" : "uids",
			ns->uid_mappings[i].container_id, ns->uid_mappings[i].host_id,
			ns->uid_mappings[i].size);
	for (size_t i = 0; i < ns->n_gid_mappings; i++)
		fprintf(out, LABEL "%u is %u outside, %u ids\n", i ? "" : "gids",
			ns->gid_mappings[i].container_id, ns->gid_mappings[i].host_id,
			ns->gid_mappings[i].size);
	for (size_t i = 0; i < ns->n_time_offsets; i++)
		fprintf(out, LABEL "%s %" PRId64 " s %u ns\n", i ? "" : "offsets",
			name_table_name(&oci_time_clocks, ns->time_offsets[i].clock),
			ns->time_offsets[i].secs, ns->time_offsets[i].nanosecs);
	for (size_t i = 0; i < ns->n_net_devices; i++) {
		fprintf(out, LABEL, i ? "" : "devices");
		put(out, ns->net_devices[i].host_name);
		fputs(" becomes ", out);
		put(out, net_device_name(&ns->net_devices[i]));
		putc('\n', out);
	}
	put_line(out, "hostname", ns->hostname);
	put_line(out, "domainname", ns->domainname);
	for (size_t i = 0; i < ns->n_sysctl; i++) {
		fprintf(out, LABEL, i ? "" : "sysctl");
		put(out, ns->sysctl[i].key);
		fputs(" = ", out);
		put(out, ns->sysctl[i].value);
		putc('\n', out);
	}
}

static const char *root_change(const struct rootfs_plan *rootfs)
{
	if (rootfs->no_mount_namespace)
		return "chroot";
	return rootfs->no_pivot ? "moved mount and chroot" : "pivot_root";
}

/** Destinations line up unless one is very long. */
#define DESTINATION_MAX 32

static int destination_width(const struct rootfs_plan *rootfs)
{
	size_t width = 0;

	for (size_t i = 0; i < rootfs->n_mounts; i++) {
		size_t len = strlen(rootfs->mounts[i].destination);

		if (len > width && len <= DESTINATION_MAX)
			width = len;
	}
	return (int)width;
}

/** Blanks after a text of @text's length up to @width. */
static void put_padded(FILE *out, const char *text, int width)
{
	int len = (int)strlen(text);

	put(out, text);
	fprintf(out, "%*s", len < width ? width - len : 0, "");
}

/** Below an idmapped mount: whose files on disk are whose in the container's mount. */
static void print_mappings(FILE *out, const char *what, const struct oci_id_mapping *maps,
			   size_t count)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, "       %-7s %u on disk is %u outside, %u ids\n", i ? "" : what,
			maps[i].container_id, maps[i].host_id, maps[i].size);
}

static int print_mounts(FILE *out, const struct rootfs_plan *rootfs, struct arena *arena,
			struct wh_error *err)
{
	int width = destination_width(rootfs);

	fputs("\nmounts, in this order\n", out);
	for (size_t i = 0; i < rootfs->n_mounts; i++) {
		const struct mount_entry *mount = &rootfs->mounts[i];
		const char *flags = mount_flags_describe(&mount->flags, arena);

		if (!flags)
			return wh_oom(err);
		fprintf(out, "  %3u  %-7s ", mount->index,
			mount->fs_type ? mount->fs_type : plan_mount_kind(mount->kind));
		put_padded(out, mount->destination,
			   flags[0] || mount->kind == MOUNT_KIND_BIND ? width : 0);
		if (mount->kind == MOUNT_KIND_BIND) {
			fputs("  from ", out);
			put(out, mount->source);
		}
		fputs(flags[0] ? "  " : "", out);
		put(out, flags);
		putc('\n', out);
		print_mappings(out, "uids", mount->uid_mappings, mount->n_uid_mappings);
		print_mappings(out, "gids", mount->gid_mappings, mount->n_gid_mappings);
	}
	return 0;
}

static void print_paths(FILE *out, const char *title, const char *const *paths, size_t count)
{
	if (count == 0)
		return;
	fprintf(out, "\n%s\n", title);
	for (size_t i = 0; i < count; i++) {
		fputs("  ", out);
		put(out, paths[i]);
		putc('\n', out);
	}
}

static void print_devices(FILE *out, const struct rootfs_plan *rootfs)
{
	if (rootfs->host_dev) {
		fputs("\ndevices\n  those of the directory bound to /dev\n", out);
		return;
	}
	if (rootfs->n_devices == 0)
		return;
	fputs("\ndevices\n", out);
	for (size_t i = 0; i < rootfs->n_devices; i++) {
		const struct oci_device *device = &rootfs->devices[i];

		fprintf(out, "  %c %" PRId64 ":%" PRId64 "  %04o  %u:%u  ", device->type,
			device->major ? *device->major : 0, device->minor ? *device->minor : 0,
			device->file_mode ? *device->file_mode & 07777 : 0666,
			device->uid ? *device->uid : 0, device->gid ? *device->gid : 0);
		put(out, device->path);
		putc('\n', out);
	}
}

static int print_rootfs(FILE *out, const struct rootfs_plan *rootfs, struct arena *arena,
			struct wh_error *err)
{
	int rc;

	fputs("\nroot\n", out);
	put_line(out, "path", rootfs->path);
	put_line(out, "access", rootfs->readonly ? "read-only" : "read-write");
	put_line(out, "propagation",
		 plan_propagation(rootfs->propagation, rootfs->propagation_recursive));
	put_line(out, "entered by", root_change(rootfs));
	rc = print_mounts(out, rootfs, arena, err);
	if (rc < 0)
		return rc;
	print_paths(out, "masked paths", rootfs->masked_paths, rootfs->n_masked_paths);
	print_paths(out, "read-only paths", rootfs->readonly_paths, rootfs->n_readonly_paths);
	print_devices(out, rootfs);
	return 0;
}

static void print_rlimits(FILE *out, const struct oci_process *process)
{
	for (size_t i = 0; i < process->n_rlimits; i++)
		fprintf(out, LABEL "%s %" PRIu64 " to %" PRIu64 "\n", i ? "" : "limits",
			name_table_name(&oci_rlimit_types, process->rlimits[i].type),
			process->rlimits[i].soft, process->rlimits[i].hard);
}

static void print_process(FILE *out, const struct process_plan *process)
{
	size_t n_args = 0;

	if (!process->spec)
		return;
	while (process->args && process->args[n_args])
		n_args++;
	fputs("\nprocess\n", out);
	put_words(out, "program", process->args, n_args);
	put_line(out, "directory", process->cwd);
	fprintf(out, LABEL "%u:%u", "user", process->uid, process->gid);
	for (size_t i = 0; i < process->n_groups; i++)
		fprintf(out, "%s%u", i ? "," : ", groups ", process->groups[i]);
	fprintf(out, ", umask %04o\n", process->umask);
	put_words(out, "environment", process->env, process->n_env);
	put_line(out, "terminal", process->terminal ? "yes" : "no");
	put_line(out, "new privileges", process->no_new_privs ? "none" : "possible");
	if (process->spec->oom_score_adj)
		fprintf(out, LABEL "%" PRId64 "\n", "OOM score", *process->spec->oom_score_adj);
	print_rlimits(out, process->spec);
	put_line(out, "AppArmor", process->apparmor_profile);
	put_line(out, "SELinux", process->selinux_label);
	put_line(out, "keyring", process->keyring);
}

static void print_capabilities(FILE *out, const struct process_plan *process)
{
	struct plan_capability_set sets[PLAN_CAPABILITY_SETS];

	fputs("\ncapabilities\n", out);
	plan_capability_sets(process, sets);
	for (size_t i = 0; i < PLAN_CAPABILITY_SETS; i++) {
		const char *between = "";

		fprintf(out, LABEL, sets[i].name);
		for (size_t k = 0; k < oci_capability_names.len; k++) {
			if (sets[i].mask & 1ULL << oci_capability_names.rows[k].value) {
				fprintf(out, "%s%s", between, oci_capability_names.rows[k].name);
				between = " ";
			}
		}
		fputs(sets[i].mask ? "\n" : "none\n", out);
	}
}

static void print_seccomp(FILE *out, const struct plan_report *report)
{
	const struct oci_seccomp *seccomp = report->plan->spec->linux_->seccomp;

	fputs("\nseccomp\n", out);
	if (!seccomp) {
		fputs("  none\n", out);
		return;
	}
	put_line(out, "default", name_table_name(&oci_seccomp_actions, seccomp->default_action));
	fprintf(out, LABEL "%zu\n", "rules", seccomp->n_syscalls);
	if (report->seccomp)
		fprintf(out, LABEL "%u instructions\n", "filter", report->seccomp->n_insns);
	put_line(out, "listener", seccomp->listener_path);
}

static void print_unit(FILE *out, const struct systemd_unit *unit)
{
	const struct bus_properties *properties = &unit->properties;

	put_line(out, "unit", unit->name.name);
	put_line(out, "of", unit->user ? "the user's systemd" : "the host's systemd");
	for (size_t i = 0; i < properties->count; i++) {
		const struct bus_property *property = &properties->list[i];

		fprintf(out, LABEL "%s = ", i ? "" : "properties", property->name);
		put(out, bus_value_format(&property->value, properties->arena));
		putc('\n', out);
	}
}

static void print_cgroup(FILE *out, const struct cgroup_plan *cgroup)
{
	static const char *const managers[] = {
	    [CGROUP_MANAGER_CGROUPFS] = "cgroupfs",
	    [CGROUP_MANAGER_SYSTEMD] = "systemd",
	    [CGROUP_MANAGER_DISABLED] = "none: the caller's cgroup",
	};

	fputs("\ncgroup\n", out);
	put_line(out, "manager", managers[cgroup->manager]);
	put_line(out, "path", cgroup->path);
	if (cgroup->unit)
		print_unit(out, cgroup->unit);
	if (cgroup->device_program)
		fprintf(out, LABEL "eBPF, %zu instructions\n", "device rules",
			cgroup->n_device_program);
	for (size_t i = 0; i < cgroup->writes.count; i++) {
		const struct cgroup_write *write = &cgroup->writes.list[i];

		fprintf(out, LABEL, i ? "" : "limits");
		fprintf(out, "%s = ", write->file);
		put(out, write->value);
		fprintf(out, "  (%s)\n", write->field);
	}
	if (cgroup->delegate)
		fprintf(out, LABEL "%u\n", "owned by uid", cgroup->delegate_uid);
}

static void print_rdt(FILE *out, const struct intel_rdt_plan *rdt)
{
	if (!rdt->group)
		return;
	fputs("\nintelRdt\n", out);
	put_line(out, "class", rdt->group);
	put_line(out, "limits", rdt->limits);
	put_line(out, "schemata", rdt->schemata);
	put_line(out, "monitoring", rdt->monitor);
}

static void print_hooks(FILE *out, const struct oci_hooks *hooks)
{
	struct plan_hooks lists[PLAN_HOOK_KINDS];
	const char *title = "\nhooks\n";

	plan_hook_lists(hooks, lists);
	for (size_t i = 0; i < PLAN_HOOK_KINDS; i++) {
		for (size_t k = 0; k < lists[i].count; k++) {
			fputs(title, out);
			title = "";
			put_line(out, lists[i].kind, lists[i].hooks[k].path);
		}
	}
}

static void print_problems(FILE *out, const struct problems *problems, const char *title)
{
	size_t shown = 0;

	if (!problems->first)
		return;
	fputs(title, out);
	for (const struct problem *problem = problems->first; problem;
	     problem = problem->next, shown++) {
		fprintf(out, "  %-8s ", problem->severity == PROBLEM_ERROR ? "error" : "warning");
		put(out, problem->text);
		putc('\n', out);
	}
	if (shown < problems->n_errors + problems->n_warnings)
		fprintf(out, "  and %zu more\n", problems->n_errors + problems->n_warnings - shown);
}

int plan_report_text(FILE *out, const struct plan_report *report, struct arena *arena,
		     struct wh_error *err)
{
	const struct container_plan *plan = report->plan;
	int rc;

	if (!plan) {
		print_problems(out, report->problems, "problems\n");
		return 0;
	}
	fputs("bundle ", out);
	put(out, report->bundle);
	putc('\n', out);
	print_namespaces(out, &plan->ns);
	rc = print_rootfs(out, &plan->rootfs, arena, err);
	if (rc < 0)
		return rc;
	print_process(out, &plan->process);
	print_capabilities(out, &plan->process);
	print_seccomp(out, report);
	print_cgroup(out, &plan->cgroup);
	print_rdt(out, &plan->rdt);
	print_hooks(out, plan->hooks);
	print_problems(out, report->problems, "\nproblems\n");
	return 0;
}
