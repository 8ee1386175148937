/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/image_entries.h"

#include <errno.h>

#include "base/file.h"

#define MAGIC_COMMON 0x54564319U
#define HEADER_SIZE  8
/** Some hundred thousand open files. */
#define FILE_MAX (64UL << 20)

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

/** How many messages there are, or -EBADMSG. */
static ssize_t count_entries(const uint8_t *data, size_t len, uint32_t magic)
{
	size_t at = HEADER_SIZE;
	ssize_t count = 0;

	if (len < at || load_u32(data) != MAGIC_COMMON || load_u32(data + 4) != magic)
		return -EBADMSG;
	for (; at < len; count++) {
		if (len - at < 4 || load_u32(data + at) > len - at - 4)
			return -EBADMSG;
		at += 4 + load_u32(data + at);
	}
	return count;
}

ssize_t image_entries_read(const uint8_t *data, size_t len, uint32_t magic, struct arena *arena,
			   struct image_entry **ret_entries)
{
	ssize_t count = count_entries(data, len, magic);
	const uint8_t *at = data + HEADER_SIZE;
	struct image_entry *entries;

	if (count < 0)
		return count;
	entries = arena_array(arena, struct image_entry, (size_t)count + 1);
	if (!entries)
		return -ENOMEM;
	for (ssize_t i = 0; i < count; i++) {
		entries[i] = (struct image_entry){.data = at + 4, .len = load_u32(at)};
		at += 4 + entries[i].len;
	}
	*ret_entries = entries;
	return count;
}

int image_entries_begin(const uint8_t *data, size_t len, struct arena *arena,
			struct pb_writer *ret_writer)
{
	*ret_writer = (struct pb_writer){.size = len * 2 + 64};
	ret_writer->data = arena_alloc(arena, ret_writer->size);
	if (!ret_writer->data)
		return -ENOMEM;
	pb_write_raw(ret_writer, data, HEADER_SIZE);
	return 0;
}

void image_header_write(struct pb_writer *writer, uint32_t magic)
{
	uint8_t header[HEADER_SIZE];

	store_u32(header, MAGIC_COMMON);
	store_u32(header + 4, magic);
	pb_write_raw(writer, header, sizeof(header));
}

size_t image_entry_begin(struct pb_writer *writer)
{
	size_t begun = writer->used;

	pb_write_raw(writer, "\0\0\0\0", 4);
	return begun;
}

void image_entry_end(struct pb_writer *writer, size_t begun)
{
	if (!writer->full)
		store_u32(writer->data + begun, writer->used - begun - 4);
}

void image_field_copy(struct pb_writer *writer, const struct pb_field *field)
{
	if (field->wire_type == PB_BYTES)
		pb_write_bytes(writer, field->number, field->data, field->len);
	else if (field->wire_type == PB_VARINT)
		pb_write_varint(writer, field->number, field->value);
	else
		writer->full = true;
}

int image_file_adapt(int dir_fd, const char *name, image_adapt_fn adapt, struct arena *arena,
		     struct wh_error *err)
{
	uint8_t *adapted;
	size_t adapted_len;
	char *data;
	size_t len;
	int rc = file_read(dir_fd, name, FILE_MAX, arena, &data, &len, err);

	if (rc < 0)
		return rc;
	rc = adapt((const uint8_t *)data, len, arena, &adapted, &adapted_len);
	if (rc < 0)
		return wh_fail(err, -rc, "read '%s' of the image", name);
	return file_replace(dir_fd, name, adapted, adapted_len, 0600, err);
}
