/* SPDX-License-Identifier: Apache-2.0 */
/* Field types of one value: booleans, numbers, strings, names. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "oci-spec/field.h"

static int bool_decode(struct field_context *ctx, const struct field *field,
		       const struct json_value *value, void *dest)
{
	if (value->kind != JSON_BOOL)
		return field_wrong_type(ctx, field->type->expected, value);
	*(bool *)dest = value->boolean;
	return 0;
}

static bool bool_present(const struct field *field, const void *src)
{
	return *(const bool *)src;
}

static void bool_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	json_write_bool(writer, *(const bool *)src);
}

const struct field_type field_bool = {
    .expected = "a boolean",
    .size = sizeof(bool),
    .decode = bool_decode,
    .present = bool_present,
    .encode = bool_encode,
};

/* Whether the number was written as an integer: 1.0 and 1e3 would need rounding rules that the spec
 * does not have. */
static bool is_integer(const struct json_value *value)
{
	return value->kind == JSON_NUMBER && !strpbrk(value->text, ".eE");
}

static int out_of_range(struct field_context *ctx, const struct json_value *value, int64_t min,
			uint64_t max)
{
	char quoted[JSON_QUOTE_SIZE];

	json_quote(value->text, value->text_len, quoted, sizeof(quoted));
	return field_problem(ctx, value, "must be between %" PRId64 " and %" PRIu64 ", found %s",
			     min, max, quoted);
}

/* @max: the largest value of the C type. */
static int decode_unsigned(struct field_context *ctx, const struct field *field,
			   const struct json_value *value, uint64_t max, uint64_t *ret)
{
	const struct int_range *range = field->param;
	uint64_t min = range ? (uint64_t)range->min : 0;
	uint64_t number;

	if (!is_integer(value) || value->text[0] == '-')
		return field_wrong_type(ctx, field->type->expected, value);
	if (range)
		max = range->max;
	if (str_parse_u64(value->text, UINT64_MAX, &number) < 0 || number < min || number > max)
		return out_of_range(ctx, value, (int64_t)min, max);
	*ret = number;
	return 0;
}

static int u16_decode(struct field_context *ctx, const struct field *field,
		      const struct json_value *value, void *dest)
{
	uint64_t number = 0;

	if (decode_unsigned(ctx, field, value, UINT16_MAX, &number) < 0)
		return -EINVAL;
	*(uint16_t *)dest = (uint16_t)number;
	return 0;
}

static int u32_decode(struct field_context *ctx, const struct field *field,
		      const struct json_value *value, void *dest)
{
	uint64_t number = 0;

	if (decode_unsigned(ctx, field, value, UINT32_MAX, &number) < 0)
		return -EINVAL;
	*(uint32_t *)dest = (uint32_t)number;
	return 0;
}

static int u64_decode(struct field_context *ctx, const struct field *field,
		      const struct json_value *value, void *dest)
{
	return decode_unsigned(ctx, field, value, UINT64_MAX, dest);
}

static int i64_decode(struct field_context *ctx, const struct field *field,
		      const struct json_value *value, void *dest)
{
	const struct int_range *range = field->param;
	int64_t min = range ? range->min : INT64_MIN;
	int64_t max = range ? (int64_t)range->max : INT64_MAX;
	int64_t number;

	if (!is_integer(value))
		return field_wrong_type(ctx, field->type->expected, value);
	if (str_parse_i64(value->text, &number) < 0 || number < min || number > max)
		return out_of_range(ctx, value, min, (uint64_t)max);
	*(int64_t *)dest = number;
	return 0;
}

static bool u16_present(const struct field *field, const void *src)
{
	return *(const uint16_t *)src != 0;
}

static bool u32_present(const struct field *field, const void *src)
{
	return *(const uint32_t *)src != 0;
}

static bool u64_present(const struct field *field, const void *src)
{
	return *(const uint64_t *)src != 0;
}

static bool i64_present(const struct field *field, const void *src)
{
	return *(const int64_t *)src != 0;
}

static void u16_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	json_write_u64(writer, *(const uint16_t *)src);
}

static void u32_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	json_write_u64(writer, *(const uint32_t *)src);
}

static void u64_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	json_write_u64(writer, *(const uint64_t *)src);
}

static void i64_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	json_write_i64(writer, *(const int64_t *)src);
}

const struct field_type field_u16 = {
    .expected = "an unsigned integer",
    .size = sizeof(uint16_t),
    .decode = u16_decode,
    .present = u16_present,
    .encode = u16_encode,
};

const struct field_type field_u32 = {
    .expected = "an unsigned integer",
    .size = sizeof(uint32_t),
    .decode = u32_decode,
    .present = u32_present,
    .encode = u32_encode,
};

const struct field_type field_u64 = {
    .expected = "an unsigned integer",
    .size = sizeof(uint64_t),
    .decode = u64_decode,
    .present = u64_present,
    .encode = u64_encode,
};

const struct field_type field_i64 = {
    .expected = "an integer",
    .size = sizeof(int64_t),
    .decode = i64_decode,
    .present = i64_present,
    .encode = i64_encode,
};

/* The checks that every string needs: it is one, and C can hold it. */
static int check_string(struct field_context *ctx, const struct field *field,
			const struct json_value *value)
{
	if (value->kind != JSON_STRING)
		return field_wrong_type(ctx, field->type->expected, value);
	if (memchr(value->text, '\0', value->text_len))
		return field_problem(ctx, value, "must not hold a NUL character");
	return 0;
}

static int string_decode(struct field_context *ctx, const struct field *field,
			 const struct json_value *value, void *dest)
{
	const struct string_rule *rule = field->param;
	const char *complaint;
	char quoted[JSON_QUOTE_SIZE];
	char *copy;

	if (check_string(ctx, field, value) < 0)
		return -EINVAL;
	if (rule && rule->empty_is_absent && !value->text_len)
		return 0;
	complaint = rule && rule->complaint ? rule->complaint(value->text) : NULL;
	if (complaint)
		return field_problem(
		    ctx, value, "%s, found '%s'", complaint,
		    json_quote(value->text, value->text_len, quoted, sizeof(quoted)));
	copy = arena_strndup(ctx->arena, value->text, value->text_len);
	if (!copy) {
		ctx->out_of_memory = true;
		return -EINVAL;
	}
	*(const char **)dest = copy;
	return 0;
}

static bool string_present(const struct field *field, const void *src)
{
	return *(const char *const *)src != NULL;
}

static void string_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	const char *text = *(const char *const *)src;

	json_write_string(writer, text ? text : "");
}

const struct field_type field_string = {
    .expected = "a string",
    .size = sizeof(const char *),
    .decode = string_decode,
    .present = string_present,
    .encode = string_encode,
};

static int enum_decode(struct field_context *ctx, const struct field *field,
		       const struct json_value *value, void *dest)
{
	const struct enum_type *type = field->param;
	const struct name_value *row;

	if (check_string(ctx, field, value) < 0)
		return -EINVAL;
	row = name_table_find(type->names, value->text);
	if (!row)
		return field_unknown_name(ctx, type, value);
	*(int64_t *)dest = row->value;
	return 0;
}

static void enum_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	const struct enum_type *type = field->param;

	json_write_string(writer, name_table_name(type->names, *(const int64_t *)src));
}

const struct field_type field_enum = {
    .expected = "a string",
    .size = sizeof(int64_t),
    .decode = enum_decode,
    .present = i64_present,
    .encode = enum_encode,
};

static int char_decode(struct field_context *ctx, const struct field *field,
		       const struct json_value *value, void *dest)
{
	const char *letters = field->param;
	char quoted[JSON_QUOTE_SIZE];
	char list[64] = "";
	size_t used = 0;

	if (check_string(ctx, field, value) < 0)
		return -EINVAL;
	if (value->text_len == 1 && strchr(letters, value->text[0])) {
		*(char *)dest = value->text[0];
		return 0;
	}
	for (const char *letter = letters; *letter && used + 6 < sizeof(list); letter++) {
		if (used)
			used = (size_t)(stpcpy(list + used, ", ") - list);
		list[used++] = *letter;
		list[used] = '\0';
	}
	return field_problem(ctx, value, "unknown type '%s', expected one of %s",
			     json_quote(value->text, value->text_len, quoted, sizeof(quoted)),
			     list);
}

static bool char_present(const struct field *field, const void *src)
{
	const char letter = *(const char *)src;

	return letter && letter != 'a';
}

static void char_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	const char text[2] = {*(const char *)src, '\0'};

	json_write_string(writer, text);
}

const struct field_type field_char = {
    .expected = "a string",
    .size = sizeof(char),
    .decode = char_decode,
    .present = char_present,
    .encode = char_encode,
};
