/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/external.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "oci-spec/namespace.h"

#define N_STREAMS 3

static bool is_mounted(uint32_t id, const struct mountinfo *mounts, size_t n_mounts)
{
	for (size_t i = 0; i < n_mounts; i++) {
		if (mounts[i].id == id)
			return true;
	}
	return false;
}

/** A pseudo-terminal's slave, by the numbers that Linux gives these (admin-guide/devices.txt). */
static bool is_terminal(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) >= 136 && major(st->st_rdev) <= 143;
}

static const char *name_stream(int proc, pid_t pid, int fd, const struct mountinfo *mounts,
			       size_t n_mounts, struct arena *arena, bool *callers_terminal)
{
	char path[48];
	char target[PATH_MAX];
	struct stat st;
	uint32_t mount;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/fd/%d", (int)pid, fd);
	n = readlinkat(proc, path, target, sizeof(target) - 1);
	if (n < 0)
		return arena_strdup(arena, "");
	target[n] = '\0';
	if (fstatat(proc, path, &st, 0) == 0 && (S_ISREG(st.st_mode) || is_terminal(&st)) &&
	    mountinfo_of_fd(pid, fd, &mount) == 0 && !is_mounted(mount, mounts, n_mounts)) {
		if (S_ISREG(st.st_mode))
			return arena_printf(arena, "file[%x:%llx]", mount,
					    (unsigned long long)st.st_ino);
		*callers_terminal = true;
	}
	return arena_strdup(arena, target);
}

int checkpoint_streams_find(pid_t pid, const struct mountinfo *mounts, size_t n_mounts,
			    struct arena *arena, struct checkpoint_image *image,
			    struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);

	if (proc < 0)
		return proc;
	image->stdio = arena_array(arena, const char *, N_STREAMS);
	if (!image->stdio)
		return wh_oom(err);
	for (int fd = 0; fd < N_STREAMS; fd++) {
		image->stdio[fd] =
		    name_stream(proc, pid, fd, mounts, n_mounts, arena, &image->callers_terminal);
		if (!image->stdio[fd])
			return wh_oom(err);
	}
	image->n_stdio = N_STREAMS;
	return 0;
}

bool checkpoint_stream_is_inherited(const char *stream)
{
	return str_after(stream, "pipe:[") || str_after(stream, "file[");
}

static const struct {
	int type;
	const char *name;
	const char *key;
} named_namespaces[] = {
    {CLONE_NEWNET, "net", CHECKPOINT_NETWORK_KEY},
    {CLONE_NEWPID, "pid", CHECKPOINT_PID_KEY    },
};

int checkpoint_namespaces_name(const struct oci_spec *spec, pid_t pid, struct arena *arena,
			       const char **list, size_t *count, struct wh_error *err)
{
	auto_fd proc = procfs_open(true, err);

	if (proc < 0)
		return proc;
	for (size_t i = 0; i < ARRAY_LEN(named_namespaces); i++) {
		const char *name = named_namespaces[i].name;
		char path[48];
		struct stat st;

		if (!oci_namespace_is_joined(
			oci_namespace_find(spec->linux_, named_namespaces[i].type)))
			continue;
		snprintf(path, sizeof(path), "%d/ns/%s", (int)pid, name);
		if (fstatat(proc, path, &st, 0) < 0)
			return wh_fail(err, errno, "look at the container's %s namespace", name);
		list[*count] = arena_printf(arena, "%s[%llu]:%s", name,
					    (unsigned long long)st.st_ino, named_namespaces[i].key);
		if (!list[(*count)++])
			return wh_oom(err);
	}
	return 0;
}
