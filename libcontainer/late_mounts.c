/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/late_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/state_store.h"
#include "oci-spec/field.h"

/** A hundred bytes a mount. */
#define LATE_MOUNTS_SIZE (1UL << 20)

static const struct int_range any_u64 = {0, UINT64_MAX};
static const struct field mount_fields[] = {
    FIELD(late_mount, "destination", destination, field_string, NULL, FIELD_REQUIRED),
    FIELD(late_mount, "id", id, field_u64, &any_u64, FIELD_REQUIRED),
};
static const struct object_type mount_type = OBJECT_TYPE(late_mount, mount_fields);
static const struct field mount_element = {.type = &field_object, .param = &mount_type};
static const struct field mounts_fields[] = {
    FIELD_LIST(late_mounts, "added", list, &mount_element, FIELD_REQUIRED),
};
static const struct object_type mounts_type = OBJECT_TYPE(late_mounts, mounts_fields);

int late_mounts_read(int dir_fd, struct arena *arena, struct late_mounts *ret_mounts,
		     struct wh_error *err)
{
	struct field_document document = {
	    .name = STATE_MOUNTS_FILE, .max_size = LATE_MOUNTS_SIZE, .max_depth = 4};
	struct wh_error reason = WH_ERROR_INIT;
	struct problems problems;
	char *text;
	int rc;

	*ret_mounts = (struct late_mounts){0};
	rc = file_read(dir_fd, STATE_MOUNTS_FILE, LATE_MOUNTS_SIZE, arena, &text, &document.len,
		       &reason);
	if (rc == -ENOENT)
		return 0;
	problems_init(&problems, arena);
	document.text = text;
	if (rc == 0)
		rc = field_decode_document(&document, &mounts_type, arena, &problems, ret_mounts,
					   &reason);
	return rc < 0 ? wh_fail(err, -rc, "what was mounted in the container: %s", reason.message)
		      : 0;
}

int late_mounts_write(int dir_fd, const struct late_mounts *mounts, struct arena *arena,
		      struct wh_error *err)
{
	const char *json;
	size_t len;
	int rc = field_encode_document(&mounts_type, mounts, NULL, arena, &json, &len, err);

	return rc < 0 ? rc : file_replace(dir_fd, STATE_MOUNTS_FILE, json, len, 0600, err);
}

int late_mounts_find(const struct late_mounts *mounts, const char *destination, struct arena *arena,
		     struct late_mount_ids *ret_ids)
{
	struct late_mount_ids ids = {.list = arena_array(arena, uint64_t, mounts->n_list + 1)};

	if (!ids.list)
		return -ENOMEM;
	for (size_t i = 0; i < mounts->n_list; i++)
		if (streq(mounts->list[i].destination, destination))
			ids.list[ids.count++] = mounts->list[i].id;
	if (ids.count == 0)
		return -ENOENT;
	*ret_ids = ids;
	return 0;
}

const char *late_mounts_seen(const struct late_mounts *mounts, int root_fd)
{
	for (size_t i = 0; i < mounts->n_list; i++) {
		auto_fd fd = path_open_in_root(root_fd, mounts->list[i].destination, O_PATH, 0);
		uint64_t id;

		if (fd >= 0 && sys_mount_id(fd, &id) == 0 && id == mounts->list[i].id)
			return mounts->list[i].destination;
	}
	return NULL;
}

void late_mounts_forget(struct late_mounts *mounts, const char *destination, uint64_t id)
{
	bool found = false;
	size_t kept = 0;

	for (size_t i = 0; i < mounts->n_list; i++) {
		const struct late_mount mount = mounts->list[i];
		const bool is_here = streq(mount.destination, destination);

		found |= is_here && mount.id == id;
		if (!found || !is_here)
			mounts->list[kept++] = mount;
	}
	mounts->n_list = kept;
}
