/* SPDX-License-Identifier: Apache-2.0 */
/* The reading half of cmd/trace_file.h: files of ours, and of others who write complete events. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/str.h"
#include "cmd/trace_file.h"
#include "oci-spec/json.h"

#define TRACE_FILE_MAX  (64UL << 20)
#define TRACE_MAX_DEPTH 16
/** More spans than this nobody reads in a terminal. */
#define TRACE_MAX_EVENTS 5000
/** Processes that get a name. */
#define TRACE_MAX_PROCESSES 64

struct process_names {
	size_t count;
	double pids[TRACE_MAX_PROCESSES];
	const char *names[TRACE_MAX_PROCESSES];
};

static const char *string_member(const struct json_value *object, const char *key)
{
	const struct json_value *value =
	    object->kind == JSON_OBJECT ? json_member(object, key) : NULL;

	return value && value->kind == JSON_STRING ? value->text : NULL;
}

/** A number that is no longer than the age of the universe; -1 when it is missing or something
 * else. */
static double number_member(const struct json_value *object, const char *key)
{
	const struct json_value *value = json_member(object, key);
	double number;

	if (!value || value->kind != JSON_NUMBER)
		return -1;
	number = strtod(value->text, NULL);
	return number >= 0 && number < 5e23 ? number : -1;
}

/** Names come from a file of anyone's: nothing in them may steer the terminal. */
static const char *printable(const char *text, struct arena *arena)
{
	char *copy = arena_strdup(arena, text);

	for (char *c = copy; c && *c; c++) {
		if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
			*c = '?';
	}
	return copy;
}

/** The metadata events called process_name, in whatever place of the file. */
static int find_process_names(const struct json_value *events, struct arena *arena,
			      struct process_names *ret_names)
{
	ret_names->count = 0;
	for (const struct json_value *event = events->first; event; event = event->next) {
		const char *phase = string_member(event, "ph");
		const char *name = string_member(event, "name");
		const struct json_value *args;

		if (!phase || !streq(phase, "M") || !name || !streq(name, "process_name"))
			continue;
		args = json_member(event, "args");
		name = args ? string_member(args, "name") : NULL;
		if (!name || ret_names->count == TRACE_MAX_PROCESSES)
			continue;
		name = printable(name, arena);
		if (!name)
			return -ENOMEM;
		ret_names->pids[ret_names->count] = number_member(event, "pid");
		ret_names->names[ret_names->count++] = name;
	}
	return 0;
}

static const char *process_name(const struct process_names *names, double pid)
{
	for (size_t i = 0; i < names->count; i++) {
		if (names->pids[i] == pid)
			return names->names[i];
	}
	return "";
}

/** Fill @ret_event. Returns 1, or 0 when @value is another kind of event, or -EINVAL when it is
 * none. */
static int read_event(const struct process_names *names, const struct json_value *value,
		      struct arena *arena, struct trace_event *ret_event)
{
	const char *phase = string_member(value, "ph");
	double start, duration, pid;

	if (!phase)
		return -EINVAL;
	if (!streq(phase, "X"))
		return 0;
	start = number_member(value, "ts");
	duration = number_member(value, "dur");
	pid = number_member(value, "pid");
	if (start < 0 || duration < 0 || pid < 0 || pid > INT32_MAX ||
	    !string_member(value, "name"))
		return -EINVAL;
	*ret_event = (struct trace_event){
	    .name = printable(string_member(value, "name"), arena),
	    .process = process_name(names, pid),
	    .pid = (int64_t)pid,
	    .start_us = start,
	    .duration_us = duration,
	};
	return ret_event->name ? 1 : -ENOMEM;
}

static int compare_events(const void *a, const void *b)
{
	const struct trace_event *x = a;
	const struct trace_event *y = b;

	if (x->start_us != y->start_us)
		return x->start_us < y->start_us ? -1 : 1;
	return (x->duration_us < y->duration_us) - (x->duration_us > y->duration_us);
}

/** Clock readings of one moment may differ in the last digit after the division. */
#define SAME_MOMENT_US 0.0015

static bool encloses(const struct trace_event *outer, const struct trace_event *inner)
{
	return outer->pid == inner->pid && outer->start_us <= inner->start_us + SAME_MOMENT_US &&
	       outer->start_us + outer->duration_us + SAME_MOMENT_US >=
		   inner->start_us + inner->duration_us;
}

static void set_depths(struct trace_event *events, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = i; k-- > 0;) {
			if (encloses(&events[k], &events[i])) {
				events[i].depth = events[k].depth + 1;
				events[k].parent = true;
				break;
			}
		}
	}
}

static int read_events(const struct json_value *events, struct arena *arena,
		       struct trace_event **ret_events, size_t *ret_count, struct wh_error *err)
{
	struct trace_event *found = arena_array(arena, struct trace_event, events->count + 1);
	struct process_names names;
	size_t count = 0;
	size_t index = 0;

	if (!found || find_process_names(events, arena, &names) < 0)
		return wh_oom(err);
	for (const struct json_value *value = events->first; value; value = value->next, index++) {
		int rc = read_event(&names, value, arena, &found[count]);

		if (rc == -ENOMEM)
			return wh_oom(err);
		if (rc < 0)
			return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
					    "traceEvents[%zu]: not a trace event", index);
		count += (size_t)rc;
	}
	if (count == 0)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0, "there is no complete event in it");
	if (count > TRACE_MAX_EVENTS)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0, "%zu events are too many to draw (%d)",
				    count, TRACE_MAX_EVENTS);
	qsort(found, count, sizeof(*found), compare_events);
	set_depths(found, count);
	*ret_events = found;
	*ret_count = count;
	return 0;
}

/** The array of events: the whole document, or its member traceEvents. */
static const struct json_value *find_events(const struct json_value *root)
{
	const struct json_value *events =
	    root->kind == JSON_OBJECT ? json_member(root, "traceEvents") : root;

	return events && events->kind == JSON_ARRAY ? events : NULL;
}

int trace_file_read(const char *path, struct arena *arena, struct trace_event **ret_events,
		    size_t *ret_count, struct wh_error *err)
{
	const struct json_value *events;
	struct json_document doc;
	struct problems problems;
	char *text;
	size_t len;
	int rc;

	rc = file_read(AT_FDCWD, path, TRACE_FILE_MAX, arena, &text, &len, err);
	if (rc < 0)
		return rc;
	problems_init(&problems, arena);
	rc = json_parse(path, text, len, TRACE_MAX_DEPTH, arena, &problems, &doc);
	if (rc < 0)
		return problems.n_errors ? problems_to_error(&problems, err) : wh_oom(err);
	events = find_events(doc.root);
	if (!events)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
				    "'%s': not a trace: no array traceEvents", path);
	rc = read_events(events, arena, ret_events, ret_count, err);
	if (rc < 0)
		wh_error_prefix(err, "'%s'", path);
	return rc;
}
