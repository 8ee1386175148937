/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/waterfall.h"

#include <string.h>

#include "base/str.h"

#define INDENT      2
#define TIME_WIDTH  8
#define MIN_BAR     20
#define MAX_PROCESS 15

/** Where things are. */
struct layout {
	double start_us;
	double span_us;
	size_t name_width;
	size_t process_width;
	size_t bar_width;
	bool utf8;
};

static const struct {
	double limit_us; /* the unit serves values below */
	double factor;
	const char *unit;
} units[] = {
    {1e3,  1,   "us"},
    {1e6,  1e3, "ms"},
    {1e99, 1e6, "s" }
};

const char *waterfall_time(double us, char *buf, size_t size)
{
	size_t i = 0;
	double value;

	/* 999.6 us are 1 ms, not 1000 us */
	while (us + us / 1000 >= units[i].limit_us && i + 1 < ARRAY_LEN(units))
		i++;
	value = us / units[i].factor;
	snprintf(buf, size, "%.*f %s",
		 value < 9.995   ? 2
		 : value < 99.95 ? 1
				 : 0,
		 value, units[i].unit);
	return buf;
}

static struct layout make_layout(const struct trace_event *events, size_t count,
				 const struct waterfall_style *style)
{
	struct layout layout = {.start_us = events[0].start_us, .utf8 = style->utf8};
	double end = 0;
	size_t used;

	for (size_t i = 0; i < count; i++) {
		size_t name = events[i].depth * INDENT + strlen(events[i].name);
		size_t process = strlen(events[i].process);

		end = events[i].start_us + events[i].duration_us > end
			  ? events[i].start_us + events[i].duration_us
			  : end;
		layout.name_width = name > layout.name_width ? name : layout.name_width;
		layout.process_width =
		    process > layout.process_width ? process : layout.process_width;
	}
	layout.process_width =
	    layout.process_width > MAX_PROCESS ? MAX_PROCESS : layout.process_width;
	layout.span_us = end - layout.start_us;
	/* name, process, time, and the blanks and bars between them */
	used = layout.name_width + layout.process_width + TIME_WIDTH + 6;
	layout.bar_width = style->width > used + MIN_BAR ? style->width - used : MIN_BAR;
	return layout;
}

/** The cells of a bar: from its first to (not with) its last, at least one. */
static void find_cells(const struct layout *layout, const struct trace_event *event,
		       size_t *ret_first, size_t *ret_end)
{
	double scale = layout->span_us > 0 ? (double)layout->bar_width / layout->span_us : 0;
	size_t first = (size_t)((event->start_us - layout->start_us) * scale);
	size_t end =
	    (size_t)((event->start_us - layout->start_us + event->duration_us) * scale + 0.5);

	first = first >= layout->bar_width ? layout->bar_width - 1 : first;
	end = end <= first ? first + 1 : end;
	*ret_first = first;
	*ret_end = end > layout->bar_width ? layout->bar_width : end;
}

static const char *cell(const struct layout *layout, const struct trace_event *event, bool inside)
{
	/* what encloses others is drawn lighter than what they are */
	if (!inside)
		return " ";
	if (!layout->utf8)
		return event->parent ? "=" : "#";
	return event->parent ? "\u2592" : "\u2588";
}

static void print_event(FILE *out, const struct layout *layout, const struct trace_event *event)
{
	int indent = (int)event->depth * INDENT;
	size_t first, end;
	char time[32];

	find_cells(layout, event, &first, &end);
	fprintf(out, "%*s%-*s  %-*.*s %*s |", indent, "", (int)layout->name_width - indent,
		event->name, (int)layout->process_width, (int)layout->process_width, event->process,
		TIME_WIDTH, waterfall_time(event->duration_us, time, sizeof(time)));
	for (size_t i = 0; i < layout->bar_width; i++)
		fputs(cell(layout, event, i >= first && i < end), out);
	fputs("|\n", out);
}

void waterfall_print(FILE *out, const struct trace_event *events, size_t count,
		     const struct waterfall_style *style)
{
	struct layout layout = make_layout(events, count, style);
	char time[32];

	for (size_t i = 0; i < count; i++)
		print_event(out, &layout, &events[i]);
	fprintf(out, "total %s, %zu span%s\n", waterfall_time(layout.span_us, time, sizeof(time)),
		count, count == 1 ? "" : "s");
}
