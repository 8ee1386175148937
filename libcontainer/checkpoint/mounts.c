/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/checkpoint/criu_rpc.h"

struct finder {
	const struct mountinfo *host;
	size_t n_host;
	struct arena *arena;
	struct host_source *sources;
	size_t count;
	size_t room;
};

static int mount_of(const struct finder *finder, int fd, const struct mountinfo **ret)
{
	uint32_t id;
	int rc = mountinfo_of_fd(0, fd, &id);

	for (size_t i = 0; rc == 0 && i < finder->n_host; i++) {
		if (finder->host[i].id != id)
			continue;
		*ret = &finder->host[i];
		return 0;
	}
	return rc < 0 ? rc : -ENOENT;
}

/** @path without @prefix, which is a path above it; "" or "/...", or NULL when it is not above. */
static const char *path_below(const char *path, const char *prefix)
{
	const char *rest;

	if (streq(prefix, "/"))
		return streq(path, "/") ? "" : path;
	rest = str_after(path, prefix);
	return rest && (*rest == '\0' || *rest == '/') ? rest : NULL;
}

static const char *join(struct arena *arena, const char *root, const char *rest)
{
	if (*rest == '\0')
		return root;
	return arena_printf(arena, "%s%s", streq(root, "/") ? "" : root, rest);
}

static int add(struct finder *finder, const struct image_mount *name, dev_t dev, const char *root)
{
	if (finder->count == finder->room) {
		size_t room = finder->room ? finder->room * 2 : 32;
		struct host_source *more = arena_array(finder->arena, struct host_source, room);

		if (!more)
			return -ENOMEM;
		if (finder->count)
			memcpy(more, finder->sources, finder->count * sizeof(*more));
		finder->sources = more;
		finder->room = room;
	}
	if (!name->key || !name->path || !root)
		return -ENOMEM;
	finder->sources[finder->count++] =
	    (struct host_source){.name = *name, .dev = dev, .root = root};
	return 0;
}

/** What is mounted below a recursive bind came along. */
static int add_below(struct finder *finder, const struct image_mount *top, const char *path)
{
	int n = 0;

	for (size_t i = 0; i < finder->n_host; i++) {
		const struct mountinfo *mount = &finder->host[i];
		const char *rest = path_below(mount->mountpoint, path);
		struct image_mount name = *top;
		int rc;

		if (!rest || *rest == '\0')
			continue;
		name.key = arena_printf(finder->arena, "%s.%d", top->key, n++);
		name.path = rest + 1;
		rc = add(finder, &name, mount->dev, mount->root);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int add_path(struct finder *finder, const struct image_mount *name, const char *source,
		    bool recursive)
{
	auto_fd fd = open(source, O_PATH | O_CLOEXEC);
	const struct mountinfo *mount;
	char path[PATH_MAX];
	const char *rest;
	ssize_t n;
	int rc;

	if (fd < 0)
		return -errno;
	n = fd_path(fd, path, sizeof(path));
	if (n < 0)
		return (int)n;
	rc = mount_of(finder, fd, &mount);
	if (rc < 0)
		return rc;
	rest = path_below(path, mount->mountpoint);
	if (!rest)
		return -ENOENT;
	rc = add(finder, name, mount->dev, join(finder->arena, mount->root, rest));
	return rc < 0 || !recursive ? rc : add_below(finder, name, path);
}

static int add_entry(struct finder *finder, const struct mount_entry *entry, struct wh_error *err)
{
	const bool bind = entry->kind == MOUNT_KIND_BIND;
	const char *source = bind ? entry->source : entry->fallback_source;
	const struct image_mount name = {
	    .key = arena_printf(finder->arena, "m%u", entry->index),
	    .destination = entry->destination,
	    .path = "",
	};
	int rc;

	if (!source || entry->kind == MOUNT_KIND_REMOUNT)
		return 0;
	rc = add_path(finder, &name, source, !bind || (entry->flags.ext & MOUNT_EXT_RECURSIVE));
	if (rc < 0 && !bind)
		return 0; /* the mount was made without it, or there would be no container */
	return rc < 0 ? wh_fail(err, -rc, "mounts[%u].source: find '%s' among the host's mounts",
				entry->index, source)
		      : 0;
}

static int add_device(struct finder *finder, size_t index, const struct oci_device *device,
		      struct wh_error *err)
{
	const struct image_mount name = {
	    .key = arena_printf(finder->arena, "d%zu", index),
	    .destination = device->path,
	    .path = "",
	};
	int rc;

	if (device->type == 'p')
		return 0;
	rc = add_path(finder, &name, device->path, false);
	return rc < 0 ? wh_fail(err, -rc, "linux.devices: find '%s' among the host's mounts",
				device->path)
		      : 0;
}

static int add_cgroup(struct finder *finder, int cgroup_fd, struct wh_error *err)
{
	const struct image_mount name = {.key = "cgroup", .destination = "", .path = ""};
	char link[32];
	int rc;

	if (cgroup_fd < 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", cgroup_fd);
	rc = add_path(finder, &name, link, false);
	return rc < 0 ? wh_fail(err, -rc, "find the container's cgroup among the host's mounts")
		      : 0;
}

int host_sources_find(const struct rootfs_plan *plan, int cgroup_fd, const struct mountinfo *host,
		      size_t n_host, struct arena *arena, struct host_source **ret_sources,
		      size_t *ret_count, struct wh_error *err)
{
	struct finder finder = {.host = host, .n_host = n_host, .arena = arena};
	int rc = add_cgroup(&finder, cgroup_fd, err);

	for (size_t i = 0; rc == 0 && i < plan->n_mounts; i++)
		rc = add_entry(&finder, &plan->mounts[i], err);
	if (plan->new_user_namespace && !plan->host_dev) {
		for (size_t i = 0; rc == 0 && i < plan->n_devices; i++)
			rc = add_device(&finder, i, &plan->devices[i], err);
	}
	*ret_sources = finder.sources;
	*ret_count = finder.count;
	return rc;
}

/** The source that @mount is of; of several, the one whose destination is where it lies. */
static const struct host_source *source_of(const struct mountinfo *mount,
					   const struct host_source *sources, size_t n_sources)
{
	const struct host_source *found = NULL;

	for (size_t i = 0; i < n_sources; i++) {
		if (sources[i].dev != mount->dev || !streq(sources[i].root, mount->root))
			continue;
		if (!found || streq(sources[i].name.destination, mount->mountpoint))
			found = &sources[i];
	}
	return found;
}

/**
 * CRIU looks "mnt[PATH]" up among texts of the form "mnt[PATH]:KEY" by their beginning: a path that
 * goes on with "]:" after another mount's would be taken for it (CVE-2026-119614).
 */
static int refuse_ambiguous(const struct mountinfo *mounts, size_t n_mounts,
			    const struct external_mounts *external, struct wh_error *err)
{
	for (size_t i = 0; i < external->count; i++) {
		for (size_t j = 0; j < n_mounts; j++) {
			const char *rest =
			    str_after(external->mountpoints[i], mounts[j].mountpoint);

			if (rest && str_after(rest, "]:"))
				return wh_fail_kind(
				    err, WH_ERROR_UNSUPPORTED, 0,
				    "the mount points '%s' and '%s' cannot be told apart by CRIU",
				    mounts[j].mountpoint, external->mountpoints[i]);
		}
	}
	return 0;
}

int external_mounts_match(const struct mountinfo *mounts, size_t n_mounts,
			  const struct host_source *sources, size_t n_sources, struct arena *arena,
			  struct external_mounts *ret, struct wh_error *err)
{
	struct external_mounts external = {
	    .mounts = arena_array(arena, struct image_mount, n_mounts + 1),
	    .mountpoints = arena_array(arena, const char *, n_mounts + 1),
	};

	if (!external.mounts || !external.mountpoints)
		return wh_oom(err);
	for (size_t i = 0; i < n_mounts; i++) {
		const struct host_source *source = source_of(&mounts[i], sources, n_sources);

		/* the root is CRIU's to know, whatever else is bound of the same directory */
		if (!source || streq(mounts[i].mountpoint, "/"))
			continue;
		external.mounts[external.count] = source->name;
		external.mountpoints[external.count++] = mounts[i].mountpoint;
	}
	*ret = external;
	return refuse_ambiguous(mounts, n_mounts, &external, err);
}
