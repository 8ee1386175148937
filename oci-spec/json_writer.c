/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/json_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/utf8.h"

/**
 * yajl's generator allocates twice, both when it is made, and takes for granted that it gets the memory.
 * There is room for both in the writer; of the text the generator keeps nothing, append() does.
 */
static void *allocate(void *ctx, size_t size)
{
	struct json_writer *writer = ctx;
	size_t slots = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t);
	void *block = writer->memory + writer->memory_used;

	assert(slots <= ARRAY_LEN(writer->memory) - writer->memory_used);
	writer->memory_used += slots;
	return block;
}

static void *reallocate(void *ctx, void *old, size_t size)
{
	return NULL; /* what grows is the text */
}

static void release(void *ctx, void *block)
{
}

static void append(void *ctx, const char *text, size_t len)
{
	struct json_writer *writer = ctx;

	if (writer->failed)
		return;
	if (len > writer->room - writer->len) {
		size_t room = writer->room * 2 + len + 512;
		char *larger = realloc(writer->text, room);

		if (!larger) {
			writer->failed = true;
			return;
		}
		writer->text = larger;
		writer->room = room;
	}
	memcpy(writer->text + writer->len, text, len);
	writer->len += len;
}

void json_writer_init(struct json_writer *writer, const char *indent)
{
	yajl_alloc_funcs funcs = {
	    .malloc = allocate, .realloc = reallocate, .free = release, .ctx = writer};

	*writer = (struct json_writer){.pretty = indent != NULL};
	writer->gen = yajl_gen_alloc(&funcs);
	yajl_gen_config(writer->gen, yajl_gen_print_callback, append, writer);
	if (indent) {
		yajl_gen_config(writer->gen, yajl_gen_beautify, 1);
		yajl_gen_config(writer->gen, yajl_gen_indent_string, indent);
	}
}

int json_writer_finish(struct json_writer *writer, struct arena *arena, const char **ret_json,
		       size_t *ret_len, struct wh_error *err)
{
	char *copy = writer->failed ? NULL : arena_alloc(arena, writer->len + 1);

	/* yajl ends an indented text with a newline, and any other without one */
	if (copy)
		memcpy(copy, writer->text,
		       writer->len); /* the arena's memory is zero: a NUL follows */
	free(writer->text);
	writer->text = NULL;
	if (!copy)
		return wh_oom(err);
	*ret_json = copy;
	*ret_len = writer->len;
	return 0;
}

static void check(struct json_writer *writer, yajl_gen_status status)
{
	if (status != yajl_gen_status_ok)
		writer->failed = true;
}

/* Something follows the open bracket: now it is certain that it does not close at once. */
static void open_pending(struct json_writer *writer)
{
	char pending = writer->pending;

	writer->pending = 0;
	if (pending && !writer->failed)
		check(writer, pending == '{' ? yajl_gen_map_open(writer->gen)
					     : yajl_gen_array_open(writer->gen));
}

static void open_bracket(struct json_writer *writer, char bracket)
{
	open_pending(writer);
	writer->pending = bracket;
}

/* yajl would spread an empty pair over three lines; as a ready-made token it stays "[]". */
static void close_bracket(struct json_writer *writer, const char *empty)
{
	if (writer->failed)
		return;
	if (writer->pending) {
		writer->pending = 0;
		check(writer, yajl_gen_number(writer->gen, empty, 2));
		return;
	}
	check(writer, empty[0] == '{' ? yajl_gen_map_close(writer->gen)
				      : yajl_gen_array_close(writer->gen));
}

void json_write_object_begin(struct json_writer *writer)
{
	open_bracket(writer, '{');
}

void json_write_object_end(struct json_writer *writer)
{
	close_bracket(writer, "{}");
}

void json_write_array_begin(struct json_writer *writer)
{
	open_bracket(writer, '[');
}

void json_write_array_end(struct json_writer *writer)
{
	close_bracket(writer, "[]");
}

void json_write_key(struct json_writer *writer, const char *key)
{
	json_write_string(writer, key);
}

/* Paths are bytes, JSON is UTF-8: each byte that fits nowhere becomes U+FFFD. */
static char *replace_invalid(const char *text, size_t len)
{
	char *fixed = malloc(len * 3 + 1);
	size_t used = 0;

	while (fixed && len) {
		size_t valid = utf8_invalid(text, len);

		memcpy(fixed + used, text, valid);
		used += valid;
		text += valid;
		len -= valid;
		if (!len)
			break;
		memcpy(fixed + used, "\xef\xbf\xbd", 3);
		used += 3;
		text++;
		len--;
	}
	if (fixed)
		fixed[used] = '\0';
	return fixed;
}

void json_write_string(struct json_writer *writer, const char *text)
{
	auto_free char *fixed = NULL;
	size_t len;

	open_pending(writer);
	if (writer->failed)
		return;
	if (!text) {
		check(writer, yajl_gen_null(writer->gen));
		return;
	}
	len = strlen(text);
	if (utf8_invalid(text, len) != len) {
		fixed = replace_invalid(text, len);
		if (!fixed) {
			writer->failed = true;
			return;
		}
		text = fixed;
		len = strlen(text);
	}
	check(writer, yajl_gen_string(writer->gen, (const unsigned char *)text, len));
}

void json_write_bool(struct json_writer *writer, bool value)
{
	open_pending(writer);
	if (!writer->failed)
		check(writer, yajl_gen_bool(writer->gen, value));
}

static void write_number(struct json_writer *writer, const char *text, int len)
{
	open_pending(writer);
	if (!writer->failed)
		check(writer, yajl_gen_number(writer->gen, text, (size_t)len));
}

void json_write_i64(struct json_writer *writer, int64_t value)
{
	char text[24];

	write_number(writer, text, snprintf(text, sizeof(text), "%" PRId64, value));
}

/* yajl_gen_integer() ends at 2^63: limits and seccomp values go further. */
void json_write_u64(struct json_writer *writer, uint64_t value)
{
	char text[24];

	write_number(writer, text, snprintf(text, sizeof(text), "%" PRIu64, value));
}

void json_write_hundredths(struct json_writer *writer, uint64_t hundredths)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%" PRIu64 ".%02u", hundredths / 100,
			   (unsigned int)(hundredths % 100));

	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	write_number(writer, text, len);
}
