/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cmd/table.h"
#include "cmd/verb.h"

enum list_format { LIST_TABLE, LIST_JSON };

struct list_args {
	struct choice format;
	bool quiet;
};

static const char *const formats[] = {[LIST_TABLE] = "table", [LIST_JSON] = "json", NULL};

static const struct option list_options[] = {
    OPTION("format", 'f', option_choice, struct list_args, format, "FORMAT",
	   "table (the default) or json", .choices = formats),
    OPTION("quiet", 'q', option_flag, struct list_args, quiet, NULL, "print the ids alone"),
};

static void print_ids(const struct oci_state *states, size_t count)
{
	for (size_t i = 0; i < count; i++)
		puts(states[i].id);
}

/** An indented document on one line: no string of JSON holds a newline. */
static void print_one_line(const char *json)
{
	for (; *json; json++) {
		if (*json == '\n')
			json += strspn(json + 1, " ");
		else
			putchar(*json);
	}
}

/** One line, as runc prints it; no container at all is an empty list. */
static int print_json(const struct oci_state *states, size_t count, struct arena *arena,
		      struct wh_error *err)
{
	putchar('[');
	for (size_t i = 0; i < count; i++) {
		const char *json;
		size_t len;
		int rc = oci_state_encode(&states[i], true, arena, &json, &len, err);

		if (rc < 0)
			return rc;
		if (i)
			putchar(',');
		print_one_line(json);
	}
	puts("]");
	return 0;
}

static int print_table(const struct oci_state *states, size_t count, struct arena *arena,
		       struct wh_error *err)
{
	static const char *const header[] = {"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"};
	const char **cells = arena_array(arena, const char *, count *ARRAY_LEN(header));

	if (count && !cells)
		return wh_oom(err);
	for (size_t i = 0; i < count; i++) {
		const struct oci_state *state = &states[i];
		const char **row = cells + i * ARRAY_LEN(header);

		row[0] = state->id;
		row[1] = arena_printf(arena, "%lld", (long long)state->pid);
		row[2] = oci_status_name((enum oci_status)state->status);
		row[3] = state->bundle;
		row[4] = state->created;
		row[5] = state->owner;
		if (!row[1])
			return wh_oom(err);
	}
	table_print(stdout, header, ARRAY_LEN(header), cells, count);
	return 0;
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct list_args *args = data;
	struct oci_state *states;
	size_t count;
	int rc;

	rc = container_list(&cli->runtime, cli->arena, &states, &count, err);
	if (rc < 0)
		return rc;
	if (args->quiet) {
		print_ids(states, count);
		return 0;
	}
	if (args->format.value == LIST_JSON)
		return print_json(states, count, cli->arena, err);
	return print_table(states, count, cli->arena, err);
}

const struct verb verb_list = {
    .name = "list",
    .summary = "list the containers",
    VERB_OPTIONS(list_options),
    .args_size = sizeof(struct list_args),
    .run = run,
};
