/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yajl finds the tokens; this file bounds them (depth, number of values, size), links them into a
 * tree, remembers where each one began, and refuses what yajl lets pass: duplicate keys, and \u
 * escapes of half a character.
 *
 * The text is copied once and strings end in that copy: the closing quote, which the lexer has left
 * behind when it reports a string, becomes the NUL. Only strings with escapes and numbers cost an
 * allocation.
 */
#include "oci-spec/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "base/str.h"
#include "base/utf8.h"
#include "oci-spec/json_memory.h"
#include "oci-spec/json_place.h"
#include "oci-spec/json_surrogate.h"

#define SLAB_VALUES 128

/* An open bracket. */
struct frame {
	struct json_value *container;
	struct json_value *last; /* its last member or element so far */
	struct json_place place;
};

struct parser {
	yajl_handle yajl;
	struct json_document doc;
	char *copy;           /* of the text, with NULs in place of closing quotes */
	size_t token_end;     /* where the token before this one ended */
	bool whole_text_seen; /* yajl is looking at its own trailing blank */
	struct arena *arena;
	struct problems *problems;
	struct frame *frames;
	unsigned int depth;
	unsigned int max_depth;
	size_t n_values;
	struct json_value *slab; /* values made in advance */
	size_t slab_left;
	struct json_value *key; /* a member that waits for its value */
	struct json_value *root;
	bool failed; /* a problem was added for what stopped the parser */
};

const char *json_kind_name(enum json_kind kind)
{
	static const char *const names[] = {
	    [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
	    [JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
	};

	return names[kind];
}

void json_position(const struct json_document *doc, size_t offset, unsigned int *ret_line,
		   unsigned int *ret_column)
{
	const char *at = doc->text;
	const char *end = doc->text + (offset < doc->len ? offset : doc->len);
	unsigned int line = 1;
	const char *newline;

	while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		line++;
		at = newline + 1;
	}
	*ret_line = line;
	*ret_column = (unsigned int)(end - at) + 1;
}

const struct json_value *json_member(const struct json_value *value, const char *key)
{
	size_t len = strlen(key);

	if (!value || value->kind != JSON_OBJECT)
		return NULL;
	for (const struct json_value *m = value->first; m; m = m->next)
		if (m->key_len == len && memcmp(m->key, key, len) == 0)
			return m;
	return NULL;
}

/* Add a problem at byte @offset, inside the innermost open bracket. Returns 0, which makes yajl
 * stop. */
static int fail(struct parser *parser, size_t offset, const char *text)
{
	char place[JSON_PLACE_SIZE] = "";
	unsigned int line, column;

	json_position(&parser->doc, offset, &line, &column);
	if (parser->depth)
		json_place_text(&parser->frames[parser->depth - 1].place, place, sizeof(place));
	problems_add_at(parser->problems, PROBLEM_ERROR, offset, "%s:%u:%u: %s%s%s",
			parser->doc.name, line, column, place, place[0] ? ": " : "", text);
	parser->failed = true;
	return 0;
}

static bool is_between_tokens(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == ':';
}

/* Where the token that yajl reports began: the first byte after the previous token that is no
 * blank, comma or colon. */
static size_t token_start(const struct parser *parser)
{
	size_t at = parser->token_end;

	while (at < parser->doc.len && is_between_tokens(parser->doc.text[at]))
		at++;
	return at;
}

/* Not arena_strndup(): the text may hold NULs. */
static char *copy_text(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	if (copy)
		memcpy(copy, text, len);
	return copy;
}

static struct json_value *new_value(struct parser *parser, enum json_kind kind)
{
	struct json_value *value;
	size_t start = token_start(parser);

	parser->token_end =
	    parser->whole_text_seen ? parser->doc.len : yajl_get_bytes_consumed(parser->yajl);
	if (++parser->n_values > JSON_MAX_VALUES) {
		fail(parser, start, "more than a million values");
		return NULL;
	}
	if (!parser->slab_left) {
		parser->slab = arena_array(parser->arena, struct json_value, SLAB_VALUES);
		if (!parser->slab)
			return NULL;
		parser->slab_left = SLAB_VALUES;
	}
	value = parser->slab++;
	parser->slab_left--;
	value->kind = (uint8_t)kind;
	value->offset = (uint32_t)start;
	return value;
}

/* A value at its place in the tree; takes over the key that waits for it. */
static struct json_value *add_value(struct parser *parser, enum json_kind kind)
{
	struct json_value *value = parser->key;
	struct frame *frame;

	if (value) {
		/* The key made the value: it only has to move on to where the value proper begins.
		 */
		value->offset = (uint32_t)token_start(parser);
		parser->token_end = yajl_get_bytes_consumed(parser->yajl);
		value->kind = (uint8_t)kind;
		parser->key = NULL;
	} else {
		value = new_value(parser, kind);
		if (!value)
			return NULL;
	}
	if (!parser->depth) {
		parser->root = value;
		return value;
	}
	frame = &parser->frames[parser->depth - 1];
	if (frame->last)
		frame->last->next = value;
	else
		frame->container->first = value;
	frame->last = value;
	frame->container->count++;
	return value;
}

static int on_null(void *ctx)
{
	return add_value(ctx, JSON_NULL) != NULL;
}

static int on_boolean(void *ctx, int boolean)
{
	struct json_value *value = add_value(ctx, JSON_BOOL);

	if (!value)
		return 0;
	value->boolean = boolean;
	return 1;
}

static int on_number(void *ctx, const char *text, size_t len)
{
	struct parser *parser = ctx;
	struct json_value *value = add_value(parser, JSON_NUMBER);

	if (!value)
		return 0;
	value->text = copy_text(parser->arena, text, len);
	value->text_len = (uint32_t)len;
	return value->text != NULL;
}

/*
 * The text of a string token, NUL-terminated. @text lies in the copy, or, when it had escapes, in a
 * buffer of yajl's; @start is the opening quote.
 */
static const char *string_text(struct parser *parser, const char *text, size_t len, size_t start)
{
	char *inside = parser->copy + start + 1;

	if (text == inside) {
		inside[len] = '\0';
		return inside;
	}
	if (json_surrogate_lone(inside, parser->token_end - start - 2)) {
		fail(parser, start, "a \\u escape is half of a surrogate pair");
		return NULL;
	}
	return copy_text(parser->arena, text, len);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *parser = ctx;
	struct json_value *value = add_value(parser, JSON_STRING);

	if (!value)
		return 0;
	value->text = string_text(parser, (const char *)text, len, value->offset);
	value->text_len = (uint32_t)len;
	return value->text != NULL;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *parser = ctx;
	struct json_value *value = new_value(parser, JSON_NULL);

	if (!value)
		return 0;
	value->key = string_text(parser, (const char *)text, len, value->offset);
	value->key_len = (uint32_t)len;
	value->key_offset = value->offset;
	parser->key = value;
	return value->key != NULL;
}

static int on_open(void *ctx, enum json_kind kind)
{
	struct parser *parser = ctx;
	struct json_value *value;
	struct frame *frame;
	size_t index = parser->depth ? parser->frames[parser->depth - 1].container->count : 0;

	if (parser->depth == parser->max_depth) {
		char text[64];

		snprintf(text, sizeof(text), "nested deeper than %u levels", parser->max_depth);
		return fail(parser, token_start(parser), text);
	}
	value = add_value(parser, kind);
	if (!value)
		return 0;
	frame = &parser->frames[parser->depth];
	*frame = (struct frame){
	    .container = value,
	    .place = {.up = parser->depth ? &frame[-1].place : NULL,
		      .value = value,
		      .index = index},
	};
	parser->depth++;
	return 1;
}

static int on_open_object(void *ctx)
{
	return on_open(ctx, JSON_OBJECT);
}

static int on_open_array(void *ctx)
{
	return on_open(ctx, JSON_ARRAY);
}

static int on_close(void *ctx)
{
	struct parser *parser = ctx;

	parser->token_end = yajl_get_bytes_consumed(parser->yajl);
	parser->depth--;
	return 1;
}

static bool same_key(const struct json_value *a, const struct json_value *b)
{
	return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

static void add_duplicate(struct parser *parser, const struct json_value *member)
{
	bool failed = parser->failed;
	char quoted[JSON_QUOTE_SIZE];
	char text[JSON_QUOTE_SIZE + 64];

	if (problems_full(parser->problems, PROBLEM_ERROR)) {
		problems_count(parser->problems, PROBLEM_ERROR);
		return;
	}
	snprintf(text, sizeof(text), "duplicate property '%s'",
		 json_quote(member->key, member->key_len, quoted, sizeof(quoted)));
	fail(parser, member->key_offset, text);
	parser->failed = failed;
}

static int compare_members(const void *a, const void *b)
{
	const struct json_value *x = *(const struct json_value *const *)a;
	const struct json_value *y = *(const struct json_value *const *)b;
	int order;

	if (x->key_len != y->key_len)
		return x->key_len < y->key_len ? -1 : 1;
	order = memcmp(x->key, y->key, x->key_len);
	if (order)
		return order;
	return x->key_offset < y->key_offset ? -1 : 1;
}

/* Sorting bounds the work for an object of a million members, whatever their names are. */
static int find_duplicates_sorted(struct parser *parser, const struct json_value *object)
{
	const struct json_value **members = malloc(object->count * sizeof(*members));
	size_t n = 0;

	if (!members)
		return 0;
	for (const struct json_value *m = object->first; m; m = m->next)
		members[n++] = m;
	qsort(members, n, sizeof(*members), compare_members);
	for (size_t i = 1; i < n; i++)
		if (same_key(members[i - 1], members[i]))
			add_duplicate(parser, members[i]);
	free(members);
	return 1;
}

static int on_close_object(void *ctx)
{
	struct parser *parser = ctx;
	const struct json_value *object = parser->frames[parser->depth - 1].container;

	if (object->count > 24 && !find_duplicates_sorted(parser, object))
		return 0;
	if (object->count <= 24) {
		for (const struct json_value *m = object->first; m; m = m->next) {
			const struct json_value *earlier = object->first;

			while (earlier != m && !same_key(earlier, m))
				earlier = earlier->next;
			if (earlier != m)
				add_duplicate(parser, m);
		}
	}
	return on_close(parser);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_open_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_close_object,
    .yajl_start_array = on_open_array,
    .yajl_end_array = on_close,
};

/* Where the token that yajl complains about begins. */
static size_t bad_token_start(const struct parser *parser)
{
	size_t start = token_start(parser);
	size_t end = yajl_get_bytes_consumed(parser->yajl);

	/* In its own trailing blank yajl counts from zero again. */
	if (parser->whole_text_seen || !end)
		return start;
	/* Of several commas or brackets it is the last one read, not the first. */
	if (start >= end || strchr(",:[]{}", parser->doc.text[end - 1]))
		return end - 1;
	return start;
}

/* Turn yajl's own complaint into a problem. */
static void add_syntax_problem(struct parser *parser)
{
	unsigned char *message = yajl_get_error(parser->yajl, 0, NULL, 0);
	const char *text = message ? (const char *)message : "";
	char problem[160];
	const char *rest;

	if (strstr(text, "premature EOF")) {
		fail(parser, parser->doc.len, "not valid JSON: the document ends in the middle");
	} else {
		if ((rest = str_after(text, "parse error: ")) ||
		    (rest = str_after(text, "lexical error: ")))
			text = rest;
		snprintf(problem, sizeof(problem), "not valid JSON: %.*s",
			 (int)strcspn(text, ".\n"), text);
		fail(parser, bad_token_start(parser), problem);
	}
	if (message)
		yajl_free_error(parser->yajl, message);
}

static int parse_text(struct parser *parser)
{
	yajl_status status =
	    yajl_parse(parser->yajl, (const unsigned char *)parser->copy, parser->doc.len);

	if (status == yajl_status_ok) {
		parser->whole_text_seen = true;
		status = yajl_complete_parse(parser->yajl);
	}
	if (status == yajl_status_error)
		add_syntax_problem(parser);
	if (parser->failed)
		return -EINVAL;
	return status == yajl_status_ok && parser->root ? 0 : -ENOMEM;
}

/** yajl's memory needs no release (json_memory.h), however this ends. */
static int run_yajl(struct parser *parser)
{
	struct json_memory memory = {.arena = parser->arena};
	yajl_alloc_funcs funcs = json_memory_funcs(&memory);

	if (setjmp(memory.exhausted) != 0)
		return -ENOMEM;
	parser->yajl = yajl_alloc(&callbacks, &funcs, parser);
	if (!parser->yajl)
		return -ENOMEM;
	/* The text was found to be valid UTF-8 already, and by stricter rules than yajl's. */
	yajl_config(parser->yajl, yajl_dont_validate_strings, 1);
	return parse_text(parser);
}

static int check_text(struct parser *parser)
{
	const struct json_document *doc = &parser->doc;
	size_t blank = 0;
	size_t bad;

	while (blank < doc->len && strchr(" \t\r\n", doc->text[blank]) && doc->text[blank])
		blank++;
	if (blank == doc->len)
		return problems_add_at(parser->problems, PROBLEM_ERROR, 0, "%s: is empty",
				       doc->name);
	bad = utf8_invalid(doc->text, doc->len);
	if (bad == doc->len)
		return 0;
	fail(parser, bad, "not valid UTF-8");
	return -EINVAL;
}

int json_parse(const char *name, const char *text, size_t len, unsigned int max_depth,
	       struct arena *arena, struct problems *problems, struct json_document *ret_doc)
{
	struct parser parser = {
	    .doc = {.name = name, .text = text, .len = len},
	    .arena = arena,
	    .problems = problems,
	    .max_depth = max_depth,
	};
	int r;

	if (len > UINT32_MAX)
		return problems_add(problems, PROBLEM_ERROR, "%s: is larger than 4 GiB", name);
	r = check_text(&parser);
	if (r < 0)
		return r;
	parser.frames = arena_array(arena, struct frame, max_depth);
	parser.copy = copy_text(arena, text, len);
	r = parser.frames && parser.copy ? run_yajl(&parser) : -ENOMEM;
	if (r == -ENOMEM)
		return problems_add(problems, PROBLEM_ERROR, "%s: out of memory", name);
	if (r < 0)
		return r;
	parser.doc.root = parser.root;
	*ret_doc = parser.doc;
	return 0;
}
