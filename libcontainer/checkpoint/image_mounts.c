/* SPDX-License-Identifier: Apache-2.0 */
/* CRIU's image of a mount namespace, as far as it is changed here: its format is that of CRIU's crit. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/protobuf.h"
#include "base/str.h"
#include "libcontainer/checkpoint/image.h"

#define IMAGE_MAGIC_COMMON 0x54564319U
#define IMAGE_MAGIC_MOUNTS 0x55563928U
#define IMAGE_HEADER_SIZE  8
#define MOUNTS_MAX         (16UL << 20)

/** The fields of a mount that matter here. */
enum { MOUNT_FLAGS = 5, MOUNT_MOUNTPOINT = 7, MOUNT_SHARED = 10, MOUNT_MASTER = 11 };

/** The first of the numbers that peer groups of the host get: the kernel counts from 1. */
#define MASTER_FIRST 1000000U

/** One mount of the image. */
struct entry {
	const uint8_t *data;
	size_t len;
	bool is_root;
	uint64_t shared;
	uint64_t master;
};

static uint32_t load_u32(const uint8_t *data)
{
	return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
	       (uint32_t)data[3] << 24;
}

static void store_u32(uint8_t *data, size_t value)
{
	for (size_t i = 0; i < 4; i++)
		data[i] = (uint8_t)(value >> (8 * i));
}

static bool is_text(const struct pb_field *field, const char *text)
{
	return field->len == strlen(text) && memcmp(field->data, text, field->len) == 0;
}

static int read_entry(struct entry *entry)
{
	struct pb_reader reader = PB_READER(entry->data, entry->len);
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

/** Entries follow each other, each after its length. Returns their number or -EBADMSG. */
static ssize_t read_entries(const uint8_t *data, size_t len, struct arena *arena,
			    struct entry **ret_entries)
{
	size_t room = len / 4 + 1;
	struct entry *entries = arena_array(arena, struct entry, room);
	size_t at = IMAGE_HEADER_SIZE;
	size_t count = 0;

	if (!entries)
		return -ENOMEM;
	if (len < at || load_u32(data) != IMAGE_MAGIC_COMMON ||
	    load_u32(data + 4) != IMAGE_MAGIC_MOUNTS)
		return -EBADMSG;
	while (at < len) {
		struct entry *entry = &entries[count++];

		if (len - at < 4 || load_u32(data + at) > len - at - 4)
			return -EBADMSG;
		entry->len = load_u32(data + at);
		entry->data = data + at + 4;
		at += 4 + entry->len;
		if (read_entry(entry) < 0)
			return -EBADMSG;
	}
	*ret_entries = entries;
	return (ssize_t)count;
}

static bool is_shared_inside(const struct entry *entries, size_t count, uint64_t group)
{
	for (size_t i = 0; i < count; i++) {
		if (entries[i].shared == group)
			return true;
	}
	return false;
}

static void copy_field(const struct pb_field *field, const struct entry *entry, uint64_t master,
		       struct pb_writer *writer)
{
	switch (field->wire_type) {
	case PB_BYTES:
		pb_write_bytes(writer, field->number, field->data, field->len);
		return;
	case PB_VARINT:
		break;
	default:
		writer->full = true; /* no such field is known: better no image than a wrong one */
		return;
	}
	if (field->number == MOUNT_FLAGS && entry->is_root)
		pb_write_varint(writer, field->number, field->value & ~(uint64_t)MS_RDONLY);
	else if (field->number == MOUNT_MASTER)
		pb_write_varint(writer, field->number, master);
	else
		pb_write_varint(writer, field->number, field->value);
}

static void write_entry(const struct entry *entry, uint64_t master, struct pb_writer *writer)
{
	struct pb_reader reader = PB_READER(entry->data, entry->len);
	size_t length_at = writer->used;
	struct pb_field field;

	pb_write_raw(writer, "\0\0\0\0", 4);
	while (pb_next(&reader, &field) > 0)
		copy_field(&field, entry, master, writer);
	if (!writer->full)
		store_u32(writer->data + length_at, writer->used - length_at - 4);
}

int image_mounts_adapt(const uint8_t *data, size_t len, struct arena *arena, uint8_t **ret_data,
		       size_t *ret_len)
{
	struct pb_writer writer = {.size = len * 2 + 64};
	struct entry *entries;
	ssize_t count = read_entries(data, len, arena, &entries);

	if (count < 0)
		return (int)count;
	writer.data = arena_alloc(arena, writer.size);
	if (!writer.data)
		return -ENOMEM;
	pb_write_raw(&writer, data, IMAGE_HEADER_SIZE);
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

static int adapt_file(int dir_fd, const char *name, struct arena *arena, struct wh_error *err)
{
	uint8_t *adapted;
	size_t adapted_len;
	char *data;
	size_t len;
	int rc = file_read(dir_fd, name, MOUNTS_MAX, arena, &data, &len, err);

	if (rc < 0)
		return rc;
	rc = image_mounts_adapt((const uint8_t *)data, len, arena, &adapted, &adapted_len);
	if (rc < 0)
		return wh_fail(err, -rc, "read '%s' of the image", name);
	return file_replace(dir_fd, name, adapted, adapted_len, 0600, err);
}

int checkpoint_image_adapt_mounts(int dir_fd, struct arena *arena, struct wh_error *err)
{
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int rc = 0;

	if (!dir) {
		fd_close(copy);
		return wh_fail(err, errno, "list the image's files");
	}
	while (rc == 0 && (entry = readdir(dir))) {
		if (str_after(entry->d_name, "mountpoints-"))
			rc = adapt_file(dir_fd, entry->d_name, arena, err);
	}
	return rc;
}
