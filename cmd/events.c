/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "cmd/verb.h"

#define DEFAULT_INTERVAL_MS 5000

struct events_args {
	const int64_t *interval_ms;
	bool stats;
};

static const struct option events_options[] = {
    OPTION("interval", '\0', option_duration, struct events_args, interval_ms, "DURATION",
	   "time between two lines of statistics (default: 5s)"),
    OPTION("stats", '\0', option_flag, struct events_args, stats, NULL,
	   "print the statistics once, and no events"),
};

/** Where the lines go. */
struct listener {
	const char *id;
	int write_errno; /* not 0: nobody reads any more */
};

/** Who reads along must not wait for a buffer to fill. */
static int print_event(struct listener *listener, const char *type, const struct oci_stats *stats,
		       struct wh_error *err)
{
	struct arena arena = {.fd = -EBADF};
	const char *json = NULL;
	size_t len = 0;
	int rc = arena_init(&arena, err);

	if (rc < 0)
		return rc;
	rc = oci_event_encode(type, listener->id, stats, &arena, &json, &len, err);
	if (rc == 0 && (fwrite(json, 1, len, stdout) != len || fflush(stdout) != 0))
		listener->write_errno = errno;
	arena_done(&arena);
	return rc;
}

static int on_event(void *context, const struct oci_stats *stats, struct wh_error *err)
{
	struct listener *listener = context;
	int rc = print_event(listener, stats ? "stats" : "oom", stats, err);

	return rc == 0 && listener->write_errno ? 1 : rc;
}

static int print_once(struct cli *cli, struct listener *listener, struct wh_error *err)
{
	struct oci_stats stats;
	int rc = container_stats(&cli->runtime, listener->id, cli->arena, &stats, err);

	return rc < 0 ? rc : print_event(listener, "stats", &stats, err);
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct events_args *args = data;
	struct listener listener = {.id = cli->args[0]};
	const struct event_sink sink = {.context = &listener, .event = on_event};
	int rc;

	if (args->stats)
		rc = print_once(cli, &listener, err);
	else
		rc = container_events(&cli->runtime, listener.id,
				      args->interval_ms ? *args->interval_ms : DEFAULT_INTERVAL_MS,
				      &sink, err);
	if (rc < 0)
		return rc;
	/* main() says what is to be said about a stream that failed */
	errno = listener.write_errno;
	return 0;
}

const struct verb verb_events = {
    .name = "events",
    .summary = "print what a container uses and when it is short of memory, as JSON",
    .details =
	"A line of statistics at each interval, and one each time that the kernel has killed\n"
	"something in the container for want of memory; ends with the container.",
    VERB_OPTIONS(events_options),
    VERB_ARGUMENTS(verb_id_argument),
    .args_size = sizeof(struct events_args),
    .run = run,
};
