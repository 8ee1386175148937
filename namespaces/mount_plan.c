/* SPDX-License-Identifier: Apache-2.0 */
/* From the document's mounts to what will be done about each. */
#include "namespaces/mount_plan.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/str.h"
#include "base/sys.h"
#include "namespaces/plan_path.h"
#include "oci-spec/namespace.h"

/** How linux.mountLabel reaches a new file system (runc's ways). */
enum label_way {
	LABEL_MOUNT,     /* context=, for all that is in it */
	LABEL_ROOT,      /* its root's own label: its super-block is there before the mount is */
	LABEL_BY_POLICY, /* not at all: SELinux decides about it by its type */
};

/**
 * File systems with rules of their own. All of them live in the kernel: their super-block may be
 * the host's too (sysfs, cgroup2), or is written to while the container is made (tmpfs), so that
 * read-only is an attribute of the mount and never of the super-block.
 */
struct fs_rule {
	const char *type;
	bool real_directory;
	bool fixed; /* nobody can make a file or directory in it, read-only or not */
	enum label_way label;
	const char *fallback_source;
};

static const struct fs_rule fs_rules[] = {
  /* type, real_directory, fixed, label, fallback_source */
    {"proc",    true,  true,  LABEL_BY_POLICY, NULL         },
    {"sysfs",   true,  true,  LABEL_BY_POLICY, "/sys"       },
    {"mqueue",  false, false, LABEL_ROOT,      "/dev/mqueue"},
    {"tmpfs",   false, false, LABEL_MOUNT,     NULL         },
    {"ramfs",   false, false, LABEL_MOUNT,     NULL         },
    {"devpts",  false, false, LABEL_MOUNT,     NULL         },
    {"cgroup2", false, false, LABEL_BY_POLICY, NULL         },
};

static const struct fs_rule *find_fs_rule(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(fs_rules); i++) {
		if (streq(fs_rules[i].type, type))
			return &fs_rules[i];
	}
	return NULL;
}

/**
 * What may be mounted below /proc: files that lxcfs stands in for, and two harmless ones (runc's
 * list; CVE-2019-16884).
 */
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
static int add_label(const struct rootfs_builder *b, struct mount_flags *flags)
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

static int plan_label(const struct rootfs_builder *b, enum label_way way, struct mount_entry *entry)
{
	switch (way) {
	case LABEL_MOUNT:
		return add_label(b, &entry->flags);
	case LABEL_ROOT:
		entry->root_label = b->plan->mount_label;
		return 0;
	case LABEL_BY_POLICY:
		break;
	}
	return 0;
}

static int plan_fs(const struct rootfs_builder *b, const struct oci_mount *mount,
		   struct mount_entry *entry)
{
	const char *type = entry->kind == MOUNT_KIND_CGROUP ? "cgroup2" : mount->type;
	const struct fs_rule *rule;

	if (str_empty(type))
		return problems_add(
		    b->problems, PROBLEM_ERROR,
		    "mounts[%u].type: is missing, and no option makes this a bind mount",
		    entry->index);
	if (streq(type, "bind"))
		return problems_add(b->problems, PROBLEM_ERROR,
				    "mounts[%u].type: 'bind' needs the option bind or rbind: the "
				    "type of a bind mount has no meaning",
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
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].options: tmpcopyup is for type tmpfs only", entry->index);
	return b->plan->mount_label ? plan_label(b, rule ? rule->label : LABEL_MOUNT, entry) : 0;
}

/**
 * What a bind (or a remount) does not change: parameters and super-block flags belong to the file
 * system it shows.
 */
static void warn_no_effect(const struct rootfs_builder *b, const struct mount_entry *entry,
			   const char *what)
{
	const struct mount_flags *flags = &entry->flags;

	for (uint32_t i = 0; i < flags->n_params; i++)
		problems_add(b->problems, PROBLEM_WARNING,
			     "mounts[%u].options: '%s' has no effect on %s", entry->index,
			     flags->params[2 * i], what);
	for (uint32_t i = 0; i < flags->n_sb_flags; i++) {
		if (!streq(flags->sb_flags[i], "ro"))
			problems_add(b->problems, PROBLEM_WARNING,
				     "mounts[%u].options: '%s' has no effect on %s", entry->index,
				     flags->sb_flags[i], what);
	}
}

static int plan_bind(const struct rootfs_builder *b, const struct oci_mount *mount,
		     struct mount_entry *entry)
{
	if (str_empty(mount->source))
		return problems_add(b->problems, PROBLEM_ERROR,
				    "mounts[%u].source: a bind mount needs one", entry->index);
	entry->source = plan_path_host(mount->source, b->bundle, b->arena);
	if (!entry->source)
		return -ENOMEM;
	if (entry->flags.ext & MOUNT_EXT_TMPCOPYUP)
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].options: tmpcopyup is for type tmpfs only", entry->index);
	warn_no_effect(b, entry, "a bind mount");
	return 0;
}

static int plan_remount(const struct rootfs_builder *b, const struct oci_mount *mount,
			struct mount_entry *entry)
{
	if (entry->flags.n_params > 0)
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].options: '%s': a remount changes attributes only, not the "
			     "file system's parameters",
			     entry->index, entry->flags.params[0]);
	entry->flags.n_params = 0;
	warn_no_effect(b, entry, "a remount");
	return 0;
}

static int (*const planners[])(const struct rootfs_builder *, const struct oci_mount *,
			       struct mount_entry *) = {
    [MOUNT_KIND_FS] = plan_fs,
    [MOUNT_KIND_BIND] = plan_bind,
    [MOUNT_KIND_CGROUP] = plan_fs,
    [MOUNT_KIND_REMOUNT] = plan_remount,
};

/** A request that the table of options does not hold: a peer's way to write the mappings. */
static const char *find_inline_mappings(const struct oci_mount *mount)
{
	for (size_t i = 0; i < mount->n_options; i++) {
		if (str_after(mount->options[i], "idmap=") ||
		    str_after(mount->options[i], "ridmap="))
			return mount->options[i];
	}
	return NULL;
}

static void take_container_mappings(const struct rootfs_builder *b, struct mount_entry *entry)
{
	const struct oci_linux *linux_ = b->spec->linux_;
	const struct oci_namespace *user = oci_namespace_find(linux_, CLONE_NEWUSER);

	entry->uid_mappings = linux_->uid_mappings;
	entry->n_uid_mappings = linux_->n_uid_mappings;
	entry->gid_mappings = linux_->gid_mappings;
	entry->n_gid_mappings = linux_->n_gid_mappings;
	/* a joined one has the mappings that the document leaves out */
	if (linux_->n_uid_mappings == 0 && linux_->n_gid_mappings == 0 &&
	    oci_namespace_is_joined(user))
		entry->idmap_namespace = user->path;
}

/**
 * The mappings of an idmapped mount (config.md#linux-mount-options): its own, which ask for it
 * without the option too (Podman's way), else the container's.
 */
static int plan_idmap(const struct rootfs_builder *b, const struct oci_mount *mount,
		      struct mount_entry *entry)
{
	const char *inline_mappings = find_inline_mappings(mount);
	const bool own = mount->n_uid_mappings > 0 || mount->n_gid_mappings > 0;

	if (inline_mappings)
		return problems_add(b->problems, PROBLEM_ERROR,
				    "mounts[%u].options: '%s': mappings are taken from uidMappings "
				    "and gidMappings of the mount, with the option idmap or ridmap",
				    entry->index, inline_mappings);
	if (own && !mount_entry_is_idmapped(entry))
		entry->flags.ext |= MOUNT_EXT_IDMAP;
	if (!mount_entry_is_idmapped(entry))
		return 0;
	if (entry->kind != MOUNT_KIND_BIND)
		return problems_add(
		    b->problems, PROBLEM_ERROR,
		    "mounts[%u].%s: an idmapped mount has to be a bind: a new file "
		    "system has its owners by its own options, and a remount cannot "
		    "change mappings",
		    entry->index, own ? "uidMappings" : "options");
	if (own) {
		entry->uid_mappings = mount->uid_mappings;
		entry->n_uid_mappings = mount->n_uid_mappings;
		entry->gid_mappings = mount->gid_mappings;
		entry->n_gid_mappings = mount->n_gid_mappings;
	} else {
		take_container_mappings(b, entry);
	}
	if (!entry->idmap_namespace && (entry->n_uid_mappings == 0 || entry->n_gid_mappings == 0))
		return problems_add(b->problems, PROBLEM_ERROR,
				    "mounts[%u]: an idmapped mount needs mappings of users and of "
				    "groups, its own or those of a user namespace",
				    entry->index);
	return 0;
}

static void check_destination(const struct rootfs_builder *b, const struct mount_entry *entry)
{
	const char *dest = entry->destination;

	if (streq(dest, "/") && entry->kind != MOUNT_KIND_REMOUNT)
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].destination: '/' is the root file system itself",
			     entry->index);
	if (streq(dest, "/proc") && entry->kind != MOUNT_KIND_BIND &&
	    entry->kind != MOUNT_KIND_REMOUNT && !(entry->fs_type && streq(entry->fs_type, "proc")))
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].destination: '/proc' is for type proc or a bind of one "
			     "(CVE-2019-16884)",
			     entry->index);
	if (str_after(dest, "/proc/") && entry->kind != MOUNT_KIND_REMOUNT &&
	    !is_proc_exception(dest))
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].destination: '%s' is inside /proc, where nothing is "
			     "mounted (CVE-2019-16884)",
			     entry->index, dest);
	if (streq(dest, "/sys") && entry->kind == MOUNT_KIND_FS && entry->fs_type &&
	    streq(entry->fs_type, "proc"))
		problems_add(b->problems, PROBLEM_ERROR,
			     "mounts[%u].destination: '/sys' is not for type proc", entry->index);
}

static int plan_mount(const struct rootfs_builder *b, size_t index, struct mount_entry *entry,
		      struct wh_error *err)
{
	const struct oci_mount *mount = &b->spec->mounts[index];
	struct plan_place place = {"mounts", index, ".destination"};
	const char *clean;
	int rc;

	/* what is wrong with the destination is a problem below; the entry still shows it */
	*entry = (struct mount_entry){.index = (uint32_t)index,
				      .destination = mount->destination ? mount->destination : ""};
	rc = mount_opts_parse((const char *const *)mount->options, mount->n_options, b->arena,
			      &entry->flags, err);
	if (rc < 0)
		return rc;
	entry->kind = decide_kind(mount, &entry->flags);
	rc = planners[entry->kind](b, mount, entry);
	if (rc != -ENOMEM)
		rc = plan_idmap(b, mount, entry);
	if (rc == -ENOMEM)
		return wh_oom(err);
	if (str_empty(mount->destination)) {
		problems_add(b->problems, PROBLEM_ERROR, PLAN_PLACE_FMT ": is empty",
			     PLAN_PLACE_ARGS(place));
		return 0;
	}
	if (mount->destination[0] != '/')
		problems_add(b->problems, PROBLEM_WARNING,
			     PLAN_PLACE_FMT ": '%s' is not absolute; taken as '/%s'",
			     PLAN_PLACE_ARGS(place), mount->destination, mount->destination);
	clean = plan_path_clean(mount->destination, place, b->arena, b->problems);
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

/**
 * A read-only file system that others are mounted in, or devices made in, becomes read-only when
 * all of that is done.
 */
static bool needs_writing(const struct rootfs_plan *plan, const struct mount_entry *entry)
{
	const struct fs_rule *rule = entry->fs_type ? find_fs_rule(entry->fs_type) : NULL;

	if (rule && rule->fixed)
		return false;
	for (const struct mount_entry *later = entry + 1; later < plan->mounts + plan->n_mounts;
	     later++) {
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

int mount_plan_build(const struct rootfs_builder *b, struct wh_error *err)
{
	struct rootfs_plan *plan = b->plan;

	plan->mounts = arena_array(b->arena, struct mount_entry, b->spec->n_mounts + 1);
	if (!plan->mounts)
		return wh_oom(err);
	for (size_t i = 0; i < b->spec->n_mounts; i++) {
		struct mount_entry *entry = &plan->mounts[i];
		int rc = plan_mount(b, i, entry, err);

		if (rc < 0)
			return rc;
		plan->n_mounts++;
		if (entry->kind == MOUNT_KIND_BIND && streq(entry->destination, "/dev"))
			plan->host_dev = true;
	}
	plan_readonly_last(plan);
	return 0;
}
