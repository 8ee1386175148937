/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire format of protocol buffers (protobuf.dev/programming-guides/encoding), as far as CRIU's
 * messages need it: varints, byte strings and nested messages, written to and read from memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How a field's value is written. */
enum pb_wire_type { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

/** A message being written to memory of the caller's. */
struct pb_writer {
	uint8_t *data;
	size_t size;
	size_t used;
	bool full; /* something did not fit: nothing of the message counts */
};

/** An integer, an enum's number or a bool (0 and 1). Negative int32 are given as int64. */
void pb_write_varint(struct pb_writer *writer, uint32_t field, uint64_t value);
/** A string or bytes. */
void pb_write_bytes(struct pb_writer *writer, uint32_t field, const void *data, size_t len);
/** The same of a NUL-terminated string; NULL writes nothing. */
void pb_write_string(struct pb_writer *writer, uint32_t field, const char *text);
/** Bytes that are no field. */
void pb_write_raw(struct pb_writer *writer, const void *data, size_t len);
/** Start a nested message: what is written up to pb_end(), given this value, is in it. */
size_t pb_begin(struct pb_writer *writer, uint32_t field);
void pb_end(struct pb_writer *writer, size_t begun);

/** A message being read. */
struct pb_reader {
	const uint8_t *next;
	const uint8_t *end;
};

/** One field of a message. */
struct pb_field {
	uint32_t number;
	uint32_t wire_type;
	uint64_t value;      /* of a varint or a fixed number */
	const uint8_t *data; /* of bytes, a string or a nested message: lent from the message */
	size_t len;
};

#define PB_READER(data_, len_)                                                                     \
	((struct pb_reader){.next = (const uint8_t *)(data_),                                      \
			    .end = (const uint8_t *)(data_) + (len_)})

/** The next field. Returns 1, 0 at the end of the message, or -EBADMSG when it is malformed. */
int pb_next(struct pb_reader *reader, struct pb_field *ret_field);
