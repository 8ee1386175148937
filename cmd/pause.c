/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/verb.h"

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	return container_pause(&cli->runtime, cli->args[0], err);
}

const struct verb verb_pause = {
    .name = "pause",
    .summary = "freeze all processes of a container",
    VERB_ARGUMENTS(verb_id_argument),
    .run = run,
};
