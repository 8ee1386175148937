/* SPDX-License-Identifier: Apache-2.0 */
#include "base/protobuf.h"

#include <errno.h>
#include <string.h>

/** A varint of 64 bits. */
#define VARINT_MAX_LEN 10
/** The length of a nested message is not known when it begins: room for any of 32 bits. */
#define LENGTH_LEN 5

static void put(struct pb_writer *writer, const void *data, size_t len)
{
	if (len > writer->size - writer->used) {
		writer->full = true;
		return;
	}
	if (len > 0)
		memcpy(writer->data + writer->used, data, len);
	writer->used += len;
}

static void put_varint(struct pb_writer *writer, uint64_t value)
{
	uint8_t bytes[VARINT_MAX_LEN];
	size_t len = 0;

	for (; value > 0x7f; value >>= 7)
		bytes[len++] = (uint8_t)(value | 0x80);
	bytes[len++] = (uint8_t)value;
	put(writer, bytes, len);
}

static void put_tag(struct pb_writer *writer, uint32_t field, enum pb_wire_type type)
{
	put_varint(writer, (uint64_t)field << 3 | (uint64_t)type);
}

void pb_write_varint(struct pb_writer *writer, uint32_t field, uint64_t value)
{
	put_tag(writer, field, PB_VARINT);
	put_varint(writer, value);
}

void pb_write_raw(struct pb_writer *writer, const void *data, size_t len)
{
	put(writer, data, len);
}

void pb_write_bytes(struct pb_writer *writer, uint32_t field, const void *data, size_t len)
{
	put_tag(writer, field, PB_BYTES);
	put_varint(writer, len);
	put(writer, data, len);
}

void pb_write_string(struct pb_writer *writer, uint32_t field, const char *text)
{
	if (text)
		pb_write_bytes(writer, field, text, strlen(text));
}

size_t pb_begin(struct pb_writer *writer, uint32_t field)
{
	static const uint8_t room[LENGTH_LEN];

	put_tag(writer, field, PB_BYTES);
	put(writer, room, sizeof(room));
	return writer->used;
}

/** The length in all of its room: a varint may be longer than it has to be. */
void pb_end(struct pb_writer *writer, size_t begun)
{
	size_t len = writer->used - begun;

	if (writer->full)
		return;
	for (size_t i = 0; i < LENGTH_LEN; i++, len >>= 7)
		writer->data[begun - LENGTH_LEN + i] =
		    (uint8_t)((len & 0x7f) | (i + 1 < LENGTH_LEN ? 0x80 : 0));
}

static int read_varint(struct pb_reader *reader, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < VARINT_MAX_LEN && reader->next < reader->end; i++) {
		uint8_t byte = *reader->next++;

		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		*ret = value;
		return 0;
	}
	return -EBADMSG;
}

static int read_fixed(struct pb_reader *reader, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if ((size_t)(reader->end - reader->next) < len)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++)
		value |= (uint64_t)reader->next[i] << (8 * i);
	reader->next += len;
	*ret = value;
	return 0;
}

static int read_bytes(struct pb_reader *reader, struct pb_field *field)
{
	uint64_t len;
	int rc = read_varint(reader, &len);

	if (rc < 0 || len > (uint64_t)(reader->end - reader->next))
		return -EBADMSG;
	field->data = reader->next;
	field->len = (size_t)len;
	reader->next += len;
	return 0;
}

static int read_value(struct pb_reader *reader, struct pb_field *field)
{
	switch (field->wire_type) {
	case PB_VARINT:
		return read_varint(reader, &field->value);
	case PB_FIXED64:
		return read_fixed(reader, 8, &field->value);
	case PB_BYTES:
		return read_bytes(reader, field);
	case PB_FIXED32:
		return read_fixed(reader, 4, &field->value);
	default:
		return -EBADMSG;
	}
}

int pb_next(struct pb_reader *reader, struct pb_field *ret_field)
{
	struct pb_field field = {.number = 0};
	uint64_t tag;
	int rc;

	if (reader->next == reader->end)
		return 0;
	rc = read_varint(reader, &tag);
	if (rc < 0 || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return -EBADMSG;
	field.number = (uint32_t)(tag >> 3);
	field.wire_type = (uint32_t)(tag & 7);
	rc = read_value(reader, &field);
	if (rc < 0)
		return rc;
	*ret_field = field;
	return 1;
}
