/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/completion.h"

#include <errno.h>

#include "cmd/global_options.h"
#include "cmd/signal_name.h"
#include "cmd/verb.h"

static const struct {
	const char *name;
	void (*print)(FILE *out);
} outputs[] = {
    {"bash", completion_bash},
    {"fish", completion_fish},
    {"list", completion_list},
    {"zsh",  completion_zsh },
};

enum completion completion_at(const struct verb *verb, size_t index)
{
	size_t n = verb->n_arguments;

	if (index < n)
		return verb->arguments[index].complete;
	return n && verb->arguments[n - 1].repeated ? verb->arguments[n - 1].complete
						    : COMPLETE_NOTHING;
}

static void print_set(FILE *out, const char *verb, const struct option_set *set,
		      completion_option_fn print)
{
	for (size_t i = 0; i < set->count; i++)
		print(out, verb, &set->options[i]);
}

void completion_each_option(FILE *out, completion_option_fn print)
{
	print_set(out, "", &(struct option_set){global_options, n_global_options, NULL}, print);
	for (size_t i = 0; i < n_verbs; i++) {
		struct option_set sets[VERB_SETS_MAX];
		size_t count = verb_option_sets(verbs[i], NULL, NULL, sets);

		for (size_t k = 0; k < count && !verbs[i]->hidden; k++)
			print_set(out, verbs[i]->name, &sets[k], print);
	}
}

void completion_print_choices(FILE *out, const struct option *option)
{
	for (size_t i = 0; option->choices[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", option->choices[i]);
}

void completion_print_signals(FILE *out)
{
	for (size_t i = 0; i < signal_names.len; i++)
		fprintf(out, "%s%s", i ? " " : "", signal_names.rows[i].name);
}

static void list_option(FILE *out, const char *verb, const struct option *option)
{
	fprintf(out, "%s --%s ", *verb ? verb : "-", option->name);
	if (option->letter)
		fprintf(out, "-%c ", option->letter);
	else
		fputs("- ", out);
	fprintf(out, "%s\n", option->argument ? option->argument : "-");
}

void completion_list(FILE *out)
{
	completion_each_option(out, list_option);
}

static const struct argument completion_arguments[] = {
    ARGUMENT("SHELL", COMPLETE_NOTHING),
};

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(outputs); i++) {
		if (streq(cli->args[0], outputs[i].name)) {
			outputs[i].print(stdout);
			return 0;
		}
	}
	return wh_fail_kind(err, WH_ERROR_USAGE, 0, "no completion for '%s': bash, zsh or fish",
			    cli->args[0]);
}

const struct verb verb_completion = {
    .name = "completion",
    .summary = "print the completion script of a shell",
    VERB_ARGUMENTS(completion_arguments),
    .hidden = true,
    .stateless = true,
    .run = run,
};
