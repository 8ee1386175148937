/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "cmd/suggest.h"

/** An option as it was typed, for error texts: "--bundle", "-b". */
struct typed {
	const char *dashes;
	const char *name;
	int len;
};

const struct option *options_find(const struct option_set *sets, size_t n_sets, const char *name,
				  size_t len)
{
	for (size_t s = 0; s < n_sets; s++) {
		for (size_t i = 0; i < sets[s].count; i++) {
			const struct option *option = &sets[s].options[i];

			if (strlen(option->name) == len && memcmp(option->name, name, len) == 0)
				return option;
		}
	}
	return NULL;
}

static const struct option *find_letter(const struct option_parser *parser, char letter)
{
	for (size_t s = 0; s < parser->n_sets; s++) {
		for (size_t i = 0; i < parser->sets[s].count; i++) {
			if (parser->sets[s].options[i].letter == letter)
				return &parser->sets[s].options[i];
		}
	}
	return NULL;
}

static void *destination(const struct option_parser *parser, const struct option *option)
{
	for (size_t s = 0; s < parser->n_sets; s++) {
		const struct option_set *set = &parser->sets[s];

		if (option >= set->options && option < set->options + set->count)
			return (char *)set->dest + option->offset;
	}
	return NULL;
}

static int store(const struct option_parser *parser, const struct option *option,
		 const struct typed *typed, const char *value, struct wh_error *err)
{
	int rc =
	    option->type->store(option, value, destination(parser, option), parser->arena, err);

	if (rc == -EINVAL)
		wh_error_prefix(err, "invalid value '%s' for %s%.*s", value, typed->dashes,
				typed->len, typed->name);
	return rc;
}

/** The best match of an unknown name among the long names. */
static const char *nearest(const struct option_parser *parser, const char *name, size_t len)
{
	struct suggestion best = suggestion_start(name, len);

	for (size_t s = 0; s < parser->n_sets; s++) {
		for (size_t i = 0; i < parser->sets[s].count; i++)
			suggestion_consider(&best, parser->sets[s].options[i].name);
	}
	return best.word;
}

static int unknown(const struct option_parser *parser, const struct typed *typed,
		   struct wh_error *err)
{
	const char *meant = nearest(parser, typed->name, (size_t)typed->len);

	if (parser->elsewhere &&
	    options_find(parser->elsewhere, 1, typed->name, (size_t)typed->len))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "unknown option '%s%.*s' here; %s",
				    typed->dashes, typed->len, typed->name, parser->elsewhere_hint);
	if (meant)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "unknown option '%s%.*s'; did you mean --%s?", typed->dashes,
				    typed->len, typed->name, meant);
	return wh_fail_kind(err, WH_ERROR_USAGE, 0, "unknown option '%s%.*s'", typed->dashes,
			    typed->len, typed->name);
}

/** The words that are left, and where the next argument goes. */
struct words {
	char **argv;
	int argc;
	int next;
	int kept;
};

static int needs_value(const struct typed *typed, struct wh_error *err)
{
	return wh_fail_kind(err, WH_ERROR_USAGE, 0, "flag needs an argument: %s%.*s", typed->dashes,
			    typed->len, typed->name);
}

/** Store @value, or the next word when the option wants one and none was attached. */
static int take(const struct option_parser *parser, const struct option *option,
		const struct typed *typed, const char *value, struct words *words,
		struct wh_error *err)
{
	if (!value && option->type->takes_value) {
		if (words->next >= words->argc)
			return needs_value(typed, err);
		value = words->argv[words->next++];
	}
	return store(parser, option, typed, value, err);
}

/** "-x...": flags, of which the last may be an option with a value: the rest of the word, or the
 * next one. */
static int parse_letters(const struct option_parser *parser, const char *letters,
			 struct words *words, struct wh_error *err)
{
	for (const char *at = letters; *at; at++) {
		const struct option *option = find_letter(parser, *at);
		struct typed typed = {.dashes = "-", .name = at, .len = 1};
		const char *value = NULL;
		int rc;

		if (!option)
			return unknown(parser, &typed, err);
		if (at[1] == '=')
			value = at + 2;
		else if (at[1] && option->type->takes_value)
			value = at + 1;
		rc = take(parser, option, &typed, value, words, err);
		if (rc < 0 || value)
			return rc;
	}
	return 0;
}

static int parse_option(const struct option_parser *parser, const char *word, struct words *words,
			struct wh_error *err)
{
	bool two = word[1] == '-';
	const char *name = word + (two ? 2 : 1);
	size_t len = strcspn(name, "=");
	const struct option *option = options_find(parser->sets, parser->n_sets, name, len);
	struct typed typed = {.dashes = two ? "--" : "-", .name = name, .len = (int)len};

	if (option)
		return take(parser, option, &typed, name[len] == '=' ? name + len + 1 : NULL, words,
			    err);
	/* -no-such: a misspelt long option with one dash rather than the letters n, o, ... */
	if (two || (len > 1 && !find_letter(parser, name[0])))
		return unknown(parser, &typed, err);
	return parse_letters(parser, name, words, err);
}

static void keep(struct words *words, char *word)
{
	words->argv[words->kept++] = word;
}

static void keep_rest(struct words *words)
{
	while (words->next < words->argc)
		keep(words, words->argv[words->next++]);
}

int options_parse(const struct option_parser *parser, int argc, char **argv, struct wh_error *err)
{
	struct words words = {.argv = argv, .argc = argc};

	while (words.next < argc) {
		char *word = argv[words.next++];
		int rc;

		if (streq(word, "--")) {
			keep_rest(&words);
			break;
		}
		if (word[0] != '-' || word[1] == '\0') {
			keep(&words, word);
			if (!parser->arguments_follow || !parser->arguments_follow(parser->context))
				continue;
			/* `exec ID -- CMD`: the dashes separate, they are not the command */
			if (words.next < argc && streq(argv[words.next], "--"))
				words.next++;
			keep_rest(&words);
			break;
		}
		rc = parse_option(parser, word, &words, err);
		if (rc < 0)
			return rc;
	}
	return words.kept;
}

/** Columns of "name ARGUMENT". */
static size_t text_width(const struct option *option)
{
	return strlen(option->name) + (option->argument ? strlen(option->argument) + 1 : 0);
}

static void print_option(FILE *out, const struct option *option, size_t width)
{
	fprintf(out, "  %c%c%c --%s%s%s%*s  %s\n", option->letter ? '-' : ' ',
		option->letter ? option->letter : ' ', option->letter ? ',' : ' ', option->name,
		option->argument ? " " : "", option->argument ? option->argument : "",
		(int)(width - text_width(option)), "", option->help);
}

void options_print(FILE *out, const struct option_set *sets, size_t n_sets)
{
	size_t width = 0;

	for (size_t s = 0; s < n_sets; s++) {
		for (size_t i = 0; i < sets[s].count; i++) {
			size_t w = text_width(&sets[s].options[i]);

			width = w > width ? w : width;
		}
	}
	for (size_t s = 0; s < n_sets; s++) {
		for (size_t i = 0; i < sets[s].count; i++)
			print_option(out, &sets[s].options[i], width);
	}
}
