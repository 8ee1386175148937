/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler cannot check about the tables of verbs, arguments and options. */
#include "cmd/verb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/completion.h"
#include "cmd/global_options.h"

static void test_sorted(void **state)
{
	for (size_t i = 1; i < n_verbs; i++)
		assert_true(strcmp(verbs[i - 1]->name, verbs[i]->name) < 0);
}

/** A line for --help: neither empty nor a sentence of its own. */
static void assert_phrase(const char *text)
{
	assert_true(strlen(text) > 3);
	assert_int_not_equal(text[strlen(text) - 1], '.');
	assert_false(text[0] == ' ' || strchr(text, '\n'));
}

static void test_verbs(void **state)
{
	for (size_t i = 0; i < n_verbs; i++) {
		const struct verb *verb = verbs[i];

		assert_phrase(verb->summary);
		assert_non_null(verb->run);
		assert_true(verb->args_size <= VERB_ARGS_MAX);
		assert_int_equal(verb->n_options > 0, verb->args_size > 0);
		for (size_t k = 0; k < verb->n_arguments; k++) {
			const struct argument *argument = &verb->arguments[k];

			assert_true(!argument->repeated || k + 1 == verb->n_arguments);
			assert_true(k == 0 || argument->optional || !argument[-1].optional);
		}
	}
}

static void check_option(const struct option *option, const struct option_set *set,
			 const struct verb *verb)
{
	assert_phrase(option->help);
	assert_true(option->name[0] >= 'a' && option->name[0] <= 'z');
	assert_true(strspn(option->name, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
		    strlen(option->name));
	/* a long name of one letter could not be told from a short one */
	assert_true(strlen(option->name) > 1);
	assert_int_equal(option->type->takes_value, option->argument != NULL);
	assert_int_equal(option->type == &option_choice, option->choices != NULL);
	if (verb && set->dest)
		assert_true(option->offset < verb->args_size);
}

/** No name and no letter twice in what one parser gets. */
static void check_unique(const struct option_set *sets, size_t n_sets)
{
	bool letters[128] = {false};

	for (size_t s = 0; s < n_sets; s++) {
		for (size_t i = 0; i < sets[s].count; i++) {
			const struct option *option = &sets[s].options[i];

			assert_ptr_equal(
			    options_find(sets, n_sets, option->name, strlen(option->name)), option);
			if (!option->letter)
				continue;
			assert_false(letters[(unsigned char)option->letter]);
			letters[(unsigned char)option->letter] = true;
		}
	}
}

static void test_options(void **state)
{
	struct option_set global = {global_options, n_global_options, NULL};

	check_unique(&global, 1);
	for (size_t i = 0; i < n_global_options; i++)
		check_option(&global_options[i], &global, NULL);
	for (size_t i = 0; i < n_verbs; i++) {
		char args[VERB_ARGS_MAX];
		struct option_set sets[VERB_SETS_MAX];
		size_t count = verb_option_sets(verbs[i], args, NULL, sets);

		check_unique(sets, count);
		for (size_t s = 0; s < count; s++) {
			for (size_t k = 0; k < sets[s].count; k++)
				check_option(&sets[s].options[k], &sets[s], verbs[i]);
		}
	}
}

static void note_option(FILE *out, const char *verb, const struct option *option)
{
	fprintf(out, "%s %s\n", verb, option->name);
}

/** What completions are made from: the global options first, each verb's own and those of all, and none of a hidden one. */
static void test_each_option_for_completion(void **state)
{
	char first[64];
	char *text = NULL;
	size_t size = 0, lines = 0, want = n_global_options;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < n_verbs; i++) {
		struct option_set sets[VERB_SETS_MAX];
		size_t count = verb_option_sets(verbs[i], NULL, NULL, sets);

		for (size_t s = 0; s < count && !verbs[i]->hidden; s++)
			want += sets[s].count;
	}
	completion_each_option(out, note_option);
	fclose(out);
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, want);
	snprintf(first, sizeof(first), " %s\n", global_options[0].name);
	assert_ptr_equal(strstr(text, first), text);
	assert_non_null(strstr(text, "\nrun bundle\n"));
	assert_non_null(strstr(text, "\nrun trace\n"));
	assert_null(strstr(text, "\ncompletion "));
	free(text);
}

static void test_find(void **state)
{
	struct wh_error err = WH_ERROR_INIT;

	assert_ptr_equal(verb_find("exec", &err), &verb_exec);
	assert_null(verb_find("exce", &err));
	assert_int_equal(err.kind, WH_ERROR_USAGE);
	assert_string_equal(err.message, "unknown verb 'exce'; did you mean 'exec'?");
	assert_null(verb_find("teleport", &err));
	assert_non_null(strstr(err.message, "unknown verb 'teleport'"));
	/* hidden ones are found and not proposed */
	assert_ptr_equal(verb_find("completion", &err), &verb_completion);
	assert_null(verb_find("completio", &err));
	assert_null(strstr(err.message, "did you mean"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sorted),  cmocka_unit_test(test_verbs),
	    cmocka_unit_test(test_options), cmocka_unit_test(test_each_option_for_completion),
	    cmocka_unit_test(test_find),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("verbs", tests, NULL, NULL);
}
