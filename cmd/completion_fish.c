/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/completion.h"
#include "cmd/global_options.h"
#include "cmd/verb.h"

/* The words so far are walked to find the verb, and how many arguments it has: an option's value is neither. */
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
			   "# __wherry_at VERB [FROM [TO]]: it is the verb (\"\": there is none "
			   "yet), and has had so many arguments\n"
			   "function __wherry_at\n"
			   "\tset -l words (commandline -opc)\n"
			   "\tset -l verb \"\"\n"
			   "\tset -l arguments 0\n"
			   "\tset -e words[1]\n"
			   "\twhile set -q words[1]\n"
			   "\t\tswitch \"$verb $words[1]\"\n"
			   "\t\t\tcase";

static const char tail[] = "\n"
			   "\t\t\t\tset -e words[1]\n"
			   "\t\t\tcase '* -*'\n"
			   "\t\t\tcase '*'\n"
			   "\t\t\t\tif test -z \"$verb\"\n"
			   "\t\t\t\t\tset verb $words[1]\n"
			   "\t\t\t\telse\n"
			   "\t\t\t\t\tset arguments (math $arguments + 1)\n"
			   "\t\t\t\tend\n"
			   "\t\tend\n"
			   "\t\tset -e words[1]\n"
			   "\tend\n"
			   "\ttest \"$verb\" = \"$argv[1]\"\n"
			   "\tor return\n"
			   "\tset -q argv[2]\n"
			   "\tor return 0\n"
			   "\ttest $arguments -ge $argv[2]\n"
			   "\tor return\n"
			   "\tset -q argv[3]\n"
			   "\tor return 0\n"
			   "\ttest $arguments -le $argv[3]\n"
			   "end\n"
			   "complete -c wherry -f\n";

/** An option whose value is the next word, as patterns of a case. */
static void print_skip(FILE *out, const char *verb, const struct option *option)
{
	if (!option->argument)
		return;
	fprintf(out, " '%s --%s'", verb, option->name);
	if (option->letter)
		fprintf(out, " '%s -%c'", verb, option->letter);
}

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
	if (kind == COMPLETE_SIGNAL) {
		putc('\'', out);
		completion_print_signals(out);
		putc('\'', out);
	}
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
			completion_print_choices(out, option);
			putc('\'', out);
		}
		fputs(" -d ", out);
		quote(out, option->help);
		putc('\n', out);
	}
}

static void print_verb(FILE *out, const struct verb *verb)
{
	static const char *const before[] = {"\"\"", "help 0 0"};
	struct option_set sets[VERB_SETS_MAX];
	size_t count = verb_option_sets(verb, NULL, NULL, sets);
	char condition[80];

	for (size_t i = 0; i < ARRAY_LEN(before); i++) {
		fprintf(out, "complete -c wherry -n '__wherry_at %s' -a %s -d ", before[i],
			verb->name);
		quote(out, verb->summary);
		putc('\n', out);
	}
	snprintf(condition, sizeof(condition), "__wherry_at %s", verb->name);
	for (size_t i = 0; i < count; i++)
		print_set(out, condition, &sets[i]);
	for (size_t i = 0; i < verb->n_arguments; i++) {
		const struct argument *argument = &verb->arguments[i];

		if (argument->complete == COMPLETE_NOTHING)
			continue;
		fprintf(out, "complete -c wherry -n '%s %zu", condition, i);
		if (!argument->repeated)
			fprintf(out, " %zu", i);
		putc('\'', out);
		print_kind(out, argument->complete);
		putc('\n', out);
	}
}

void completion_fish(FILE *out)
{
	struct option_set global = {global_options, n_global_options, NULL};

	fputs(head, out);
	completion_each_option(out, print_skip);
	fputs(tail, out);
	print_set(out, "__wherry_at \"\"", &global);
	for (size_t i = 0; i < n_verbs; i++) {
		if (!verbs[i]->hidden)
			print_verb(out, verbs[i]);
	}
}
