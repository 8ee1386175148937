/* SPDX-License-Identifier: Apache-2.0 */
/* CRIU's image of open files, as far as it is changed here: what a restored container gets from its caller. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "base/str.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/checkpoint/image_entries.h"

#define MAGIC_FILES 0x56303138U
#define FILES_IMAGE "files.img"

/** The fields that matter here: of an open file of any kind, and of a regular one. */
enum { FILE_REGULAR = 3 };
enum {
	REGULAR_FLAGS = 2,
	REGULAR_POSITION = 3,
	REGULAR_SIZE = 8,
	REGULAR_EXTERNAL = 9,
	REGULAR_MODE = 10
};

/** CRIU seeks in no file whose position is this. */
#define NO_POSITION UINT64_MAX

struct regular {
	bool external; /* the caller's: see checkpoint_streams_find() */
	bool written;  /* open for writing */
};

static int read_regular(const struct pb_field *outer, struct regular *ret)
{
	struct pb_reader reader = PB_READER(outer->data, outer->len);
	struct pb_field field;
	int rc;

	while ((rc = pb_next(&reader, &field)) > 0) {
		if (field.number == REGULAR_EXTERNAL)
			ret->external = field.value != 0;
		else if (field.number == REGULAR_FLAGS)
			ret->written = (field.value & O_ACCMODE) != O_RDONLY;
	}
	return rc;
}

static void write_external(const struct pb_field *outer, bool written, struct pb_writer *writer)
{
	struct pb_reader reader = PB_READER(outer->data, outer->len);
	size_t begun = pb_begin(writer, outer->number);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0) {
		if (field.number == REGULAR_SIZE || field.number == REGULAR_MODE)
			continue;
		if (field.number == REGULAR_POSITION && written)
			pb_write_varint(writer, field.number, NO_POSITION);
		else
			image_field_copy(writer, &field);
	}
	pb_end(writer, begun);
}

static int adapt_entry(const struct image_entry *entry, struct pb_writer *writer)
{
	struct pb_reader reader = PB_READER(entry->data, entry->len);
	size_t begun = image_entry_begin(writer);
	struct pb_field field;
	int rc;

	while ((rc = pb_next(&reader, &field)) > 0) {
		struct regular regular = {.external = false};

		if (field.number == FILE_REGULAR && read_regular(&field, &regular) < 0)
			return -EBADMSG;
		if (regular.external)
			write_external(&field, regular.written, writer);
		else
			image_field_copy(writer, &field);
	}
	image_entry_end(writer, begun);
	return rc;
}

int image_streams_adapt(const uint8_t *data, size_t len, struct arena *arena, uint8_t **ret_data,
			size_t *ret_len)
{
	struct image_entry *entries;
	struct pb_writer writer;
	ssize_t count = image_entries_read(data, len, MAGIC_FILES, arena, &entries);
	int rc = count < 0 ? (int)count : image_entries_begin(data, len, arena, &writer);

	for (ssize_t i = 0; rc == 0 && i < count; i++)
		rc = adapt_entry(&entries[i], &writer);
	if (rc < 0)
		return rc;
	*ret_data = writer.data;
	*ret_len = writer.used;
	return writer.full ? -EBADMSG : 0;
}

int checkpoint_image_adapt_streams(int dir_fd, const struct checkpoint_image *image,
				   struct arena *arena, struct wh_error *err)
{
	for (size_t i = 0; i < image->n_stdio; i++) {
		if (str_after(image->stdio[i], "file["))
			return image_file_adapt(dir_fd, FILES_IMAGE, image_streams_adapt, arena,
						err);
	}
	return 0;
}
