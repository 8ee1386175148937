/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every row of every table, by way of one document that holds each property
 * (good/every_property.json): replaced by each wrong kind of value, the property is named with its
 * very line, column and place; left out although required, it is missed; and no row is untried.
 */
#include "document.h"

#include "oci-spec/config_types.h"
#include "oci-spec/json.h"

#define MAX_TYPES 64

static struct {
	char *text;
	size_t len;
	struct document holder; /* the tree's arena */
	struct json_document doc;
	struct {
		const struct object_type *type;
		uint64_t seen;
	} types[MAX_TYPES];
	size_t n_types;
	size_t n_tried;
} run;

/* Where the value that begins at @offset ends. */
static size_t value_end(size_t offset)
{
	size_t at = offset;
	int depth = 0;

	do {
		char c = run.text[at++];

		if (c == '"') {
			for (; run.text[at] != '"'; at++)
				at += run.text[at] == '\\';
			at++;
		} else if (c == '[' || c == '{') {
			depth++;
		} else if (c == ']' || c == '}') {
			depth--;
		} else if (!depth) {
			while (!strchr(",]} \n", run.text[at]))
				at++;
		}
	} while (depth);
	return at;
}

/* Decode the document with the bytes from @from to @to replaced; there has to be the problem
 * "doc:LINE:COL: " @want. */
static void expect_problem(size_t from, size_t to, const char *replacement, size_t position,
			   const char *want)
{
	unsigned int line, column;
	char line_wanted[2048];
	struct document d;
	char *text = NULL;
	char *found;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fwrite(run.text, 1, from, out);
	fputs(replacement, out);
	fwrite(run.text + to, 1, run.len - to, out);
	fclose(out);
	json_position(&run.doc, position, &line, &column);
	snprintf(line_wanted, sizeof(line_wanted), "doc:%u:%u: %s\n", line, column, want);
	document_decode(&d, "doc", text, len);
	assert_int_equal(d.result, -EINVAL);
	found = document_problems(&d.problems);
	if (!strstr(found, line_wanted))
		fail_msg("%.*s -> %s\nwant %sgot  %s", (int)(to - from), run.text + from,
			 replacement, line_wanted, found);
	document_done(&d);
	free(found);
	free(text);
	run.n_tried++;
}

static const struct {
	enum json_kind kind;
	const char *text;
	const char *found;
} replacements[] = {
    {JSON_BOOL,   "true",  "a boolean"},
    {JSON_NUMBER, "7",     "7"        },
    {JSON_NUMBER, "-7",    "-7"       },
    {JSON_NUMBER, "1.0",   "1.0"      },
    {JSON_NUMBER, "1e3",   "1e3"      },
    {JSON_STRING, "\"x\"", "a string" },
    {JSON_ARRAY,  "[]",    "an array" },
    {JSON_OBJECT, "{}",    "an object"},
    {JSON_NULL,   "null",  "null"     },
};

/* Whether @i is of a kind that the type takes (its value may still be refused, by other words). */
static bool takes(const struct field *field, size_t i)
{
	const char *expected = field->type->expected;
	enum json_kind kind = replacements[i].kind;
	const char *text = replacements[i].text;

	if (kind == JSON_NULL)
		return field->name && !(field->flags & FIELD_REQUIRED);
	if (streq(expected, "a boolean"))
		return kind == JSON_BOOL;
	if (streq(expected, "an integer"))
		return kind == JSON_NUMBER && !strpbrk(text, ".e");
	if (streq(expected, "an unsigned integer"))
		return kind == JSON_NUMBER && !strpbrk(text, ".e-");
	if (streq(expected, "a string"))
		return kind == JSON_STRING;
	if (streq(expected, "an array"))
		return kind == JSON_ARRAY;
	assert_string_equal(expected, "an object");
	return kind == JSON_OBJECT;
}

static void try_value(const struct field *field, const struct json_place *place)
{
	size_t offset = place->value->offset;
	char where[JSON_PLACE_SIZE];
	char want[JSON_PLACE_SIZE + 128];

	json_place_text(place, where, sizeof(where));
	for (size_t i = 0; i < ARRAY_LEN(replacements); i++) {
		if (takes(field, i))
			continue;
		snprintf(want, sizeof(want), "%s: expected %s, found %s", where,
			 field->type->expected, replacements[i].found);
		expect_problem(offset, value_end(offset), replacements[i].text, offset, want);
	}
}

/* Rename the property, which makes it unknown. */
static void try_missing(const struct json_place *place)
{
	size_t key = place->value->key_offset;
	char where[JSON_PLACE_SIZE];
	char want[JSON_PLACE_SIZE + 128];

	json_place_text(place, where, sizeof(where));
	snprintf(want, sizeof(want), "%s: missing required property", where);
	expect_problem(key, key + 2, "\"~", place->up->value->offset, want);
}

static void mark_seen(const struct object_type *type, size_t row)
{
	size_t i = 0;

	while (i < run.n_types && run.types[i].type != type)
		i++;
	if (i == run.n_types) {
		assert_true(i < MAX_TYPES);
		run.types[run.n_types++].type = type;
	}
	run.types[i].seen |= 1ULL << row;
}

static void walk(const struct field *field, const struct json_place *place);

static void walk_object(const struct object_type *type, const struct json_place *place)
{
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct field *field = &type->fields[i];
		struct json_place below = {.up = place,
					   .value = json_member(place->value, field->name)};

		if (!below.value)
			continue;
		mark_seen(type, i);
		walk(field, &below);
		if (field->flags & FIELD_REQUIRED)
			try_missing(&below);
	}
}

static void walk(const struct field *field, const struct json_place *place)
{
	struct json_place below = {.up = place};

	if (place->up)
		try_value(field, place);
	if (field->type == &field_object) {
		walk_object(field->param, place);
	} else if (field->type == &field_list) {
		for (below.value = place->value->first; below.value;
		     below.value = below.value->next, below.index++)
			walk(field->param, &below);
	} else if (field->type == &field_map) {
		const struct map_type *type = field->param;
		const struct field value = {
		    .name = NULL, .type = type->value.type, .param = type->value.param};

		for (below.value = place->value->first; below.value;
		     below.value = below.value->next)
			walk(&value, &below);
	} else if (field->type == &field_flags) {
		const struct field name = {.type = &field_enum, .param = field->param};

		for (below.value = place->value->first; below.value;
		     below.value = below.value->next, below.index++)
			try_value(&name, &below);
	} else if (field->type == &field_capability_set) {
		for (below.value = place->value->first; below.value;
		     below.value = below.value->next, below.index++)
			try_value(&field_string_element, &below);
	}
}

static void test_wrong_kinds(void **state)
{
	const struct field root = {.type = &field_object, .param = &oci_spec_type};
	struct json_place place = {.value = run.doc.root};

	walk(&root, &place);
	assert_true(run.n_tried > 1500);
}

/* All tables that are reachable from the root have had all their rows walked. */
static void test_all_rows(void **state)
{
	size_t rows = 0;

	assert_true(run.n_types >= 37);
	for (size_t i = 0; i < run.n_types; i++) {
		const struct object_type *type = run.types[i].type;

		for (size_t k = 0; k < type->n_fields; k++) {
			if (!(run.types[i].seen & 1ULL << k))
				fail_msg("every_property.json lacks '%s'", type->fields[k].name);
			rows++;
		}
	}
	assert_true(rows >= 160);
}

/* docs/config.md has a row for every property. */
static void test_documented(void **state)
{
	char path[1024];
	char *page;

	document_path(path, sizeof(path), "../../docs/config.md");
	page = document_read(path, NULL);
	for (size_t i = 0; i < run.n_types; i++) {
		const struct object_type *type = run.types[i].type;

		for (size_t k = 0; k < type->n_fields; k++) {
			char cell[128];

			snprintf(cell, sizeof(cell), "| `%s` |", type->fields[k].name);
			if (!strstr(page, cell))
				fail_msg("docs/config.md has no row for '%s'",
					 type->fields[k].name);
		}
	}
	free(page);
}

static int set_up(void **state)
{
	char path[1024];

	document_path(path, sizeof(path), "good/every_property.json");
	run.text = document_read(path, &run.len);
	document_init(&run.holder);
	return json_parse("doc", run.text, run.len, 64, &run.holder.arena, &run.holder.problems,
			  &run.doc);
}

static int tear_down(void **state)
{
	document_done(&run.holder);
	free(run.text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wrong_kinds),
	    cmocka_unit_test(test_all_rows),
	    cmocka_unit_test(test_documented),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
