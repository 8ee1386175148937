/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/size.h"
#include "cmd/verb.h"

/** The kernel found less than what was asked for: neither a success nor an error. */
#define PARTIAL_STATUS 2

static const struct argument reclaim_arguments[] = {
    ARGUMENT("ID", COMPLETE_CONTAINER),
    ARGUMENT("SIZE", COMPLETE_NOTHING),
};

static int check(const struct cli *cli, const void *args, struct wh_error *err)
{
	int64_t bytes;

	if (size_parse(cli->args[1], &bytes) < 0 || bytes == 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "SIZE '%s': expected a size like 512m",
				    cli->args[1]);
	return 0;
}

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	struct cgroup_reclaimed reclaimed;
	char came_back[SIZE_TEXT], asked[SIZE_TEXT], left[SIZE_TEXT];
	int64_t bytes = 0;
	int partial;

	size_parse(cli->args[1], &bytes);
	partial = container_reclaim(&cli->runtime, cli->args[0], (uint64_t)bytes, &reclaimed, err);
	if (partial < 0)
		return partial;
	printf("%llu bytes came back: %s of %s; %s in use%s\n",
	       (unsigned long long)reclaimed.came_back, size_format(reclaimed.came_back, came_back),
	       size_format((uint64_t)bytes, asked), size_format(reclaimed.left, left),
	       partial ? ", of which the kernel found no more to take" : "");
	return partial ? PARTIAL_STATUS : 0;
}

const struct verb verb_reclaim = {
    .name = "reclaim",
    .summary = "give memory of a container back to the host",
    .details =
	"The kernel writes SIZE (512m, 1.5g) of the container's memory back or swaps it out.\n"
	"The exit status is 2 when it found less than that.",
    VERB_ARGUMENTS(reclaim_arguments),
    .check = check,
    .run = run,
};
