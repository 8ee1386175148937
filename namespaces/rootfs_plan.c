/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of the whole root file system; its mounts and devices are planned in their own files. */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/str.h"
#include "base/sys.h"
#include "namespaces/device_plan.h"
#include "namespaces/fs_context.h"
#include "namespaces/mount_plan.h"
#include "namespaces/plan_path.h"
#include "oci-spec/namespace.h"

static int plan_paths(const struct rootfs_builder *b, const char *list, const char *const *paths,
		      size_t count, const char ***ret_paths, size_t *ret_count,
		      struct wh_error *err)
{
	const char **clean = arena_array(b->arena, const char *, count + 1);
	size_t n = 0;

	if (!clean)
		return wh_oom(err);
	for (size_t i = 0; i < count; i++) {
		struct plan_place place = {list, i, ""};

		if (paths[i][0] != '/') {
			problems_add(b->problems, PROBLEM_ERROR,
				     PLAN_PLACE_FMT ": '%s' is not an absolute path",
				     PLAN_PLACE_ARGS(place), paths[i]);
			continue;
		}
		clean[n] = plan_path_clean(paths[i], place, b->arena, b->problems);
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
    [OCI_PROPAGATION_UNSET] = {MS_SLAVE,      true },
    [OCI_PROPAGATION_SHARED] = {MS_SHARED,     false},
    [OCI_PROPAGATION_SLAVE] = {MS_SLAVE,      false},
    [OCI_PROPAGATION_PRIVATE] = {MS_PRIVATE,    false},
    [OCI_PROPAGATION_UNBINDABLE] = {MS_UNBINDABLE, false},
    [OCI_PROPAGATION_RSHARED] = {MS_SHARED,     true },
    [OCI_PROPAGATION_RSLAVE] = {MS_SLAVE,      true },
    [OCI_PROPAGATION_RPRIVATE] = {MS_PRIVATE,    true },
    [OCI_PROPAGATION_RUNBINDABLE] = {MS_UNBINDABLE, true },
};

static void plan_namespaces(const struct rootfs_builder *b)
{
	const struct oci_linux *linux_ = b->spec->linux_;
	const struct propagation *propagation = &propagations[linux_->rootfs_propagation];
	struct rootfs_plan *plan = b->plan;

	plan->propagation = propagation->flag;
	plan->propagation_recursive = propagation->recursive;
	plan->no_mount_namespace = !oci_namespace_find(linux_, CLONE_NEWNS);
	plan->new_user_namespace = oci_namespace_find(linux_, CLONE_NEWUSER) != NULL;
	plan->new_cgroup_namespace = oci_namespace_find(linux_, CLONE_NEWCGROUP) != NULL;
	plan->host_network = !oci_namespace_is_new(oci_namespace_find(linux_, CLONE_NEWNET));
}

/** Without a mount namespace every mount would be the host's. */
static void check_mount_namespace(const struct rootfs_builder *b)
{
	const struct oci_linux *linux_ = b->spec->linux_;
	const struct {
		const char *place;
		bool asked;
	} needs[] = {
	    {"mounts",                  b->spec->n_mounts > 0                              },
	    {"root.readonly",           b->plan->readonly                                  },
	    {"linux.maskedPaths",       linux_->n_masked_paths > 0                         },
	    {"linux.readonlyPaths",     linux_->n_readonly_paths > 0                       },
	    {"linux.rootfsPropagation", linux_->rootfs_propagation != OCI_PROPAGATION_UNSET},
	    {"process.terminal",        b->plan->console                                   },
	};

	if (!b->plan->no_mount_namespace)
		return;
	if (b->plan->new_user_namespace)
		problems_add(b->problems, PROBLEM_ERROR,
			     "linux.namespaces: a user namespace needs a mount namespace: its "
			     "devices are bound there");
	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (needs[i].asked)
			problems_add(b->problems, PROBLEM_ERROR,
				     "%s: needs a mount namespace (linux.namespaces)",
				     needs[i].place);
	}
}

static int plan_root(const struct rootfs_builder *b, struct wh_error *err)
{
	const struct oci_root *root = b->spec->root;

	if (!root || str_empty(root->path)) {
		problems_add(b->problems, PROBLEM_ERROR, "root.path: is missing");
		b->plan->path = arena_strdup(b->arena, "");
		return b->plan->path ? 0 : wh_oom(err);
	}
	b->plan->path = plan_path_host(root->path, b->bundle, b->arena);
	b->plan->readonly = root->readonly;
	return b->plan->path ? 0 : wh_oom(err);
}

static int plan_devices(const struct rootfs_builder *b, struct wh_error *err)
{
	return device_plan_build(b->spec->linux_, b->arena, b->problems, &b->plan->devices,
				 &b->plan->n_devices, err);
}

static int copy_label(const struct rootfs_builder *b, struct wh_error *err)
{
	const char *label = b->spec->linux_->mount_label;

	if (!label)
		return 0;
	b->plan->mount_label = arena_strdup(b->arena, label);
	return b->plan->mount_label ? 0 : wh_oom(err);
}

int rootfs_plan_build(const struct oci_spec *spec, const char *bundle, bool no_pivot,
		      struct arena *arena, struct problems *problems, struct rootfs_plan *ret_plan,
		      struct wh_error *err)
{
	struct rootfs_plan plan = {.no_pivot = no_pivot,
				   .console = spec->process && spec->process->terminal};
	const struct rootfs_builder b = {spec, bundle, arena, problems, &plan};
	const struct oci_linux *linux_ = spec->linux_;
	int rc = copy_label(&b, err);

	plan_namespaces(&b);
	if (rc == 0)
		rc = plan_root(&b, err);
	if (rc == 0)
		rc = plan_devices(&b, err);
	if (rc == 0)
		rc = mount_plan_build(&b, err);
	if (rc == 0)
		rc = plan_paths(&b, "linux.maskedPaths", linux_->masked_paths,
				linux_->n_masked_paths, &plan.masked_paths, &plan.n_masked_paths,
				err);
	if (rc == 0)
		rc = plan_paths(&b, "linux.readonlyPaths", linux_->readonly_paths,
				linux_->n_readonly_paths, &plan.readonly_paths,
				&plan.n_readonly_paths, err);
	if (rc < 0)
		return rc;
	check_mount_namespace(&b);
	*ret_plan = plan;
	return 0;
}

/** Why @entry cannot come into a container that runs, or NULL. */
static const char *late_complaint(const struct mount_entry *entry)
{
	if (entry->kind == MOUNT_KIND_REMOUNT)
		return "options: a remount adds nothing";
	if (entry->kind == MOUNT_KIND_CGROUP)
		return "type: cgroups are shown as they were when the container was created";
	if (entry->kind != MOUNT_KIND_FS)
		return NULL;
	if (streq(entry->fs_type, "proc"))
		return "type: a procfs would show the host's processes";
	return fs_context_needs_mount2(entry) ? "options: iversion and values of more than 255 "
						"bytes need mount(2), which follows names"
					      : NULL;
}

int rootfs_plan_build_late(const struct oci_spec *spec, const char *bundle, struct arena *arena,
			   struct problems *problems, struct rootfs_plan *ret_plan,
			   struct wh_error *err)
{
	struct rootfs_plan plan = {0};
	const struct rootfs_builder b = {spec, bundle, arena, problems, &plan};
	int rc = copy_label(&b, err);

	plan_namespaces(&b);
	if (rc == 0)
		rc = mount_plan_build(&b, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < plan.n_mounts; i++) {
		const char *complaint = late_complaint(&plan.mounts[i]);

		if (complaint)
			problems_add(problems, PROBLEM_ERROR, "mounts[%zu].%s", i, complaint);
	}
	*ret_plan = plan;
	return 0;
}

int rootfs_plan_build_removal(const struct oci_spec *spec, struct arena *arena,
			      struct problems *problems, struct rootfs_plan *ret_plan,
			      struct wh_error *err)
{
	struct rootfs_plan plan = {0};

	plan.mounts = arena_array(arena, struct mount_entry, spec->n_mounts + 1);
	if (!plan.mounts)
		return wh_oom(err);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const char *clean = plan_path_clean(
		    spec->mounts[i].destination, (struct plan_place){"mounts", i, ".destination"},
		    arena, problems);

		plan.mounts[i] =
		    (struct mount_entry){.index = (uint32_t)i, .destination = clean ? clean : ""};
	}
	plan.n_mounts = spec->n_mounts;
	*ret_plan = plan;
	return 0;
}
