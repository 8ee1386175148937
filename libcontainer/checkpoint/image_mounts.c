/* SPDX-License-Identifier: Apache-2.0 */
/* CRIU's image of a mount namespace, as far as it is changed here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/protobuf.h"
#include "base/str.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/checkpoint/image_entries.h"

#define MAGIC_MOUNTS 0x55563928U

/** The fields of a mount that matter here. */
enum { MOUNT_FLAGS = 5, MOUNT_MOUNTPOINT = 7, MOUNT_SHARED = 10, MOUNT_MASTER = 11 };

/** The first of the numbers that peer groups of the host get: the kernel counts from 1. */
#define MASTER_FIRST 1000000U

/** One mount of the image. */
struct entry {
	struct image_entry message;
	bool is_root;
	uint64_t shared;
	uint64_t master;
};

static bool is_text(const struct pb_field *field, const char *text)
{
	return field->len == strlen(text) && memcmp(field->data, text, field->len) == 0;
}

static int read_entry(struct entry *entry)
{
	struct pb_reader reader = PB_READER(entry->message.data, entry->message.len);
	struct pb_field field;
	int rc;

	while ((rc = pb_next(&reader, &field)) > 0) {
		if (field.number == MOUNT_MOUNTPOINT)
			entry->is_root = is_text(&field, "/") || is_text(&field, "./");
		else if (field.number == MOUNT_SHARED)
			entry->shared = field.value;
		else if (field.number == MOUNT_MASTER)
			entry->master = field.value;
	}
	return rc;
}

/** The mounts of an image. Returns their number, -EBADMSG or -ENOMEM. */
static ssize_t read_entries(const uint8_t *data, size_t len, struct arena *arena,
			    struct entry **ret_entries)
{
	struct image_entry *messages;
	ssize_t count = image_entries_read(data, len, MAGIC_MOUNTS, arena, &messages);
	struct entry *entries;

	if (count < 0)
		return count;
	entries = arena_array(arena, struct entry, (size_t)count + 1);
	if (!entries)
		return -ENOMEM;
	for (ssize_t i = 0; i < count; i++) {
		entries[i].message = messages[i];
		if (read_entry(&entries[i]) < 0)
			return -EBADMSG;
	}
	*ret_entries = entries;
	return count;
}

static bool is_shared_inside(const struct entry *entries, size_t count, uint64_t group)
{
	for (size_t i = 0; i < count; i++) {
		if (entries[i].shared == group)
			return true;
	}
	return false;
}

static void write_entry(const struct entry *entry, uint64_t master, struct pb_writer *writer)
{
	struct pb_reader reader = PB_READER(entry->message.data, entry->message.len);
	size_t begun = image_entry_begin(writer);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0) {
		if (field.number == MOUNT_FLAGS && entry->is_root)
			field.value &= ~(uint64_t)MS_RDONLY;
		else if (field.number == MOUNT_MASTER)
			field.value = master;
		image_field_copy(writer, &field);
	}
	image_entry_end(writer, begun);
}

int image_mounts_adapt(const uint8_t *data, size_t len, struct arena *arena, uint8_t **ret_data,
		       size_t *ret_len)
{
	struct pb_writer writer;
	struct entry *entries;
	ssize_t count = read_entries(data, len, arena, &entries);

	if (count < 0)
		return (int)count;
	if (image_entries_begin(data, len, arena, &writer) < 0)
		return -ENOMEM;
	for (ssize_t i = 0; i < count; i++) {
		uint64_t master = entries[i].master;

		if (master && !entries[i].shared &&
		    !is_shared_inside(entries, (size_t)count, master))
			master = MASTER_FIRST + (uint64_t)i;
		write_entry(&entries[i], master, &writer);
	}
	*ret_data = writer.data;
	*ret_len = writer.used;
	return writer.full ? -EBADMSG : 0;
}

int checkpoint_image_adapt_mounts(int dir_fd, struct arena *arena, struct wh_error *err)
{
	auto_dir *dir = fd_list(dir_fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return wh_fail(err, errno, "list the image's files");
	while (rc == 0 && (entry = readdir(dir))) {
		if (str_after(entry->d_name, "mountpoints-"))
			rc =
			    image_file_adapt(dir_fd, entry->d_name, image_mounts_adapt, arena, err);
	}
	return rc;
}
