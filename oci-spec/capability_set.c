/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An array of capability names as a bit mask. A name that is unknown is a warning and kept apart:
 * the container runs without it (config.md#linux-process).
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "oci-spec/config_types.h"
#include "oci-spec/enums.h"
#include "oci-spec/types.h"

/* The bit of @name, or -1. Looked for from *@next on: engines list capabilities in the kernel's
 * order. */
static int find_capability(const char *name, size_t *next)
{
	size_t len = oci_capability_names.len;

	for (size_t i = 0; i < len; i++) {
		size_t at = *next + i < len ? *next + i : *next + i - len;

		if (streq(oci_capability_names.rows[at].name, name)) {
			*next = at + 1 < len ? at + 1 : 0;
			return (int)oci_capability_names.rows[at].value;
		}
	}
	return -1;
}

static int keep_unknown(struct field_context *ctx, const struct json_value *value,
			struct oci_capability_set *set, size_t max)
{
	char quoted[JSON_QUOTE_SIZE];

	if (!set->unknown)
		set->unknown = field_alloc(ctx, max, sizeof(*set->unknown));
	if (!set->unknown)
		return -EINVAL;
	set->unknown[set->n_unknown] = arena_strndup(ctx->arena, value->text, value->text_len);
	if (!set->unknown[set->n_unknown++]) {
		ctx->out_of_memory = true;
		return -EINVAL;
	}
	field_warn(ctx, "unknown capability '%s' is left out",
		   json_quote(value->text, value->text_len, quoted, sizeof(quoted)));
	return 0;
}

static int decode_element(struct field_context *ctx, size_t count, const struct json_value *value,
			  size_t *next, struct oci_capability_set *set)
{
	int bit;

	if (value->kind != JSON_STRING)
		return field_wrong_type(ctx, "a string", value);
	if (memchr(value->text, '\0', value->text_len))
		return field_problem(ctx, value, "must not hold a NUL character");
	bit = find_capability(value->text, next);
	if (bit < 0)
		return keep_unknown(ctx, value, set, count);
	set->mask |= 1ULL << bit;
	return 0;
}

static int capability_set_decode(struct field_context *ctx, const struct field *field,
				 const struct json_value *value, void *dest)
{
	const struct json_place *outer = ctx->place;
	struct json_place place = {.up = outer};
	size_t next = 0;
	int r = 0;

	if (value->kind != JSON_ARRAY)
		return field_wrong_type(ctx, field->type->expected, value);
	ctx->place = &place;
	for (place.value = value->first; place.value;
	     place.value = place.value->next, place.index++)
		if (decode_element(ctx, value->count, place.value, &next, dest) < 0)
			r = -EINVAL;
	ctx->place = outer;
	return r;
}

static void capability_set_encode(struct json_writer *writer, const struct field *field,
				  const void *src)
{
	const struct oci_capability_set *set = src;

	json_write_array_begin(writer);
	for (size_t i = 0; i < oci_capability_names.len; i++)
		if (set->mask & 1ULL << oci_capability_names.rows[i].value)
			json_write_string(writer, oci_capability_names.rows[i].name);
	for (size_t i = 0; i < set->n_unknown; i++)
		json_write_string(writer, set->unknown[i]);
	json_write_array_end(writer);
}

const struct field_type field_capability_set = {
    .expected = "an array",
    .size = sizeof(struct oci_capability_set),
    .decode = capability_set_decode,
    .encode = capability_set_encode,
};
