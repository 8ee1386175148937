/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/variant_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/** More items than this in one array or struct nobody writes by hand. */
#define MAX_ITEMS 256
/** The longest signature that D-Bus has. */
#define MAX_SIGNATURE 255

struct parser {
	const char *at;
	struct arena *arena;
	unsigned int depth;
	struct wh_error *err;
};

static const struct {
	const char *word;
	char type;
} type_words[] = {
    {"boolean",    'b'},
    {"byte",       'y'},
    {"int16",      'n'},
    {"uint16",     'q'},
    {"int32",      'i'},
    {"uint32",     'u'},
    {"int64",      'x'},
    {"uint64",     't'},
    {"double",     'd'},
    {"string",     's'},
    {"objectpath", 'o'},
    {"signature",  'g'},
};

/** Whole numbers: how far each type reaches. */
static const struct {
	char type;
	int64_t min;
	uint64_t max;
} ranges[] = {
    {'y', 0,         UINT8_MAX },
    {'n', INT16_MIN, INT16_MAX },
    {'q', 0,         UINT16_MAX},
    {'i', INT32_MIN, INT32_MAX },
    {'u', 0,         UINT32_MAX},
    {'x', INT64_MIN, INT64_MAX },
    {'t', 0,         UINT64_MAX},
};

static int parse_value(struct parser *parser, const char *type, struct bus_value *ret_value);

static void skip_blanks(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t\r\n");
}

static int fail_at(const struct parser *parser, const char *what)
{
	return wh_fail(parser->err, 0, "%s at '%.20s'", what, parser->at);
}

/** Take the word @word when it stands here. */
static bool take_word(struct parser *parser, const char *word)
{
	const char *rest = str_after(parser->at, word);

	if (!rest || strspn(rest, "abcdefghijklmnopqrstuvwxyz0123456789_"))
		return false;
	parser->at = rest;
	return true;
}

/** Whether a value of @type may stand where @wanted is (NULL: anything). */
static bool is_wanted(const char *wanted, char type)
{
	return !wanted || wanted[0] == type;
}

static int parse_string(struct parser *parser, const char *wanted, struct bus_value *ret_value)
{
	char quote = *parser->at++;
	char *out = arena_alloc(parser->arena, strlen(parser->at) + 1);
	char *end = out;

	if (!out)
		return wh_oom(parser->err);
	while (*parser->at && *parser->at != quote) {
		if (*parser->at == '\\' && parser->at[1]) {
			static const char escapes[] = "a\ab\bf\fn\nr\rt\tv\v";
			const char *found;

			parser->at++;
			if (*parser->at == 'u' || *parser->at == 'U')
				return fail_at(parser, "write the character itself: an escape");
			found = strchr(escapes, *parser->at);
			*end++ = found && (found - escapes) % 2 == 0 ? found[1] : *parser->at;
		} else {
			*end++ = *parser->at;
		}
		parser->at++;
	}
	if (!*parser->at)
		return wh_fail(parser->err, 0, "a string has no end");
	parser->at++;
	if (wanted && !strchr("sog", wanted[0]))
		return wh_fail(parser->err, 0, "a string where type '%s' is expected", wanted);
	*ret_value = (struct bus_value){.type = wanted ? wanted[0] : 's', .text = out};
	return 0;
}

static int parse_whole(struct parser *parser, const char *digits, char type,
		       struct bus_value *ret_value)
{
	bool negative = digits[0] == '-';
	const char *start = digits + (negative || digits[0] == '+');
	struct bus_value value = {.type = type};
	uint64_t magnitude;
	char *end;

	errno = 0;
	magnitude = strtoull(start, &end, 0);
	if (*end || end == start || errno)
		return wh_fail(parser->err, 0, "'%s' is no number", digits);
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		if (ranges[i].type != type)
			continue;
		if (negative ? magnitude > 0 - (uint64_t)ranges[i].min : magnitude > ranges[i].max)
			return wh_fail(parser->err, 0, "%s is out of the range of its type",
				       digits);
	}
	value.number = magnitude;
	value.integer = (int64_t)(negative ? 0 - magnitude : magnitude);
	*ret_value = value;
	return 0;
}

static int parse_number(struct parser *parser, const char *wanted, struct bus_value *ret_value)
{
	size_t len = strspn(parser->at, "+-.0123456789abcdefABCDEFxX");
	const char *digits = arena_strndup(parser->arena, parser->at, len);
	bool real;
	char *end;

	if (!digits)
		return wh_oom(parser->err);
	if (len == 0 || !strchr("+-.0123456789", *parser->at))
		return fail_at(parser, "expected a value");
	real = !strpbrk(digits, "xX") && strpbrk(digits, ".eE");
	parser->at += len;
	if (real || (wanted && wanted[0] == 'd')) {
		*ret_value = (struct bus_value){.type = 'd', .real = strtod(digits, &end)};
		if (*end || !is_wanted(wanted, 'd'))
			return wh_fail(parser->err, 0, "'%s' is no number of the expected type",
				       digits);
		return 0;
	}
	if (wanted && !strchr("ynqiuxt", wanted[0]))
		return wh_fail(parser->err, 0, "the number %s where type '%s' is expected", digits,
			       wanted);
	return parse_whole(parser, digits, wanted ? wanted[0] : 'i', ret_value);
}

/** The length of the first complete type in a signature, 0 when it is none that is read here. */
static size_t type_length(const char *signature)
{
	size_t len = 1;

	if (signature[0] == 'a') {
		len = type_length(signature + 1);
		return len ? len + 1 : 0;
	}
	if (signature[0] != '(')
		return signature[0] && strchr("bynqiuxtdsog", signature[0]) ? 1 : 0;
	while (signature[len] && signature[len] != ')') {
		size_t item = type_length(signature + len);

		if (!item)
			return 0;
		len += item;
	}
	return signature[len] == ')' && len > 1 ? len + 1 : 0;
}

/**
 * The items of an array or a struct up to @close. @wanted: NULL, or the signature of the items (of
 * an array one, of a struct all of them).
 */
static int parse_items(struct parser *parser, char close, const char *wanted,
		       struct bus_value *value)
{
	struct bus_value *items = arena_array(parser->arena, struct bus_value, MAX_ITEMS);
	bool is_array = close == ']';
	int rc;

	if (!items)
		return wh_oom(parser->err);
	parser->at++;
	for (skip_blanks(parser); *parser->at != close; skip_blanks(parser)) {
		if (value->count == MAX_ITEMS)
			return wh_fail(parser->err, 0, "more than %d items", MAX_ITEMS);
		if (wanted && !is_array && *wanted == ')')
			return fail_at(parser, "more items than the type has");
		rc = parse_value(parser, wanted, &items[value->count++]);
		if (rc < 0)
			return rc;
		if (is_array && !wanted)
			wanted = bus_value_signature(&items[0], parser->arena);
		else if (wanted && !is_array)
			wanted += type_length(wanted);
		skip_blanks(parser);
		if (*parser->at == ',')
			parser->at++;
		else if (*parser->at != close)
			return fail_at(parser, "expected ',' or the end of the list");
	}
	if (wanted && !is_array && *wanted != ')')
		return fail_at(parser, "fewer items than the type has");
	parser->at++;
	value->items = items;
	value->text = is_array ? wanted : NULL;
	return 0;
}

static int parse_array(struct parser *parser, const char *wanted, struct bus_value *ret_value)
{
	struct bus_value value = {.type = 'a'};
	const char *item = NULL;
	int rc;

	if (wanted) {
		if (wanted[0] != 'a')
			return fail_at(parser, "an array where none is expected");
		item = arena_strndup(parser->arena, wanted + 1, type_length(wanted) - 1);
		if (!item)
			return wh_oom(parser->err);
	}
	rc = parse_items(parser, ']', item, &value);
	if (rc < 0)
		return rc;
	if (!value.text)
		return wh_fail(parser->err, 0,
			       "an empty array needs its type in front, like @as []");
	*ret_value = value;
	return 0;
}

static int parse_struct(struct parser *parser, const char *wanted, struct bus_value *ret_value)
{
	struct bus_value value = {.type = '('};
	int rc;

	if (wanted && wanted[0] != '(')
		return fail_at(parser, "a tuple where none is expected");
	rc = parse_items(parser, ')', wanted ? wanted + 1 : NULL, &value);
	if (rc < 0)
		return rc;
	if (!value.count)
		return wh_fail(parser->err, 0, "D-Bus has no empty tuple");
	*ret_value = value;
	return 0;
}

/** "@as []": the type comes first. */
static int parse_annotated(struct parser *parser, const char *wanted, struct bus_value *ret_value)
{
	size_t span = strspn(++parser->at, "abynqiuxtdsog()");
	size_t len = span <= MAX_SIGNATURE ? type_length(parser->at) : 0;
	const char *type = arena_strndup(parser->arena, parser->at, len);

	if (!type)
		return wh_oom(parser->err);
	if (!len || (wanted && strncmp(wanted, type, len) != 0))
		return fail_at(parser, "not a type that can stand here");
	parser->at += len;
	skip_blanks(parser);
	return parse_value(parser, type, ret_value);
}

static int parse_word(struct parser *parser, const char *wanted, struct bus_value *ret_value)
{
	for (size_t i = 0; i < ARRAY_LEN(type_words); i++) {
		const char type[] = {type_words[i].type, '\0'};

		if (!take_word(parser, type_words[i].word))
			continue;
		if (!is_wanted(wanted, type[0]))
			return fail_at(parser, "another type is expected");
		skip_blanks(parser);
		return parse_value(parser, type, ret_value);
	}
	for (int value = 0; value <= 1; value++) {
		if (!take_word(parser, value ? "true" : "false"))
			continue;
		if (!is_wanted(wanted, 'b'))
			return fail_at(parser, "a boolean where another type is expected");
		*ret_value = bus_value_bool(value);
		return 0;
	}
	return -ENOENT;
}

static int refuse_form(struct parser *parser, const char *wanted, struct bus_value *ret_value)
{
	return fail_at(parser, "dictionaries and variants are not supported");
}

static int parse_bare(struct parser *parser, const char *wanted, struct bus_value *ret_value)
{
	int rc = parse_word(parser, wanted, ret_value);

	return rc == -ENOENT ? parse_number(parser, wanted, ret_value) : rc;
}

static const struct {
	char first;
	int (*parse)(struct parser *parser, const char *wanted, struct bus_value *ret_value);
} forms[] = {
    {'\'', parse_string   },
    {'"',  parse_string   },
    {'[',  parse_array    },
    {'(',  parse_struct   },
    {'@',  parse_annotated},
    {'{',  refuse_form    },
    {'<',  refuse_form    },
};

/** @wanted: the signature that starts with the value's type, NULL when any will do. */
static int parse_value(struct parser *parser, const char *wanted, struct bus_value *ret_value)
{
	size_t i = 0;
	int rc;

	skip_blanks(parser);
	if (++parser->depth > BUS_VALUE_MAX_DEPTH)
		return wh_fail(parser->err, 0, "it is nested deeper than %d levels",
			       BUS_VALUE_MAX_DEPTH);
	while (i < ARRAY_LEN(forms) && forms[i].first != *parser->at)
		i++;
	rc = i < ARRAY_LEN(forms) ? forms[i].parse(parser, wanted, ret_value)
				  : parse_bare(parser, wanted, ret_value);
	parser->depth--;
	return rc;
}

int variant_text_parse(const char *text, struct arena *arena, struct bus_value *ret_value,
		       struct wh_error *err)
{
	struct parser parser = {.at = text, .arena = arena, .err = err};
	struct bus_value value;
	int rc = parse_value(&parser, NULL, &value);

	if (rc < 0)
		return rc;
	skip_blanks(&parser);
	if (*parser.at)
		return fail_at(&parser, "expected the end");
	*ret_value = value;
	return 0;
}
