/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/migrate_progress.h"

#include <inttypes.h>

#include "base/name_table.h"
#include "base/str.h"
#include "cmd/table.h"
#include "oci-spec/json_writer.h"

/** Room for a size or a time as text. */
#define TEXT_SIZE 32

#define MS(ns) ((ns) / 1000000)

const char *migrate_size_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}

const char *migrate_time_text(uint64_t ns, char *buf, size_t size)
{
	if (ns < 1000000000)
		snprintf(buf, size, "%" PRIu64 " ms", MS(ns));
	else
		snprintf(buf, size, "%.2f s", (double)ns / 1e9);
	return buf;
}

/** Bytes a second. */
static uint64_t rate_of(uint64_t bytes, uint64_t ns)
{
	return ns ? (uint64_t)((double)bytes * 1e9 / (double)ns) : 0;
}

/* For a person */

static void print_checked(FILE *out, const struct migrate_event *event)
{
	fprintf(out, "the destination can take the container; mode: %s%s%s\n",
		name_table_name(&migrate_mode_names, event->mode), *event->why ? ", since " : "",
		event->why);
}

static void print_round(FILE *out, const struct migrate_event *event)
{
	char sent[TEXT_SIZE], taken[TEXT_SIZE], rate[TEXT_SIZE], dirty[TEXT_SIZE],
	    expected[TEXT_SIZE];

	fprintf(out, "round %" PRIu64 ": %s in %s (%s/s)", event->round,
		migrate_size_text(event->bytes, sent, TEXT_SIZE),
		migrate_time_text(event->ns, taken, TEXT_SIZE),
		migrate_size_text(rate_of(event->bytes, event->ns), rate, TEXT_SIZE));
	if (event->dirty)
		fprintf(out, ", %s/s are changed, a freeze now would take about %s",
			migrate_size_text(event->dirty, dirty, TEXT_SIZE),
			migrate_time_text(event->expected_ns, expected, TEXT_SIZE));
	fputc('\n', out);
}

static void print_frozen(FILE *out, const struct migrate_event *event)
{
	fputs("the container stands still\n", out);
}

static void print_sent(FILE *out, const struct migrate_event *event)
{
	char sent[TEXT_SIZE], taken[TEXT_SIZE];

	fprintf(out, "round %" PRIu64 ", the last: %s in %s\n", event->round,
		migrate_size_text(event->bytes, sent, TEXT_SIZE),
		migrate_time_text(event->ns, taken, TEXT_SIZE));
}

static void print_prepared(FILE *out, const struct migrate_event *event)
{
	fputs("it is restored at the destination, and held there\n", out);
}

static void print_running(FILE *out, const struct migrate_event *event)
{
	char left[TEXT_SIZE];

	if (event->mode != MIGRATE_POST_COPY) {
		fputs("it runs there, and its memory is read from the images there meanwhile\n",
		      out);
		return;
	}
	fprintf(out,
		"it runs there, and %s of its memory are still here: until they are there, too, "
		"losing the destination loses what it does there, and this end's copy goes on\n",
		migrate_size_text(event->left, left, TEXT_SIZE));
}

static void print_fetched(FILE *out, const struct migrate_event *event)
{
	char sent[TEXT_SIZE], left[TEXT_SIZE], taken[TEXT_SIZE], rate[TEXT_SIZE];

	if (event->mode != MIGRATE_POST_COPY) {
		fprintf(out, "all of its memory is read, after %s\n",
			migrate_time_text(event->ns, taken, TEXT_SIZE));
		return;
	}
	fprintf(out, "memory: %s in %s (%s/s), %s left\n",
		migrate_size_text(event->bytes, sent, TEXT_SIZE),
		migrate_time_text(event->ns, taken, TEXT_SIZE),
		migrate_size_text(rate_of(event->bytes, event->ns), rate, TEXT_SIZE),
		migrate_size_text(event->left, left, TEXT_SIZE));
}

/** Which members the JSON of an event has: those that mean something. */
enum members { NO_MEMBERS, ROUND_MEMBERS, LEFT_MEMBERS };

/** How each event is shown. */
static const struct {
	const char *name;
	void (*print)(FILE *out, const struct migrate_event *event); /* NULL: the report says it */
	enum members members;
} shown[] = {
    [MIGRATE_EVENT_CHECKED] = {"checked",  print_checked,  NO_MEMBERS   },
    [MIGRATE_EVENT_ROUND] = {"round",    print_round,    ROUND_MEMBERS},
    [MIGRATE_EVENT_FROZEN] = {"frozen",   print_frozen,   NO_MEMBERS   },
    [MIGRATE_EVENT_SENT] = {"sent",     print_sent,     ROUND_MEMBERS},
    [MIGRATE_EVENT_PREPARED] = {"prepared", print_prepared, NO_MEMBERS   },
    [MIGRATE_EVENT_RUNNING] = {"running",  print_running,  LEFT_MEMBERS },
    [MIGRATE_EVENT_FETCHED] = {"fetched",  print_fetched,  LEFT_MEMBERS },
    [MIGRATE_EVENT_MOVED] = {"moved",    NULL,           NO_MEMBERS   },
};

/* For a program */

static void text(struct json_writer *writer, const char *key, const char *value)
{
	json_write_key(writer, key);
	json_write_string(writer, value);
}

static void number(struct json_writer *writer, const char *key, uint64_t value)
{
	json_write_key(writer, key);
	json_write_u64(writer, value);
}

/** Finish the object and print it as a line. */
static void put_line(const struct migrate_progress *progress, struct json_writer *writer)
{
	const char *json;
	size_t len;

	json_write_object_end(writer);
	if (json_writer_finish(writer, progress->arena, &json, &len, NULL) == 0)
		fprintf(progress->out, "%.*s\n", (int)len, json);
	(void)fflush(progress->out);
}

static void begin_line(struct json_writer *writer, const char *event)
{
	json_writer_init(writer, NULL);
	json_write_object_begin(writer);
	text(writer, "event", event);
}

static void json_event(const struct migrate_progress *progress, const struct migrate_event *event)
{
	struct json_writer writer;

	begin_line(&writer, shown[event->type].name);
	if (event->type == MIGRATE_EVENT_CHECKED) {
		text(&writer, "mode", name_table_name(&migrate_mode_names, event->mode));
		text(&writer, "why", event->why);
	}
	if (shown[event->type].members == LEFT_MEMBERS) {
		number(&writer, "bytes", event->bytes);
		number(&writer, "leftBytes", event->left);
		number(&writer, "milliseconds", MS(event->ns));
		number(&writer, "bytesPerSecond", rate_of(event->bytes, event->ns));
	}
	if (shown[event->type].members == ROUND_MEMBERS) {
		number(&writer, "round", event->round);
		number(&writer, "bytes", event->bytes);
		number(&writer, "memoryBytes", event->memory);
		number(&writer, "milliseconds", MS(event->ns));
		number(&writer, "bytesPerSecond", rate_of(event->bytes, event->ns));
		number(&writer, "changedBytesPerSecond", event->dirty);
		number(&writer, "expectedDowntimeMilliseconds", MS(event->expected_ns));
	}
	put_line(progress, &writer);
}

void migrate_progress_event(void *ctx, const struct migrate_event *event)
{
	const struct migrate_progress *progress = ctx;

	if (event->type == MIGRATE_EVENT_MOVED)
		return;
	if (progress->json) {
		json_event(progress, event);
		return;
	}
	shown[event->type].print(progress->out, event);
	(void)fflush(progress->out);
}

void migrate_progress_report(const struct migrate_progress *progress,
			     const struct migrate_report *report)
{
	char sent[TEXT_SIZE], total[TEXT_SIZE], downtime[TEXT_SIZE];
	struct json_writer writer;

	if (!progress->json) {
		fprintf(progress->out,
			"it runs at '%s': %s in all, %s of them standing still, %s sent\n",
			progress->destination,
			migrate_time_text(report->total_ns, total, TEXT_SIZE),
			migrate_time_text(report->downtime_ns, downtime, TEXT_SIZE),
			migrate_size_text(report->sent, sent, TEXT_SIZE));
		return;
	}
	begin_line(&writer, "moved");
	text(&writer, "mode", name_table_name(&migrate_mode_names, report->mode));
	number(&writer, "rounds", report->rounds);
	number(&writer, "sentBytes", report->sent);
	number(&writer, "memoryBytes", report->memory);
	number(&writer, "totalMilliseconds", MS(report->total_ns));
	number(&writer, "downtimeMilliseconds", MS(report->downtime_ns));
	if (report->window_ns)
		number(&writer, "windowMilliseconds", MS(report->window_ns));
	put_line(progress, &writer);
}

/** By enum migrate_where. */
static const struct {
	const char *json;
	const char *text;
} places[] = {
    [MIGRATE_HERE] = {"runs here",                  "runs here, on, as before"                    },
    [MIGRATE_NOT_HERE] = {"does not run here",          NULL                                          }, /* the error says so */
    [MIGRATE_WENT_BACK] = {"runs here, from its freeze", "runs here, on from its freeze"               },
    [MIGRATE_IN_DOUBT] = {"in doubt",                   "is held here, and may run at the destination"},
};

void migrate_progress_where(const struct migrate_progress *progress, enum migrate_where where)
{
	struct json_writer writer;

	if (!progress->json) {
		if (places[where].text)
			fprintf(progress->out, "container '%s' %s\n", progress->id,
				places[where].text);
		(void)fflush(progress->out);
		return;
	}
	begin_line(&writer, "failed");
	text(&writer, "container", places[where].json);
	put_line(progress, &writer);
}

static const char *direction(const struct migrate_status *status)
{
	return status->outgoing ? "to" : "from elsewhere";
}

static int status_json(const struct migrate_progress *progress, const struct migrate_status *list,
		       size_t count, struct wh_error *err)
{
	struct json_writer writer;
	const char *json;
	size_t len;
	int rc;

	json_writer_init(&writer, NULL);
	json_write_array_begin(&writer);
	for (size_t i = 0; i < count; i++) {
		json_write_object_begin(&writer);
		text(&writer, "id", list[i].record.id);
		text(&writer, "number", list[i].record.number);
		text(&writer, "phase", name_table_name(&migrate_phase_names, list[i].record.phase));
		text(&writer, "direction", list[i].outgoing ? "outgoing" : "incoming");
		text(&writer, "destination", list[i].record.destination);
		text(&writer, "started", list[i].record.started);
		json_write_key(&writer, "active");
		json_write_bool(&writer, list[i].active);
		json_write_object_end(&writer);
	}
	json_write_array_end(&writer);
	rc = json_writer_finish(&writer, progress->arena, &json, &len, err);
	if (rc == 0)
		fprintf(progress->out, "%.*s\n", (int)len, json);
	return rc;
}

int migrate_progress_status(const struct migrate_progress *progress,
			    const struct migrate_status *list, size_t count, struct wh_error *err)
{
	static const char *const header[] = {"ID", "PHASE", "DIRECTION", "STARTED", "WORKER"};
	const char **cells = arena_array(progress->arena, const char *, count *ARRAY_LEN(header));

	if (progress->json)
		return status_json(progress, list, count, err);
	if (count && !cells)
		return wh_oom(err);
	for (size_t i = 0; i < count; i++) {
		const char **row = cells + i * ARRAY_LEN(header);

		row[0] = list[i].record.id;
		row[1] = name_table_name(&migrate_phase_names, list[i].record.phase);
		row[2] = arena_printf(progress->arena, "%s %s", direction(&list[i]),
				      list[i].record.destination);
		row[3] = list[i].record.started;
		row[4] = list[i].active
			     ? arena_printf(progress->arena, "%d", (int)list[i].record.worker.pid)
			     : "interrupted";
		if (!row[2] || !row[4])
			return wh_oom(err);
	}
	table_print(progress->out, header, ARRAY_LEN(header), cells, count);
	return 0;
}
