/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cmd/verb.h"

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	struct oci_state state;
	const char *json = NULL;
	size_t len = 0;
	int rc;

	rc = container_state(&cli->runtime, cli->args[0], cli->arena, &state, err);
	if (rc == 0)
		rc = oci_state_encode(&state, true, cli->arena, &json, &len, err);
	if (rc < 0)
		return rc;
	fwrite(json, 1, len, stdout);
	return 0;
}

const struct verb verb_state = {
    .name = "state",
    .summary = "print the state of a container as JSON",
    VERB_ARGUMENTS(verb_id_argument),
    .run = run,
};
