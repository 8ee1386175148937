/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/completion.h"
#include "cmd/global_options.h"
#include "cmd/signal_name.h"
#include "cmd/verb.h"

static const char head[] = "# fish completion of wherry, made from its tables of options\n"
			   "function __wherry_containers\n"
			   "\tset -l words (commandline -opc)\n"
			   "\tset -l at (contains -i -- --root $words)\n"
			   "\tif test -n \"$at\"\n"
			   "\t\twherry --root $words[(math $at + 1)] list -q 2>/dev/null\n"
			   "\telse\n"
			   "\t\twherry list -q 2>/dev/null\n"
			   "\tend\n"
			   "end\n"
			   "complete -c wherry -f\n";

/** fish's quotes know a backslash inside them. */
static void quote(FILE *out, const char *text)
{
	putc('\'', out);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('\'', out);
}

static void print_signals(FILE *out)
{
	putc('\'', out);
	for (size_t i = 0; i < signal_names.len; i++)
		fprintf(out, "%s%s", i ? " " : "", signal_names.rows[i].name);
	putc('\'', out);
}

static void print_kind(FILE *out, enum completion kind)
{
	static const char *const kinds[] = {
	    [COMPLETE_NOTHING] = "",
	    [COMPLETE_FILE] = " -F",
	    [COMPLETE_DIRECTORY] = " -a '(__fish_complete_directories)'",
	    [COMPLETE_CONTAINER] = " -a '(__wherry_containers)'",
	    [COMPLETE_SIGNAL] = " -a ",
	    [COMPLETE_COMMAND] = " -a '(__fish_complete_command)'",
	};

	fputs(kinds[kind], out);
	if (kind == COMPLETE_SIGNAL)
		print_signals(out);
}

static void print_set(FILE *out, const char *condition, const struct option_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct option *option = &set->options[i];

		fprintf(out, "complete -c wherry -n '%s' -l %s", condition, option->name);
		if (option->letter)
			fprintf(out, " -s %c", option->letter);
		if (option->argument)
			fputs(option->complete == COMPLETE_FILE ? " -r" : " -x", out);
		print_kind(out, option->complete);
		if (option->choices) {
			fputs(" -a '", out);
			for (size_t k = 0; option->choices[k]; k++)
				fprintf(out, "%s%s", k ? " " : "", option->choices[k]);
			putc('\'', out);
		}
		fputs(" -d ", out);
		quote(out, option->help);
		putc('\n', out);
	}
}

static void print_verb(FILE *out, const struct verb *verb)
{
	struct option_set sets[VERB_SETS_MAX];
	size_t count = verb_option_sets(verb, NULL, NULL, sets);
	char condition[80];

	fprintf(out, "complete -c wherry -n __fish_use_subcommand -a %s -d ", verb->name);
	quote(out, verb->summary);
	putc('\n', out);
	snprintf(condition, sizeof(condition), "__fish_seen_subcommand_from %s", verb->name);
	for (size_t i = 0; i < count; i++)
		print_set(out, condition, &sets[i]);
	for (size_t i = 0; i < verb->n_arguments; i++) {
		if (verb->arguments[i].complete == COMPLETE_NOTHING)
			continue;
		fprintf(out, "complete -c wherry -n '%s'", condition);
		print_kind(out, verb->arguments[i].complete);
		putc('\n', out);
	}
}

void completion_fish(FILE *out)
{
	struct option_set global = {global_options, n_global_options, NULL};

	fputs(head, out);
	print_set(out, "__fish_use_subcommand", &global);
	for (size_t i = 0; i < n_verbs; i++) {
		if (!verbs[i]->hidden)
			print_verb(out, verbs[i]);
	}
}
