/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/create_options.h"
#include "cmd/verb.h"

static const struct option create_options[] = {
    CREATE_OPTIONS(struct create_options, ),
};

static unsigned int preserved_fds(const void *args)
{
	return ((const struct create_options *)args)->preserve_fds;
}

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	struct create_options opts = *(const struct create_options *)args;

	opts.id = cli->args[0];
	return container_create(&cli->runtime, &opts, err);
}

const struct verb verb_create = {
    .name = "create",
    .summary = "create a container; its program waits for 'start'",
    .details =
	"The bundle is a directory with a config.json and the container's root file system.\n"
	"ID is the container's name from now on.",
    VERB_OPTIONS(create_options),
    VERB_ARGUMENTS(verb_id_argument),
    .args_size = sizeof(struct create_options),
    .traced = true,
    .preserved_fds = preserved_fds,
    .run = run,
};
