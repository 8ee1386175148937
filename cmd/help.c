/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/help.h"

#include <errno.h>

#include "cmd/global_options.h"
#include "cmd/verb.h"

void help_print_usage(FILE *out, const struct verb *verb)
{
	if (!verb) {
		fputs("wherry [OPTION]... VERB [ARGUMENT]...", out);
		return;
	}
	fprintf(out, "wherry %s [OPTION]...", verb->name);
	for (size_t i = 0; i < verb->n_arguments; i++) {
		const struct argument *argument = &verb->arguments[i];

		fprintf(out, argument->optional ? " [%s]%s" : " %s%s", argument->name,
			argument->repeated ? "..." : "");
	}
}

void help_print(FILE *out)
{
	fputs("wherry - an OCI container runtime\n\nUsage: ", out);
	help_print_usage(out, NULL);
	fputs("\n\nVerbs:\n", out);
	for (size_t i = 0; i < n_verbs; i++) {
		if (!verbs[i]->hidden)
			fprintf(out, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
	}
	fputs("\nOptions:\n", out);
	options_print(out, &(struct option_set){global_options, n_global_options, NULL}, 1);
	fputs("\nA container without a bundle:  wherry run --rootfs DIR ID CMD\n"
	      "More about a verb:             wherry help VERB, or man wherry-VERB\n",
	      out);
}

void help_print_verb(FILE *out, const struct verb *verb)
{
	struct option_set sets[VERB_SETS_MAX];
	size_t count = verb_option_sets(verb, NULL, NULL, sets);

	fprintf(out, "wherry %s - %s\n\nUsage: ", verb->name, verb->summary);
	help_print_usage(out, verb);
	if (verb->details)
		fprintf(out, "\n\n%s", verb->details);
	fputs("\n\nOptions:\n", out);
	options_print(out, sets, count);
}

static const struct argument help_arguments[] = {
    OPTIONAL_ARGUMENT("VERB", COMPLETE_NOTHING),
};

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	const struct verb *verb;

	if (cli->n_args == 0) {
		help_print(stdout);
		return 0;
	}
	verb = verb_find(cli->args[0], err);
	if (!verb)
		return -EINVAL;
	help_print_verb(stdout, verb);
	return 0;
}

const struct verb verb_help = {
    .name = "help",
    .summary = "show help, about everything or one verb",
    VERB_ARGUMENTS(help_arguments),
    .stateless = true,
    .run = run,
};
