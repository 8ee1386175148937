/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/verb.h"

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	return container_resume(&cli->runtime, cli->args[0], err);
}

const struct verb verb_resume = {
    .name = "resume",
    .summary = "thaw the processes of a paused container",
    VERB_ARGUMENTS(verb_id_argument),
    .run = run,
};
