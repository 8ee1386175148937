/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signal_name.h"
#include "cmd/verb.h"

struct kill_args {
	bool all;
	const char *signal;
};

static const struct option kill_options[] = {
    OPTION("all", 'a', option_flag, struct kill_args, all, NULL,
	   "send it to every process of the container"),
    OPTION("signal", 's', option_string, struct kill_args, signal, "SIGNAL",
	   "the signal, as a number or a name in any case (default: TERM)",
	   .complete = COMPLETE_SIGNAL),
};

static const struct argument kill_arguments[] = {
    ARGUMENT("ID", COMPLETE_CONTAINER),
    OPTIONAL_ARGUMENT("SIGNAL", COMPLETE_SIGNAL),
};

static const char *signal_text(const struct cli *cli, const struct kill_args *args)
{
	if (cli->n_args > 1)
		return cli->args[1];
	return args->signal ? args->signal : "TERM";
}

static int check(const struct cli *cli, const void *data, struct wh_error *err)
{
	const struct kill_args *args = data;

	if (args->signal && cli->n_args > 1)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "two signals: '%s' and '%s'",
				    args->signal, cli->args[1]);
	if (signal_parse(signal_text(cli, args)) < 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "unknown signal '%s'",
				    signal_text(cli, args));
	return 0;
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct kill_args *args = data;

	return container_kill(&cli->runtime, cli->args[0], signal_parse(signal_text(cli, args)),
			      args->all, err);
}

const struct verb verb_kill = {
    .name = "kill",
    .summary = "send a signal to the process of a container",
    .details =
	"SIGNAL is a number or a name in any case: 9, KILL, SIGKILL, RTMIN+3. The default is TERM.",
    VERB_OPTIONS(kill_options),
    VERB_ARGUMENTS(kill_arguments),
    .args_size = sizeof(struct kill_args),
    .check = check,
    .run = run,
};
