/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/stats_row.h"
#include "cmd/table.h"
#include "cmd/verb.h"

#define DEFAULT_INTERVAL_MS 1000

/** Home, and clear what is below: the terminal's cursor stays where a table starts. */
#define REDRAW "\033[H\033[J"

enum stats_format { STATS_TABLE, STATS_JSON };

struct stats_args {
	struct choice format;
	const int64_t *interval_ms;
	bool no_stream;
};

static const char *const formats[] = {[STATS_TABLE] = "table", [STATS_JSON] = "json", NULL};

static const struct option stats_options[] = {
    OPTION("format", 'f', option_choice, struct stats_args, format, "FORMAT",
	   "table (the default) or json", .choices = formats),
    OPTION("interval", '\0', option_duration, struct stats_args, interval_ms, "DURATION",
	   "time between two looks (default: 1s)"),
    OPTION("no-stream", '\0', option_flag, struct stats_args, no_stream, NULL,
	   "print one table and end"),
};

static const struct argument stats_arguments[] = {
    REPEATED_ARGUMENT("ID", COMPLETE_CONTAINER),
};

/** One look at all containers; what it holds lives in its arena. */
struct look {
	struct arena arena;
	struct stats_row *rows;
	size_t count;
	uint64_t at_ns;
};

static const struct stats_row *find_row(const struct look *look, const char *id)
{
	for (size_t i = 0; i < look->count; i++)
		if (streq(look->rows[i].id, id))
			return &look->rows[i];
	return NULL;
}

/**
 * Add the row of one container. One that was not named and is not running, is gone, or has no
 * cgroup of its own, is not in the table. Returns 0 or -errno.
 */
static int add_row(const struct cli *cli, const char *id, const struct look *before,
		   struct look *look, struct wh_error *err)
{
	struct oci_stats stats;
	int rc = container_stats(&cli->runtime, id, &look->arena, &stats, err);

	if (rc < 0 && cli->n_args == 0 && rc != -ENOMEM) {
		*err = WH_ERROR_INIT;
		return 0;
	}
	if (rc < 0)
		return rc;
	look->rows[look->count++] =
	    stats_row_make(id, &stats, find_row(before, id), look->at_ns - before->at_ns);
	return 0;
}

/** The ids to look at: those that were named, or all. */
static int list_ids(const struct cli *cli, struct arena *arena, const char ***ret_ids,
		    size_t *ret_count, struct wh_error *err)
{
	struct oci_state *states = NULL;
	size_t count = cli->n_args;
	const char **ids;

	if (!count) {
		int rc = container_list(&cli->runtime, arena, &states, &count, err);

		if (rc < 0)
			return rc;
	}
	ids = arena_array(arena, const char *, count + 1);
	if (!ids)
		return wh_oom(err);
	for (size_t i = 0; i < count; i++)
		ids[i] = states ? states[i].id : cli->args[i];
	*ret_ids = ids;
	*ret_count = count;
	return 0;
}

static int take_look(const struct cli *cli, const struct look *before, struct look *look,
		     struct wh_error *err)
{
	const char **ids = NULL;
	size_t count = 0;
	int rc = arena_init(&look->arena, err);

	if (rc == 0)
		rc = list_ids(cli, &look->arena, &ids, &count, err);
	if (rc < 0)
		return rc;
	look->rows = arena_array(&look->arena, struct stats_row, count + 1);
	if (!look->rows)
		return wh_oom(err);
	look->at_ns = clock_ns();
	for (size_t i = 0; i < count; i++) {
		rc = add_row(cli, ids[i], before, look, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int print_table(struct look *look, struct wh_error *err)
{
	const char **cells =
	    arena_array(&look->arena, const char *, look->count *STATS_COLUMNS + 1);

	if (!cells)
		return wh_oom(err);
	for (size_t i = 0; i < look->count; i++)
		if (stats_row_cells(&look->rows[i], &look->arena, cells + i * STATS_COLUMNS) < 0)
			return wh_oom(err);
	table_print(stdout, stats_header, STATS_COLUMNS, cells, look->count);
	return 0;
}

/** One line. */
static int print_json(struct look *look, struct wh_error *err)
{
	struct json_writer writer;
	const char *json;
	size_t len;
	int rc;

	json_writer_init(&writer, NULL);
	json_write_array_begin(&writer);
	for (size_t i = 0; i < look->count; i++)
		stats_row_json(&look->rows[i], &writer);
	json_write_array_end(&writer);
	rc = json_writer_finish(&writer, &look->arena, &json, &len, err);
	if (rc == 0)
		puts(json);
	return rc;
}

static int print_look(const struct stats_args *args, struct look *look, struct wh_error *err)
{
	bool table = args->format.value == STATS_TABLE;

	if (table && !args->no_stream && isatty(STDOUT_FILENO))
		fputs(REDRAW, stdout);
	return table ? print_table(look, err) : print_json(look, err);
}

static void sleep_ms(int64_t ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/**
 * Look and print until there is nobody to print for. The first look is silent where its table would
 * be the only one: processor time is told between two.
 */
static int stream(struct cli *cli, const struct stats_args *args, struct wh_error *err)
{
	struct look looks[2] = {{.arena = {.fd = -EBADF}}, {.arena = {.fd = -EBADF}}};
	int64_t interval_ms = args->interval_ms ? *args->interval_ms : DEFAULT_INTERVAL_MS;
	int write_errno = 0;
	int rc = 0;

	for (unsigned int n = 0; rc == 0 && !write_errno; n++) {
		struct look *look = &looks[n % 2], *before = &looks[(n + 1) % 2];

		if (n)
			sleep_ms(interval_ms);
		arena_done(&look->arena);
		*look = (struct look){.arena = {.fd = -EBADF}};
		rc = take_look(cli, before, look, err);
		if (rc < 0 || (n == 0 && args->no_stream))
			continue;
		rc = print_look(args, look, err);
		if (rc == 0 && fflush(stdout) != 0)
			write_errno = errno;
		if (args->no_stream)
			break;
	}
	arena_done(&looks[0].arena);
	arena_done(&looks[1].arena);
	errno = write_errno; /* main() says what is to be said about a stream that failed */
	return rc;
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	return stream(cli, data, err);
}

const struct verb verb_stats = {
    .name = "stats",
    .summary = "show what containers use, live",
    .details =
	"A table of the containers with these IDs, or of all that are not stopped, refreshed\n"
	"until it is interrupted. Programs are better served by events.",
    VERB_OPTIONS(stats_options),
    VERB_ARGUMENTS(stats_arguments),
    .args_size = sizeof(struct stats_args),
    .run = run,
};
