/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/verb.h"

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	return container_start(&cli->runtime, cli->args[0], err);
}

const struct verb verb_start = {
    .name = "start",
    .summary = "start the program of a created container",
    VERB_ARGUMENTS(verb_id_argument),
    .traced = true,
    .run = run,
};
