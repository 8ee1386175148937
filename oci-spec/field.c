/* SPDX-License-Identifier: Apache-2.0 */
/* Walking objects by their field tables, both ways, and naming what is wrong with them. */
#include "oci-spec/field.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void *field_alloc(struct field_context *ctx, size_t count, size_t size)
{
	/* An empty list is not an absent one: never NULL for zero elements. */
	void *memory = arena_calloc(ctx->arena, count ? count : 1, size);

	if (!memory)
		ctx->out_of_memory = true;
	return memory;
}

size_t field_size(const struct field *field)
{
	const struct object_type *object = field->param;

	return field->type->size ? field->type->size : object->size;
}

__attribute__((format(printf, 5, 0))) static void
add_problem(struct field_context *ctx, enum problem_severity severity,
	    const struct json_place *place, size_t offset, const char *fmt, va_list args)
{
	char text[768];
	char where[JSON_PLACE_SIZE];
	unsigned int line, column;

	if (problems_full(ctx->problems, severity)) {
		problems_count(ctx->problems, severity);
		return;
	}
	/* Every caller has started it. NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
	vsnprintf(text, sizeof(text), fmt, args);
	json_place_text(place, where, sizeof(where));
	json_position(ctx->doc, offset, &line, &column);
	problems_add_at(ctx->problems, severity, offset, "%s:%u:%u: %s%s%s", ctx->doc->name, line,
			column, where, where[0] ? ": " : "", text);
}

int field_problem(struct field_context *ctx, const struct json_value *value, const char *fmt, ...)
{
	va_list args;

	if (!value)
		value = ctx->place->value;
	va_start(args, fmt);
	add_problem(ctx, PROBLEM_ERROR, ctx->place, value->offset, fmt, args);
	va_end(args);
	return -EINVAL;
}

void field_warn(struct field_context *ctx, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_problem(ctx, PROBLEM_WARNING, ctx->place, ctx->place->value->offset, fmt, args);
	va_end(args);
}

__attribute__((format(printf, 5, 0))) static void
add_member_problem(struct field_context *ctx, enum problem_severity severity,
		   const struct json_value *object, const char *name, const char *fmt, va_list args)
{
	const struct json_value *member = json_member(object, name);
	struct json_value absent = {.key = name, .key_len = strlen(name), .offset = object->offset};
	struct json_place place = {.up = ctx->place, .value = member ? member : &absent};

	add_problem(ctx, severity, &place, place.value->offset, fmt, args);
}

void field_problem_member(struct field_context *ctx, const struct json_value *object,
			  const char *name, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_member_problem(ctx, PROBLEM_ERROR, object, name, fmt, args);
	va_end(args);
}

void field_warn_member(struct field_context *ctx, const struct json_value *object, const char *name,
		       const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_member_problem(ctx, PROBLEM_WARNING, object, name, fmt, args);
	va_end(args);
}

int field_wrong_type(struct field_context *ctx, const char *expected,
		     const struct json_value *value)
{
	char quoted[JSON_QUOTE_SIZE];

	if (value->kind == JSON_NUMBER)
		return field_problem(
		    ctx, value, "expected %s, found %s", expected,
		    json_quote(value->text, value->text_len, quoted, sizeof(quoted)));
	return field_problem(ctx, value, "expected %s, found %s", expected,
			     json_kind_name(value->kind));
}

bool field_in_document(const struct json_value *object, const char *name)
{
	const struct json_value *member = json_member(object, name);

	return member && member->kind != JSON_NULL;
}

int field_decode_at(struct field_context *ctx, const struct field *field,
		    const struct json_place *place, void *dest)
{
	const struct json_place *outer = ctx->place;
	int r;

	ctx->place = place;
	r = field->type->decode(ctx, field, place->value, dest);
	ctx->place = outer;
	return r;
}

int field_decode(struct field_context *ctx, const struct field *field,
		 const struct json_value *value, void *base)
{
	struct json_place place = {.up = ctx->place, .value = value};
	void *member = (char *)base + field->offset;
	void *target;
	int r;

	if (!(field->flags & FIELD_POINTER))
		return field_decode_at(ctx, field, &place, member);
	target = field_alloc(ctx, 1, field_size(field));
	if (!target)
		return -EINVAL;
	r = field_decode_at(ctx, field, &place, target);
	if (r == 0)
		*(void **)member = target;
	return r;
}

/* The row of @member; looked for from @next on, because documents mostly keep the order of the
 * table. */
static size_t find_field(const struct object_type *type, const struct json_value *member,
			 size_t next)
{
	for (size_t i = 0; i < type->n_fields; i++) {
		size_t at = next + i < type->n_fields ? next + i : next + i - type->n_fields;
		const char *name = type->fields[at].name;

		if (strncmp(name, member->key, member->key_len) == 0 && !name[member->key_len])
			return at;
	}
	return type->n_fields;
}

/*
 * Unknown properties are ignored (config.md, Extensibility). But runtimes written in Go take a name
 * in any case, so that a document may have worked with "readOnly": that one is worth a warning.
 */
static void warn_other_case(struct field_context *ctx, const struct object_type *type,
			    const struct json_value *member)
{
	struct json_place place = {.up = ctx->place, .value = member};
	const struct json_place *outer = ctx->place;

	for (size_t i = 0; i < type->n_fields; i++) {
		const char *name = type->fields[i].name;

		if (strlen(name) != member->key_len ||
		    strncasecmp(name, member->key, member->key_len) != 0)
			continue;
		ctx->place = &place;
		field_warn(ctx, "unknown, and so ignored; the property is spelt '%s'", name);
		ctx->place = outer;
	}
}

static int missing(struct field_context *ctx, const struct json_value *object, const char *name)
{
	field_problem_member(ctx, object, name, "missing required property");
	return -EINVAL;
}

static int object_decode(struct field_context *ctx, const struct field *field,
			 const struct json_value *value, void *dest)
{
	const struct object_type *type = field->param;
	uint64_t seen = 0;
	size_t next = 0;
	int r = 0;

	if (value->kind != JSON_OBJECT)
		return field_wrong_type(ctx, "an object", value);
	for (const struct json_value *m = value->first; m; m = m->next) {
		size_t at = find_field(type, m, next);

		if (at == type->n_fields) {
			warn_other_case(ctx, type, m);
			continue;
		}
		next = at + 1 < type->n_fields ? at + 1 : 0;
		/* null is the same as absent, unless the property has to be there. */
		if (m->kind == JSON_NULL && !(type->fields[at].flags & FIELD_REQUIRED))
			continue;
		seen |= 1ULL << at;
		if (field_decode(ctx, &type->fields[at], m, dest) < 0)
			r = -EINVAL;
	}
	for (size_t i = 0; i < type->n_fields; i++)
		if ((type->fields[i].flags & FIELD_REQUIRED) && !(seen & 1ULL << i))
			r = missing(ctx, value, type->fields[i].name);
	if (type->check && (r == 0 || type->check_always))
		type->check(ctx, value, dest);
	return r;
}

static void object_encode(struct json_writer *writer, const struct field *field, const void *src)
{
	field_encode_object(writer, field->param, src);
}

const struct field_type field_object = {
    .expected = "an object",
    .decode = object_decode,
    .encode = object_encode,
};

void field_encode(struct json_writer *writer, const struct field *field, const void *base)
{
	const void *member = (const char *)base + field->offset;

	field->type->encode(writer, field,
			    field->flags & FIELD_POINTER ? *(const void *const *)member : member);
}

static bool is_written(const struct field *field, const void *base)
{
	const void *member = (const char *)base + field->offset;

	if (field->flags & FIELD_POINTER)
		return *(const void *const *)member != NULL;
	if (field->flags & (FIELD_REQUIRED | FIELD_ALWAYS) || !field->type->present)
		return true;
	return field->type->present(field, member);
}

void field_encode_object(struct json_writer *writer, const struct object_type *type,
			 const void *src)
{
	json_write_object_begin(writer);
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct field *field = &type->fields[i];

		if (!is_written(field, src))
			continue;
		json_write_key(writer, field->name);
		field_encode(writer, field, src);
	}
	json_write_object_end(writer);
}

int field_encode_document(const struct object_type *type, const void *src, const char *indent,
			  struct arena *arena, const char **ret_json, size_t *ret_len,
			  struct wh_error *err)
{
	struct json_writer writer;

	json_writer_init(&writer, indent);
	field_encode_object(&writer, type, src);
	return json_writer_finish(&writer, arena, ret_json, ret_len, err);
}

/* The tree lives in @tree_arena only for as long as this runs. What went wrong is in the problems.
 */
static void decode_text(const struct field_document *document, const struct field *root,
			struct arena *tree_arena, struct json_document *doc,
			struct field_context *ctx, void *dest)
{
	struct json_place place;

	if (json_parse(document->name, document->text, document->len, document->max_depth,
		       tree_arena, ctx->problems, doc) < 0)
		return;
	place = (struct json_place){.value = doc->root};
	field_decode_at(ctx, root, &place, dest);
}

static int decode_document(const struct field_document *document, const struct field *root,
			   struct arena *arena, struct problems *problems, void *dest,
			   struct wh_error *err)
{
	struct json_document doc = {.name = document->name};
	struct field_context ctx = {
	    .arena = arena, .problems = problems, .doc = &doc, .partial = document->partial};
	struct arena tree_arena = {.fd = -EBADF};
	int r;

	if (document->len > document->max_size) {
		problems_add(problems, PROBLEM_ERROR, "%s: is larger than %zu bytes",
			     document->name, document->max_size);
		return problems_to_error(problems, err);
	}
	r = arena_init(&tree_arena, err);
	if (r < 0)
		return r;
	decode_text(document, root, &tree_arena, &doc, &ctx, dest);
	arena_done(&tree_arena);
	if (ctx.out_of_memory)
		return wh_oom(err);
	problems_sort(problems);
	return problems_to_error(problems, err);
}

int field_decode_document(const struct field_document *document, const struct object_type *type,
			  struct arena *arena, struct problems *problems, void *dest,
			  struct wh_error *err)
{
	const struct field root = {.type = &field_object, .param = type};

	return decode_document(document, &root, arena, problems, dest, err);
}

int field_decode_list_document(const struct field_document *document, const struct field *list,
			       struct arena *arena, struct problems *problems, void *base,
			       struct wh_error *err)
{
	return decode_document(document, list, arena, problems, (char *)base + list->offset, err);
}
