/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/completion.h"
#include "cmd/global_options.h"
#include "cmd/verb.h"

/* All words are walked to find --root, the verb, and how many arguments it has so far; bash breaks
 * words at '='. */
static const char head[] =
    "# bash completion of wherry, made from its tables of options\n"
    "_wherry()\n"
    "{\n"
    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "\tlocal verb= root= kind=nothing words= option= i arguments=0\n"
    "\n"
    "\tif [[ $cur == = ]]; then\n"
    "\t\tcur=\n"
    "\telif [[ $prev == = ]]; then\n"
    "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
    "\tfi\n"
    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
    "\t\tcase \"$verb ${COMP_WORDS[i]}\" in\n";

static const char middle[] = ")\n"
			     "\t\t\toption=${COMP_WORDS[i]}\n"
			     "\t\t\t((i++))\n"
			     "\t\t\t[[ ${COMP_WORDS[i]} != = ]] || ((i++))\n"
			     "\t\t\t[[ $option != --root ]] || root=${COMP_WORDS[i]}\n"
			     "\t\t\t;;\n"
			     "\t\t*' -'*|*' =') ;;\n"
			     "\t\t*)\n"
			     "\t\t\tif [[ -z $verb ]]; then\n"
			     "\t\t\t\tverb=${COMP_WORDS[i]}\n"
			     "\t\t\telse\n"
			     "\t\t\t\t((arguments++))\n"
			     "\t\t\tfi\n"
			     "\t\t\t;;\n"
			     "\t\tesac\n"
			     "\tdone\n";

static const char tail[] =
    "\tcase $kind in\n"
    "\tfile) COMPREPLY=($(compgen -f -- \"$cur\")); compopt -o filenames ;;\n"
    "\tdirectory) COMPREPLY=($(compgen -d -- \"$cur\")); compopt -o filenames ;;\n"
    "\tcommand) COMPREPLY=($(compgen -c -- \"$cur\")) ;;\n"
    "\tcontainer) COMPREPLY=($(compgen -W \"$(wherry ${root:+--root \"$root\"} list -q "
    "2>/dev/null)\" -- \"$cur\")) ;;\n"
    "\t*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
    "\tesac\n"
    "}\n"
    "complete -F _wherry wherry\n";

static const char *const kinds[] = {
    [COMPLETE_NOTHING] = "nothing",     [COMPLETE_FILE] = "file",
    [COMPLETE_DIRECTORY] = "directory", [COMPLETE_CONTAINER] = "container",
    [COMPLETE_SIGNAL] = "signal",       [COMPLETE_COMMAND] = "command",
};

static void print_kind(FILE *out, enum completion kind)
{
	if (kind != COMPLETE_SIGNAL) {
		fprintf(out, "kind=%s", kinds[kind]);
		return;
	}
	fputs("words='", out);
	completion_print_signals(out);
	putc('\'', out);
}

/** An option whose value is the next word, as patterns of a case. */
static void print_patterns(FILE *out, const char *verb, const struct option *option)
{
	fprintf(out, "\"%s --%s\"", verb, option->name);
	if (option->letter)
		fprintf(out, "|\"%s -%c\"", verb, option->letter);
}

static void print_skip(FILE *out, const char *verb, const struct option *option)
{
	if (!option->argument)
		return;
	fputs("|\\\n\t\t", out);
	print_patterns(out, verb, option);
}

/** What comes after an option that takes a value. */
static void print_value(FILE *out, const char *verb, const struct option *option)
{
	if (!option->argument)
		return;
	putc('\t', out);
	print_patterns(out, verb, option);
	fputs(") ", out);
	if (option->choices) {
		fputs("words='", out);
		completion_print_choices(out, option);
		putc('\'', out);
	} else {
		print_kind(out, option->complete);
	}
	fputs(" ;;\n", out);
}

static void print_names(FILE *out, const struct option_set *sets, size_t count)
{
	const char *between = "";

	for (size_t s = 0; s < count; s++) {
		for (size_t i = 0; i < sets[s].count; i++) {
			fprintf(out, "%s--%s", between, sets[s].options[i].name);
			between = " ";
		}
	}
}

static void print_arguments(FILE *out, const struct verb *verb)
{
	fprintf(out, "\t\t\"%s \"*)\n\t\t\tcase $arguments in\n", verb->name);
	for (size_t i = 0; i < verb->n_arguments; i++) {
		if (verb->arguments[i].repeated)
			fputs("\t\t\t*) ", out);
		else
			fprintf(out, "\t\t\t%zu) ", i);
		if (streq(verb->name, "help"))
			fputs("words=$verbs", out);
		else
			print_kind(out, verb->arguments[i].complete);
		fputs(" ;;\n", out);
	}
	fputs("\t\t\tesac\n\t\t\t;;\n", out);
}

static void print_verb_names(FILE *out)
{
	struct option_set global = {global_options, n_global_options, NULL};

	fputs("\t*)\n\t\tcase \"$verb $cur\" in\n\t\t\" \"*) words=\"$verbs ", out);
	print_names(out, &global, 1);
	fputs("\" ;;\n", out);
	for (size_t i = 0; i < n_verbs; i++) {
		struct option_set sets[VERB_SETS_MAX];
		size_t count = verb_option_sets(verbs[i], NULL, NULL, sets);

		if (verbs[i]->hidden)
			continue;
		fprintf(out, "\t\t\"%s -\"*) words='", verbs[i]->name);
		print_names(out, sets, count);
		fputs("' ;;\n", out);
		if (verbs[i]->n_arguments)
			print_arguments(out, verbs[i]);
	}
	fputs("\t\tesac\n\t\t;;\n\tesac\n", out);
}

void completion_bash(FILE *out)
{
	fputs(head, out);
	/* something to put the first '|' after */
	fputs("\t\tnever", out);
	completion_each_option(out, print_skip);
	fputs(middle, out);
	fputs("\tlocal verbs='", out);
	for (size_t i = 0; i < n_verbs; i++) {
		if (!verbs[i]->hidden)
			fprintf(out, "%s%s", i > 1 ? " " : "", verbs[i]->name);
	}
	fputs("'\n\tcase \"$verb $prev\" in\n", out);
	completion_each_option(out, print_value);
	print_verb_names(out);
	fputs(tail, out);
}
