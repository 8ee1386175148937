/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trace.h"

#include <stdio.h>
#include <time.h>

static struct {
	bool enabled;
	size_t count;
	struct trace_span spans[TRACE_MAX_SPANS];
} recorder;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void trace_enable(void)
{
	recorder.enabled = true;
}

bool trace_enabled(void)
{
	return recorder.enabled;
}

uint64_t trace_begin(void)
{
	return recorder.enabled ? now_ns() : 0;
}

void trace_end(uint64_t start, const char *name)
{
	struct trace_span *span;
	uint64_t now;

	if (!start || recorder.count == TRACE_MAX_SPANS)
		return;
	now = now_ns();
	span = &recorder.spans[recorder.count++];
	span->start_ns = start;
	/* The clock may have been set back meanwhile. */
	span->duration_ns = now > start ? now - start : 0;
	span->pid = 0;
	snprintf(span->name, sizeof(span->name), "%s", name);
}

void trace_add(const struct trace_span *spans, size_t count, int pid)
{
	for (size_t i = 0; i < count && recorder.count < TRACE_MAX_SPANS; i++) {
		struct trace_span *span = &recorder.spans[recorder.count++];

		*span = spans[i];
		span->pid = pid;
		/* It came in a message: do not trust that the name ends. */
		span->name[sizeof(span->name) - 1] = '\0';
	}
}

const struct trace_span *trace_spans(size_t *ret_count)
{
	*ret_count = recorder.count;
	return recorder.spans;
}

void trace_reset(void)
{
	recorder.count = 0;
}
