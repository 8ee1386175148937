/* SPDX-License-Identifier: Apache-2.0 */
/* state, list, ps: what containers are. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/access.h"
#include "libcontainer/owner.h"

/** Copy what @state points at from one arena to another. */
static int keep_state(struct oci_state *state, struct arena *arena, struct wh_error *err)
{
	const char **strings[] = {&state->oci_version, &state->id,      &state->bundle,
				  &state->rootfs,      &state->created, &state->owner};
	struct oci_string_map *annotations =
	    arena_array(arena, struct oci_string_map, state->n_annotations + 1);

	if (!annotations)
		return wh_oom(err);
	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		if (*strings[i] && !(*strings[i] = arena_strdup(arena, *strings[i])))
			return wh_oom(err);
	}
	for (size_t i = 0; i < state->n_annotations; i++) {
		annotations[i].key = arena_strdup(arena, state->annotations[i].key);
		annotations[i].value = arena_strdup(arena, state->annotations[i].value);
		if (!annotations[i].key || !annotations[i].value)
			return wh_oom(err);
	}
	state->annotations = state->annotations ? annotations : NULL;
	return 0;
}

int container_state(const struct runtime *rt, const char *id, struct arena *arena,
		    struct oci_state *ret_state, struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_UNLOCKED, err);

	if (rc == 0) {
		access_refine_status(&access);
		*ret_state = access_state(&access);
		/* what runc shows besides */
		ret_state->rootfs = access.record.rootfs;
		ret_state->created = access.record.created;
		ret_state->owner = owner_name(access.record.owner, &access.arena);
		rc = keep_state(ret_state, arena, err);
	}
	access_done(&access);
	return rc;
}

/**
 * One row of the list; a container that cannot be read is listed as unknown, one that is deleted
 * meanwhile is not listed (1).
 */
static int list_entry(const struct runtime *rt, const char *id, struct arena *arena,
		      struct oci_state *ret_state, struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	int rc = container_state(rt, id, arena, ret_state, &reason);

	if (rc == 0)
		return 0;
	if (reason.kind == WH_ERROR_NOT_FOUND || rc == -ENOTDIR || rc == -ELOOP)
		return 1; /* gone meanwhile, or a file that is none of ours */
	if (rc == -ENOMEM)
		return wh_oom(err);
	*ret_state = (struct oci_state){
	    .oci_version = "",
	    .id = arena_strdup(arena, id),
	    .status = OCI_STATUS_UNKNOWN,
	    .bundle = "",
	    .created = "",
	    .owner = "",
	};
	return ret_state->id ? 0 : wh_oom(err);
}

static int compare_states(const void *a, const void *b)
{
	return strcmp(((const struct oci_state *)a)->id, ((const struct oci_state *)b)->id);
}

/** The next entry, or NULL at the end and after an error, which *@ret_code then has. */
static const char *next_entry(DIR *dir, int *ret_code)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	*ret_code = entry ? 0 : errno;
	return entry ? entry->d_name : NULL;
}

static size_t count_entries(DIR *dir, int *ret_code)
{
	size_t n = 0;

	while (next_entry(dir, ret_code))
		n++;
	rewinddir(dir);
	return n;
}

int container_list(const struct runtime *rt, struct arena *arena, struct oci_state **ret_states,
		   size_t *ret_count, struct wh_error *err)
{
	int root = state_root_open(rt, false, err);
	auto_dir *dir = root < 0 ? NULL : fdopendir(root);
	struct oci_state *states;
	const char *name;
	size_t room;
	size_t n = 0;
	int code = 0;

	*ret_states = NULL;
	*ret_count = 0;
	if (root == -ENOENT)
		return 0;
	if (root < 0)
		return root;
	if (!dir) {
		fd_close(root);
		return wh_fail(err, ENOMEM, "list '%s'", rt->root);
	}
	room = count_entries(dir, &code);
	states = arena_array(arena, struct oci_state, room + 1);
	if (!states)
		return wh_oom(err);
	while (code == 0 && n < room && (name = next_entry(dir, &code))) {
		int rc;

		if (name[0] == '.' || container_id_check(name, NULL) < 0)
			continue;
		rc = list_entry(rt, name, arena, &states[n], err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			n++;
	}
	if (code)
		return wh_fail(err, code, "list '%s'", rt->root);
	qsort(states, n, sizeof(*states), compare_states);
	*ret_states = states;
	*ret_count = n;
	return 0;
}

int container_pids(const struct runtime *rt, const char *id, struct arena *arena, pid_t **ret_pids,
		   size_t *ret_count, struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, rt, id, STATE_UNLOCKED, err);

	*ret_pids = NULL;
	*ret_count = 0;
	if (rc == 0)
		rc = access_open_cgroup(&access, err);
	if (rc == 0)
		rc = cgroup_pids(&access.cgroup, arena, ret_pids, ret_count, err);
	else if (rc == -ENOENT && access.record.cgroup_path)
		rc = 0; /* a stopped container has no process */
	access_done(&access);
	return rc;
}
