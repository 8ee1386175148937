/* SPDX-License-Identifier: Apache-2.0 */
/* CRIU's image of a mount namespace, as far as it is changed here: its format is that of CRIU's crit. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/protobuf.h"
#include "base/str.h"
#include "libcontainer/checkpoint_image.h"

#define IMAGE_MAGIC_COMMON 0x54564319U
#define IMAGE_MAGIC_MOUNTS 0x55563928U

/** The fields of a mount that matter here. */
enum { MOUNT_FLAGS = 5, MOUNT_MOUNTPOINT = 7 };

static uint32_t load_u32(const uint8_t *data)
{
	return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
	       (uint32_t)data[3] << 24;
}

static bool is_text(const struct pb_field *field, const char *text)
{
	return field->len == strlen(text) && memcmp(field->data, text, field->len) == 0;
}

/** MS_RDONLY is the lowest bit, so that the varint's first byte holds it. */
static int unlock_mount(uint8_t *entry, size_t len)
{
	struct pb_reader reader = PB_READER(entry, len);
	struct pb_field field;
	uint8_t *flags = NULL;
	bool is_root = false;
	int rc;

	while ((rc = pb_next(&reader, &field)) > 0) {
		if (field.number == MOUNT_FLAGS)
			flags = entry + (field.start - entry);
		else if (field.number == MOUNT_MOUNTPOINT)
			is_root = is_text(&field, "/") || is_text(&field, "./");
	}
	if (rc < 0)
		return rc;
	if (!is_root || !flags || !(*flags & MS_RDONLY))
		return 0;
	*flags = (uint8_t)(*flags & ~MS_RDONLY);
	return 1;
}

int image_mounts_unlock_root(uint8_t *data, size_t len)
{
	size_t at = 8;
	int changed = 0;

	if (len < at || load_u32(data) != IMAGE_MAGIC_COMMON ||
	    load_u32(data + 4) != IMAGE_MAGIC_MOUNTS)
		return -EBADMSG;
	while (at < len) {
		size_t entry_len;
		int rc;

		if (len - at < 4)
			return -EBADMSG;
		entry_len = load_u32(data + at);
		at += 4;
		if (entry_len > len - at)
			return -EBADMSG;
		rc = unlock_mount(data + at, entry_len);
		if (rc < 0)
			return rc;
		changed |= rc;
		at += entry_len;
	}
	return changed;
}

static int unlock_file(int dir_fd, const char *name, struct wh_error *err)
{
	auto_fd fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	uint8_t *data;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return wh_fail(err, errno, "open '%s' of the image", name);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return wh_fail(err, errno, "map '%s' of the image", name);
	rc = image_mounts_unlock_root(data, (size_t)st.st_size);
	munmap(data, (size_t)st.st_size);
	return rc < 0 ? wh_fail(err, -rc, "read '%s' of the image", name) : 0;
}

int checkpoint_image_unlock_root(int dir_fd, struct wh_error *err)
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
			rc = unlock_file(dir_fd, entry->d_name, err);
	}
	return rc;
}
