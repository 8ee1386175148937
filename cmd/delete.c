/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/verb.h"

struct delete_args {
	bool force;
};

static const struct option delete_options[] = {
    OPTION("force", 'f', option_flag, struct delete_args, force, NULL,
	   "end the container first when it runs; a missing one is no error"),
};

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct delete_args *args = data;

	return container_delete(&cli->runtime, cli->args[0], args->force, err);
}

const struct verb verb_delete = {
    .name = "delete",
    .summary = "remove a stopped container and all that was made for it",
    VERB_OPTIONS(delete_options),
    VERB_ARGUMENTS(verb_id_argument),
    .args_size = sizeof(struct delete_args),
    .traced = true,
    .run = run,
};
