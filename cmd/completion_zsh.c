/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/completion.h"
#include "cmd/global_options.h"
#include "cmd/verb.h"

#define SPECIAL ":[]\\"

static const char head[] =
    "#compdef wherry\n"
    "# zsh completion of wherry, made from its tables of options\n"
    "_wherry_containers()\n"
    "{\n"
    "\tlocal root=$wherry_root\n"
    "\tlocal -a ids=(${(f)\"$(wherry ${root:+--root} ${root:+$root} list -q 2>/dev/null)\"})\n"
    "\t_describe container ids\n"
    "}\n";

static const char *const actions[] = {
    [COMPLETE_NOTHING] = " ",
    [COMPLETE_FILE] = "_files",
    [COMPLETE_DIRECTORY] = "_files -/",
    [COMPLETE_CONTAINER] = "_wherry_containers",
    [COMPLETE_SIGNAL] = "_wherry_signals",
    [COMPLETE_COMMAND] = "_command_names -e",
};

static void print_signals(FILE *out)
{
	fputs("_wherry_signals()\n{\n\tlocal -a names=(", out);
	completion_print_signals(out);
	fputs(")\n\t_describe signal names\n}\n", out);
}

static void print_action(FILE *out, const struct option *option)
{
	if (!option->choices) {
		fputs(actions[option->complete], out);
		return;
	}
	putc('(', out);
	completion_print_choices(out, option);
	putc(')', out);
}

/** The inside of a string in single quotes; what _arguments reads as its own gets a backslash. */
static void put_quoted(FILE *out, const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'') {
			fputs("'\\''", out);
			continue;
		}
		if (strchr(special, *text))
			putc('\\', out);
		putc(*text, out);
	}
}

/** '(-b --bundle)'{-b,--bundle}'[help]:DIR:_files -/' */
static void print_option(FILE *out, const struct option *option)
{
	bool repeated = option->type == &option_list;

	fputs(" \\\n\t\t", out);
	if (!option->letter)
		fprintf(out, "'%s--%s", repeated ? "*" : "", option->name);
	else if (repeated)
		fprintf(out, "'*'{-%c,--%s}'", option->letter, option->name);
	else
		fprintf(out, "'(-%c --%s)'{-%c,--%s}'", option->letter, option->name,
			option->letter, option->name);
	putc('[', out);
	put_quoted(out, option->help, SPECIAL);
	putc(']', out);
	if (option->argument) {
		putc(':', out);
		put_quoted(out, option->argument, SPECIAL);
		putc(':', out);
		print_action(out, option);
	}
	putc('\'', out);
}

static void print_set(FILE *out, const struct option_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		print_option(out, &set->options[i]);
}

static void print_verb(FILE *out, const struct verb *verb)
{
	struct option_set sets[VERB_SETS_MAX];
	size_t count = verb_option_sets(verb, NULL, NULL, sets);

	fprintf(out, "\t%s)\n\t\t_arguments", verb->name);
	for (size_t i = 0; i < count; i++)
		print_set(out, &sets[i]);
	for (size_t i = 0; i < verb->n_arguments; i++) {
		const struct argument *argument = &verb->arguments[i];
		const char *action =
		    streq(verb->name, "help") ? "_wherry_verbs" : actions[argument->complete];

		if (argument->repeated)
			fprintf(out, " \\\n\t\t'*:%s:%s'", argument->name, action);
		else
			fprintf(out, " \\\n\t\t'%zu:%s:%s'", i + 1, argument->name, action);
	}
	fputs("\n\t\t;;\n", out);
}

static void print_verbs(FILE *out)
{
	fputs("_wherry_verbs()\n{\n\tlocal -a names=(\n", out);
	for (size_t i = 0; i < n_verbs; i++) {
		if (verbs[i]->hidden)
			continue;
		fprintf(out, "\t\t'%s:", verbs[i]->name);
		put_quoted(out, verbs[i]->summary, "");
		fputs("'\n", out);
	}
	fputs("\t)\n\t_describe verb names\n}\n", out);
}

void completion_zsh(FILE *out)
{
	struct option_set global = {global_options, n_global_options, NULL};

	fputs(head, out);
	print_signals(out);
	print_verbs(out);
	fputs("_wherry()\n{\n\tlocal context state state_descr line\n\ttypeset -A "
	      "opt_args\n\n\t_arguments -C",
	      out);
	print_set(out, &global);
	fputs(" \\\n\t\t'1:verb:_wherry_verbs' \\\n\t\t'*::argument:->argument'\n"
	      "\t[[ $state == argument ]] || return\n"
	      "\tlocal wherry_root=${opt_args[--root]}\n"
	      "\tcase $line[1] in\n",
	      out);
	for (size_t i = 0; i < n_verbs; i++) {
		if (!verbs[i]->hidden)
			print_verb(out, verbs[i]);
	}
	fputs("\tesac\n}\n_wherry \"$@\"\n", out);
}
