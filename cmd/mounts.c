/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/verb.h"

static const struct argument mounts_arguments[] = {
    ARGUMENT("add|remove", COMPLETE_NOTHING),
    ARGUMENT("ID", COMPLETE_CONTAINER),
    ARGUMENT("FILE", COMPLETE_FILE),
};

static int check(const struct cli *cli, const void *args, struct wh_error *err)
{
	if (streq(cli->args[0], "add") || streq(cli->args[0], "remove"))
		return 0;
	return wh_fail_kind(err, WH_ERROR_USAGE, 0, "'%s': expected add or remove", cli->args[0]);
}

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	struct mounts_options opts = {
	    .id = cli->args[1],
	    .file = cli->args[2],
	    .remove = streq(cli->args[0], "remove"),
	};

	return container_mounts(&cli->runtime, &opts, err);
}

const struct verb verb_mounts = {
    .name = "mounts",
    .summary = "mount something in a running container, or take it away",
    .details = "FILE holds a JSON array like 'mounts' of config.json, or an object that has one. "
	       "remove takes away what add has mounted at a destination.",
    VERB_ARGUMENTS(mounts_arguments),
    .check = check,
    .run = run,
};
