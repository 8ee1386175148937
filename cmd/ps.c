/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cmd/ps_table.h"
#include "cmd/verb.h"

enum ps_format { PS_TABLE, PS_JSON };

struct ps_args {
	struct choice format;
	bool quiet;
};

static const char *const formats[] = {[PS_TABLE] = "table", [PS_JSON] = "json", NULL};

static const struct option ps_options[] = {
    OPTION("format", 'f', option_choice, struct ps_args, format, "FORMAT",
	   "table (the default) or json", .choices = formats),
    OPTION("quiet", 'q', option_flag, struct ps_args, quiet, NULL, "print the pids alone"),
};

static const struct argument ps_arguments[] = {
    ARGUMENT("ID", COMPLETE_CONTAINER),
    REPEATED_ARGUMENT("PS-OPTION", COMPLETE_NOTHING),
};

static bool command_follows(const void *args)
{
	return true;
}

static void print_json(const pid_t *pids, size_t count)
{
	putchar('[');
	for (size_t i = 0; i < count; i++)
		printf("%s%d", i ? "," : "", pids[i]);
	puts("]");
}

static void print_lines(const pid_t *pids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("%d\n", pids[i]);
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct ps_args *args = data;
	pid_t *pids;
	size_t count;
	int rc;

	rc = container_pids(&cli->runtime, cli->args[0], cli->arena, &pids, &count, err);
	if (rc < 0)
		return rc;
	if (args->format.value == PS_JSON) {
		print_json(pids, count);
		return 0;
	}
	if (args->quiet) {
		print_lines(pids, count);
		return 0;
	}
	return ps_table_print(stdout, pids, count, cli->args + 1, cli->n_args - 1, cli->arena, err);
}

const struct verb verb_ps = {
    .name = "ps",
    .summary = "list the processes of a container",
    .details = "The table is ps(1)'s, with the options after ID (default: -ef), cut down to the "
	       "container.\n"
	       "The JSON form is an array of pids, as the host numbers them.",
    VERB_OPTIONS(ps_options),
    VERB_ARGUMENTS(ps_arguments),
    .args_size = sizeof(struct ps_args),
    .command_follows = command_follows,
    .run = run,
};
