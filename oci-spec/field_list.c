/* SPDX-License-Identifier: Apache-2.0 */
/* Field types of many values: arrays, maps, flags. */
#include <errno.h>
#include <string.h>

#include "oci-spec/field.h"

const struct field field_string_element = {.type = &field_string};

/* The other member of a list, map or flags field, reached from the first one. */
static void *companion(const struct field *field, const void *member)
{
	return (char *)(uintptr_t)member - field->offset + field->count_offset;
}

static int list_decode(struct field_context *ctx, const struct field *field,
		       const struct json_value *value, void *dest)
{
	const struct field *element = field->param;
	size_t size = field_size(element);
	struct json_place place = {.up = ctx->place};
	char *elements;
	int r = 0;

	if (value->kind != JSON_ARRAY)
		return field_wrong_type(ctx, field->type->expected, value);
	elements = field_alloc(ctx, value->count, size);
	if (!elements)
		return -EINVAL;
	for (place.value = value->first; place.value;
	     place.value = place.value->next, place.index++)
		if (field_decode_at(ctx, element, &place, elements + place.index * size) < 0)
			r = -EINVAL;
	*(void **)dest = elements;
	*(size_t *)companion(field, dest) = value->count;
	return r;
}

static bool list_present(const struct field *field, const void *src)
{
	return *(const void *const *)src != NULL;
}

static void list_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	const struct field *element = field->param;
	size_t size = field_size(element);
	size_t count = *(const size_t *)companion(field, src);
	const char *elements = *(const char *const *)src;

	json_write_array_begin(writer);
	for (size_t i = 0; i < count; i++)
		element->type->encode(writer, element, elements + i * size);
	json_write_array_end(writer);
}

const struct field_type field_list = {
    .expected = "an array",
    .size = sizeof(void *),
    .decode = list_decode,
    .present = list_present,
    .encode = list_encode,
};

/* A key is decoded as if it were a string value that stands where the key does. */
static int decode_key(struct field_context *ctx, const struct map_type *type,
		      const struct json_value *member, char *entry)
{
	const struct json_value key = {
	    .kind = JSON_STRING,
	    .text = member->key,
	    .text_len = member->key_len,
	    .offset = member->key_offset,
	};

	return type->key.type->decode(ctx, &type->key, &key, entry + type->key.offset);
}

static int map_decode(struct field_context *ctx, const struct field *field,
		      const struct json_value *value, void *dest)
{
	const struct map_type *type = field->param;
	char *entries, *entry;
	int r = 0;

	if (value->kind != JSON_OBJECT)
		return field_wrong_type(ctx, field->type->expected, value);
	entries = field_alloc(ctx, value->count, type->size);
	if (!entries)
		return -EINVAL;
	entry = entries;
	for (const struct json_value *m = value->first; m; m = m->next, entry += type->size) {
		if (decode_key(ctx, type, m, entry) < 0 ||
		    field_decode(ctx, &type->value, m, entry) < 0)
			r = -EINVAL;
	}
	*(void **)dest = entries;
	*(size_t *)companion(field, dest) = value->count;
	return r;
}

static void map_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	const struct map_type *type = field->param;
	size_t count = *(const size_t *)companion(field, src);
	const char *entry = *(const char *const *)src;

	json_write_object_begin(writer);
	for (size_t i = 0; i < count; i++, entry += type->size) {
		/* A key is written as any string is; the generator sees to the colon. */
		type->key.type->encode(writer, &type->key, entry + type->key.offset);
		field_encode(writer, &type->value, entry);
	}
	json_write_object_end(writer);
}

const struct field_type field_map = {
    .expected = "an object",
    .size = sizeof(void *),
    .decode = map_decode,
    .present = list_present,
    .encode = map_encode,
};

static int flags_decode(struct field_context *ctx, const struct field *field,
			const struct json_value *value, void *dest)
{
	const struct field element = {.type = &field_enum, .param = field->param};
	struct json_place place = {.up = ctx->place};
	uint64_t flags = 0;
	int r = 0;

	if (value->kind != JSON_ARRAY)
		return field_wrong_type(ctx, field->type->expected, value);
	for (place.value = value->first; place.value;
	     place.value = place.value->next, place.index++) {
		int64_t flag = 0;

		if (field_decode_at(ctx, &element, &place, &flag) < 0)
			r = -EINVAL;
		flags |= (uint64_t)flag;
	}
	*(uint64_t *)dest = flags;
	*(bool *)companion(field, dest) = true;
	return r;
}

static bool flags_present(const struct field *field, const void *src)
{
	return *(const bool *)companion(field, src);
}

static void flags_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	const struct enum_type *type = field->param;
	uint64_t flags = *(const uint64_t *)src;

	json_write_array_begin(writer);
	for (size_t i = 0; i < type->names->len; i++)
		if (flags & (uint64_t)type->names->rows[i].value)
			json_write_string(writer, type->names->rows[i].name);
	json_write_array_end(writer);
}

const struct field_type field_flags = {
    .expected = "an array",
    .size = sizeof(uint64_t),
    .decode = flags_decode,
    .present = flags_present,
    .encode = flags_encode,
};
