/* SPDX-License-Identifier: Apache-2.0 */
/* From the document's mounts and paths to what will be done about them. */
#include "namespaces/mount_plan.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "namespaces/device_plan.h"

/** What the sections of the plan are built from and into. */
struct builder {
	const struct oci_spec *spec;
	const char *bundle;
	struct arena *arena;
	struct problems *problems;
	struct rootfs_plan *plan;
};

/**
 * File systems with rules of their own. All of them live in the kernel: their super-block may be the host's too (sysfs, cgroup2), or is
 * written to while the container is made (tmpfs), so that read-only is an attribute of the mount and never of the super-block.
 */
struct fs_rule {
	const char *type;
	bool real_directory;
	bool labelled;			/* takes linux.mountLabel as context=; the others have a label by policy */
	bool fixed;			/* nobody can make a file or directory in it, read-only or not */
	const char *fallback_source;
};

static const struct fs_rule fs_rules[] = {
	{ "proc", .real_directory = true, .fixed = true },
	{ "sysfs", .real_directory = true, .fixed = true, .fallback_source = "/sys" },
	{ "mqueue", .fallback_source = "/dev/mqueue" },
	{ "tmpfs", .labelled = true },
	{ "ramfs", .labelled = true },
	{ "devpts", .labelled = true },
	{ "cgroup2" },
};

static const struct fs_rule *find_fs_rule(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(fs_rules); i++) {
		if (streq(fs_rules[i].type, type))
			return &fs_rules[i];
	}
	return NULL;
}

/** What may be mounted below /proc: files that lxcfs stands in for, and two harmless ones (runc's list; CVE-2019-16884). */
static const char *const proc_exceptions[] = {
	"/proc/cpuinfo",
	"/proc/diskstats",
	"/proc/meminfo",
	"/proc/stat",
	"/proc/swaps",
	"/proc/uptime",
	"/proc/loadavg",
	"/proc/slabinfo",
	"/proc/sys/kernel/ns_last_pid",
	"/proc/sys/crypto/fips_enabled",
};

static bool is_proc_exception(const char *destination)
{
	for (size_t i = 0; i < ARRAY_LEN(proc_exceptions); i++) {
		if (streq(proc_exceptions[i], destination))
			return true;
	}
	return false;
}

/** The absolute clean form of @path, relative ones taken from "/". Adds a problem that starts with @place. NULL: out of memory or a problem. */
static const char *clean_absolute(const struct builder *b, const char *path, const char *place)
{
	char buf[PATH_MAX];
	const char *absolute = path[0] == '/' ? path : arena_printf(b->arena, "/%s", path);
	struct wh_error why = WH_ERROR_INIT;

	if (!absolute)
		return NULL;
	if (path_check(absolute, &why) < 0) {
		problems_add(b->problems, PROBLEM_ERROR, "%s: %s", place, why.message);
		return NULL;
	}
	if (path_clean(absolute, buf, sizeof(buf)) < 0) {
		problems_add(b->problems, PROBLEM_ERROR, "%s: the path is too long", place);
		return NULL;
	}
	return arena_strdup(b->arena, buf);
}

/** A host path as the bundle sees it: absolute as written, relative below the bundle. */
static const char *host_path(const struct builder *b, const char *path)
{
	char buf[PATH_MAX];
	const char *joined;

	if (path[0] == '/')
		return arena_strdup(b->arena, path);
	joined = arena_printf(b->arena, "%s/%s", b->bundle, path);
	if (!joined || path_clean(joined, buf, sizeof(buf)) < 0)
		return joined;
	return arena_strdup(b->arena, buf);
}

static enum mount_kind decide_kind(const struct oci_mount *mount, const struct mount_flags *flags)
{
	const char *type = mount->type ? mount->type : "";

	if (flags->ext & MOUNT_EXT_REMOUNT)
		return MOUNT_KIND_REMOUNT;
	if (flags->ext & MOUNT_EXT_BIND)
		return MOUNT_KIND_BIND;
	if (streq(type, "cgroup") || streq(type, "cgroup2"))
		return MOUNT_KIND_CGROUP;
	return MOUNT_KIND_FS;
}

static bool has_param(const struct mount_flags *flags, const char *key)
{
	for (uint32_t i = 0; i < flags->n_params; i++) {
		if (streq(flags->params[2 * i], key))
			return true;
	}
	return false;
}

static void drop_sb_flag(struct mount_flags *flags, const char *name)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < flags->n_sb_flags; i++) {
		if (!streq(flags->sb_flags[i], name))
			flags->sb_flags[kept++] = flags->sb_flags[i];
	}
	flags->n_sb_flags = kept;
}

/* mount_opts_parse() leaves room for two parameters an option; the label needs one pair more. */
static int add_label(const struct builder *b, struct mount_flags *flags)
{
	const char **params = arena_array(b->arena, const char *, 2 * (size_t)flags->n_params + 2);

	if (!params)
		return -ENOMEM;
	memcpy(params, flags->params, 2 * sizeof(*params) * flags->n_params);
	params[2 * flags->n_params] = arena_strdup(b->arena, "context");
	params[2 * flags->n_params + 1] = b->plan->mount_label;
	if (!params[2 * flags->n_params])
		return -ENOMEM;
	flags->params = params;
	flags->n_params++;
	return 0;
}

static int plan_fs(const struct builder *b, const struct oci_mount *mount, struct mount_entry *entry)
{
	const char *type = entry->kind == MOUNT_KIND_CGROUP ? "cgroup2" : mount->type;
	const struct fs_rule *rule;

	if (str_empty(type))
		return problems_add(b->problems, PROBLEM_ERROR,
				    "mounts[%u].type: is missing, and no option makes this a bind mount", entry->index);
	if (streq(type, "bind"))
		return problems_add(b->problems, PROBLEM_ERROR,
				    "mounts[%u].type: 'bind' needs the option bind or rbind: the type of a bind mount has no meaning",
				    entry->index);
	entry->fs_type = arena_strdup(b->arena, type);
	entry->source = arena_strdup(b->arena, str_empty(mount->source) ? type : mount->source);
	if (!entry->fs_type || !entry->source)
		return -ENOMEM;
	rule = find_fs_rule(type);
	if (rule) {
		drop_sb_flag(&entry->flags, "ro");
		entry->real_directory = rule->real_directory;
		entry->mode_of_target = streq(type, "tmpfs") && !has_param(&entry->flags, "mode");
		if (rule->fallback_source && b->plan->new_user_namespace)
			entry->fallback_source = arena_strdup(b->arena, rule->fallback_source);
		/* sysfs shows the network namespace: with a new one its mount is allowed */
		if (streq(type, "sysfs") && !b->plan->host_network)
			entry->fallback_source = NULL;
	}
	if ((entry->flags.ext & MOUNT_EXT_TMPCOPYUP) && !streq(type, "tmpfs"))
		problems_add(b->problems, PROBLEM_ERROR, "mounts[%u].options: tmpcopyup is for type tmpfs only", entry->index);
	if (b->plan->mount_label && (!rule || rule->labelled))
		return add_label(b, &entry->flags);
	return 0;
}

/** What a bind (or a remount) does not change: parameters and super-block flags belong to the file system it shows. */
static void warn_no_effect(const struct builder *b, const struct mount_entry *entry, const char *what)
{
	const struct mount_flags *flags = &entry->flags;

	for (uint32_t i = 0; i < flags->n_params; i++)
		problems_add(b->problems, PROBLEM_WARNING, "mounts[%u].options: '%s' has no effect on %s", entry->index,
			     flags->params[2 * i], what);
	for (uint32_t i = 0; i < flags->n_sb_flags; i++) {
		if (!streq(flags->sb_flags[i], "ro"))
			problems_add(b->problems, PROBLEM_WARNING, "mounts[%u].options: '%s' has no effect on %s",
				     entry->index, flags->sb_flags[i], what);
	}
}

static int plan_bind(const struct builder *b, const struct oci_mount *mount, struct mount_entry *entry)
{
	if (str_empty(mount->source))
		return problems_add(b->problems, PROBLEM_ERROR, "mounts[%u].source: a bind mount needs one", entry->index);
	entry->source = host_path(b, mount->source);
	if (!entry->source)
		return -ENOMEM;
	if (entry->flags.ext & MOUNT_EXT_TMPCOPYUP)
		problems_add(b->problems, PROBLEM_ERROR, "mounts[%u].options: tmpcopyup is for type tmpfs only", entry->index);
	warn_no_effect(b, entry, "a bind mount");
	return 0;
}

static int plan_remount(const struct builder *b, const struct oci_mount *mount, struct mount_entry *entry)
{
	if (entry->flags.n_params > 0)
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].options: '%s': a remount changes attributes only, not the file system's parameters",
			     entry->index, entry->flags.params[0]);
	entry->flags.n_params = 0;
	warn_no_effect(b, entry, "a remount");
	return 0;
}

static int (*const planners[])(const struct builder *, const struct oci_mount *, struct mount_entry *) = {
	[MOUNT_KIND_FS] = plan_fs,
	[MOUNT_KIND_BIND] = plan_bind,
	[MOUNT_KIND_CGROUP] = plan_fs,
	[MOUNT_KIND_REMOUNT] = plan_remount,
};

/** No idmapped mount is applied yet, whichever way it is asked for. */
static void refuse_idmap(const struct builder *b, const struct oci_mount *mount, const struct mount_entry *entry)
{
	if (entry->flags.ext & (MOUNT_EXT_IDMAP | MOUNT_EXT_RIDMAP))
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].options: idmapped mounts are not applied by this version", entry->index);
	else if (mount->n_uid_mappings > 0 || mount->n_gid_mappings > 0)
		problems_add(b->problems, PROBLEM_ERROR, "mounts[%u].%s: idmapped mounts are not applied by this version",
			     entry->index, mount->n_uid_mappings > 0 ? "uidMappings" : "gidMappings");
}

static void check_destination(const struct builder *b, const struct mount_entry *entry)
{
	const char *dest = entry->destination;

	if (streq(dest, "/") && entry->kind != MOUNT_KIND_REMOUNT)
		problems_add(b->problems, PROBLEM_ERROR, "mounts[%u].destination: '/' is the root file system itself",
			     entry->index);
	if (streq(dest, "/proc") && entry->kind != MOUNT_KIND_BIND && entry->kind != MOUNT_KIND_REMOUNT &&
	    !(entry->fs_type && streq(entry->fs_type, "proc")))
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].destination: '/proc' is for type proc or a bind of one (CVE-2019-16884)",
			     entry->index);
	if (str_after(dest, "/proc/") && entry->kind != MOUNT_KIND_REMOUNT && !is_proc_exception(dest))
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].destination: '%s' is inside /proc, where nothing is mounted (CVE-2019-16884)",
			     entry->index, dest);
	if (streq(dest, "/sys") && entry->kind == MOUNT_KIND_FS && entry->fs_type && streq(entry->fs_type, "proc"))
		problems_add(b->problems, PROBLEM_ERROR, "mounts[%u].destination: '/sys' is not for type proc", entry->index);
}

static int plan_mount(const struct builder *b, size_t index, struct mount_entry *entry, struct wh_error *err)
{
	const struct oci_mount *mount = &b->spec->mounts[index];
	const char *place = arena_printf(b->arena, "mounts[%zu].destination", index);
	const char *clean;
	int rc;

	/* what is wrong with the destination is a problem below; the entry still shows it */
	*entry = (struct mount_entry){ .index = (uint32_t)index, .destination = mount->destination ? mount->destination : "" };
	rc = mount_opts_parse((const char *const *)mount->options, mount->n_options, b->arena, &entry->flags, err);
	if (rc < 0)
		return rc;
	if (!place)
		return wh_oom(err);
	entry->kind = decide_kind(mount, &entry->flags);
	entry->uid_mappings = mount->uid_mappings;
	entry->n_uid_mappings = mount->n_uid_mappings;
	entry->gid_mappings = mount->gid_mappings;
	entry->n_gid_mappings = mount->n_gid_mappings;
	rc = planners[entry->kind](b, mount, entry);
	if (rc == -ENOMEM)
		return wh_oom(err);
	refuse_idmap(b, mount, entry);
	if (str_empty(mount->destination)) {
		problems_add(b->problems, PROBLEM_ERROR, "%s: is empty", place);
		return 0;
	}
	if (mount->destination[0] != '/')
		problems_add(b->problems, PROBLEM_WARNING, "%s: '%s' is not absolute; taken as '/%s'", place,
			     mount->destination, mount->destination);
	clean = clean_absolute(b, mount->destination, place);
	if (!clean)
		return 0;
	entry->destination = clean;
	check_destination(b, entry);
	if (entry->kind != MOUNT_KIND_REMOUNT && (streq(clean, "/proc") || streq(clean, "/sys")))
		entry->real_directory = true;
	return 0;
}

static bool lies_below(const char *path, const char *directory)
{
	const char *rest = str_after(path, directory);

	return rest && rest[0] == '/';
}

/** A read-only file system that others are mounted in, or devices made in, becomes read-only when all of that is done. */
static bool needs_writing(const struct rootfs_plan *plan, const struct mount_entry *entry)
{
	const struct fs_rule *rule = entry->fs_type ? find_fs_rule(entry->fs_type) : NULL;

	if (rule && rule->fixed)
		return false;
	for (const struct mount_entry *later = entry + 1; later < plan->mounts + plan->n_mounts; later++) {
		if (lies_below(later->destination, entry->destination))
			return true;
	}
	for (size_t i = 0; i < plan->n_devices; i++) {
		if (lies_below(plan->devices[i].path, entry->destination))
			return true;
	}
	return streq(entry->destination, "/dev");
}

static void plan_readonly_last(struct rootfs_plan *plan)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		struct mount_entry *entry = &plan->mounts[i];

		if (entry->kind == MOUNT_KIND_FS &&
		    ((entry->flags.attr_set | entry->flags.rec_attr_set) & MOUNT_ATTR_RDONLY))
			entry->readonly_last = needs_writing(plan, entry);
	}
}

static int plan_mounts(const struct builder *b, struct wh_error *err)
{
	struct rootfs_plan *plan = b->plan;
	int rc;

	plan->mounts = arena_array(b->arena, struct mount_entry, b->spec->n_mounts + 1);
	if (!plan->mounts)
		return wh_oom(err);
	for (size_t i = 0; i < b->spec->n_mounts; i++) {
		rc = plan_mount(b, i, &plan->mounts[i], err);
		if (rc < 0)
			return rc;
		plan->n_mounts++;
		if (plan->mounts[i].kind == MOUNT_KIND_BIND && streq(plan->mounts[i].destination, "/dev"))
			plan->host_dev = true;
	}
	return 0;
}

static int plan_paths(const struct builder *b, const char *name, const char *const *paths, size_t count,
		      const char ***ret_paths, size_t *ret_count, struct wh_error *err)
{
	const char **clean = arena_array(b->arena, const char *, count + 1);
	size_t n = 0;

	if (!clean)
		return wh_oom(err);
	for (size_t i = 0; i < count; i++) {
		const char *place = arena_printf(b->arena, "linux.%s[%zu]", name, i);

		if (!place)
			return wh_oom(err);
		if (paths[i][0] != '/') {
			problems_add(b->problems, PROBLEM_ERROR, "%s: '%s' is not an absolute path", place, paths[i]);
			continue;
		}
		clean[n] = clean_absolute(b, paths[i], place);
		if (clean[n])
			n++;
	}
	*ret_paths = clean;
	*ret_count = n;
	return 0;
}

struct propagation {
	uint64_t flag;
	bool recursive;
};

static const struct propagation propagations[] = {
	[OCI_PROPAGATION_UNSET] = { MS_SLAVE, true },
	[OCI_PROPAGATION_SHARED] = { MS_SHARED, false },
	[OCI_PROPAGATION_SLAVE] = { MS_SLAVE, false },
	[OCI_PROPAGATION_PRIVATE] = { MS_PRIVATE, false },
	[OCI_PROPAGATION_UNBINDABLE] = { MS_UNBINDABLE, false },
	[OCI_PROPAGATION_RSHARED] = { MS_SHARED, true },
	[OCI_PROPAGATION_RSLAVE] = { MS_SLAVE, true },
	[OCI_PROPAGATION_RPRIVATE] = { MS_PRIVATE, true },
	[OCI_PROPAGATION_RUNBINDABLE] = { MS_UNBINDABLE, true },
};

static const struct oci_namespace *find_namespace(const struct oci_linux *linux_, int64_t type)
{
	for (size_t i = 0; i < linux_->n_namespaces; i++) {
		if (linux_->namespaces[i].type == type)
			return &linux_->namespaces[i];
	}
	return NULL;
}

static void plan_namespaces(const struct builder *b)
{
	const struct oci_linux *linux_ = b->spec->linux_;
	const struct oci_namespace *network = find_namespace(linux_, CLONE_NEWNET);
	const struct propagation *propagation = &propagations[linux_->rootfs_propagation];
	struct rootfs_plan *plan = b->plan;

	plan->propagation = propagation->flag;
	plan->propagation_recursive = propagation->recursive;
	plan->no_mount_namespace = !find_namespace(linux_, CLONE_NEWNS);
	plan->new_user_namespace = find_namespace(linux_, CLONE_NEWUSER) != NULL;
	plan->new_cgroup_namespace = find_namespace(linux_, CLONE_NEWCGROUP) != NULL;
	plan->host_network = !network || network->path;
}

/** Without a mount namespace every mount would be the host's. */
static void check_mount_namespace(const struct builder *b)
{
	const struct oci_linux *linux_ = b->spec->linux_;
	const struct {
		const char *place;
		bool asked;
	} needs[] = {
		{ "mounts", b->spec->n_mounts > 0 },
		{ "root.readonly", b->plan->readonly },
		{ "linux.maskedPaths", linux_->n_masked_paths > 0 },
		{ "linux.readonlyPaths", linux_->n_readonly_paths > 0 },
		{ "linux.rootfsPropagation", linux_->rootfs_propagation != OCI_PROPAGATION_UNSET },
		{ "process.terminal", b->plan->console },
	};

	if (!b->plan->no_mount_namespace)
		return;
	if (b->plan->new_user_namespace)
		problems_add(b->problems, PROBLEM_ERROR,
			     "linux.namespaces: a user namespace needs a mount namespace: its devices are bound there");
	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (needs[i].asked)
			problems_add(b->problems, PROBLEM_ERROR, "%s: needs a mount namespace (linux.namespaces)",
				     needs[i].place);
	}
}

static int plan_root(const struct builder *b, struct wh_error *err)
{
	const struct oci_root *root = b->spec->root;

	if (!root || str_empty(root->path)) {
		problems_add(b->problems, PROBLEM_ERROR, "root.path: is missing");
		b->plan->path = arena_strdup(b->arena, "");
		return b->plan->path ? 0 : wh_oom(err);
	}
	b->plan->path = host_path(b, root->path);
	b->plan->readonly = root->readonly;
	return b->plan->path ? 0 : wh_oom(err);
}

int rootfs_plan_build(const struct oci_spec *spec, const char *bundle, bool no_pivot, struct arena *arena,
		      struct problems *problems, struct rootfs_plan *ret_plan, struct wh_error *err)
{
	struct rootfs_plan plan = { .no_pivot = no_pivot, .console = spec->process && spec->process->terminal };
	const struct builder b = { spec, bundle, arena, problems, &plan };
	const struct oci_linux *linux_ = spec->linux_;
	int rc;

	if (linux_->mount_label) {
		plan.mount_label = arena_strdup(arena, linux_->mount_label);
		if (!plan.mount_label)
			return wh_oom(err);
	}
	plan_namespaces(&b);
	rc = plan_root(&b, err);
	if (rc == 0)
		rc = plan_mounts(&b, err);
	if (rc == 0)
		rc = device_plan_build(linux_, arena, problems, &plan.devices, &plan.n_devices, err);
	if (rc == 0)
		rc = plan_paths(&b, "maskedPaths", linux_->masked_paths, linux_->n_masked_paths, &plan.masked_paths,
				&plan.n_masked_paths, err);
	if (rc == 0)
		rc = plan_paths(&b, "readonlyPaths", linux_->readonly_paths, linux_->n_readonly_paths, &plan.readonly_paths,
				&plan.n_readonly_paths, err);
	if (rc < 0)
		return rc;
	plan_readonly_last(&plan);
	check_mount_namespace(&b);
	*ret_plan = plan;
	return 0;
}
