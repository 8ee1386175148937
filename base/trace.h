/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeline behind --trace: a fixed buffer of spans, recorded by the step runner and by
 * trace_begin/trace_end. Off unless enabled, and then two clock readings a span. The init image
 * records into its own buffer and sends it as a message. Times are CLOCK_REALTIME nanoseconds: the
 * monotonic clocks differ inside a time namespace.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_span {
	uint64_t start_ns;
	uint64_t duration_ns;
	int32_t
	    pid; /* 0 = the recording process; set by the reader of a message for init's spans */
	char name[36];
};

#define TRACE_MAX_SPANS 192

/** Start recording in this process. */
void trace_enable(void);
/** Whether spans are recorded. */
bool trace_enabled(void);
/** The current time, or 0 when off: pass it to trace_end(). */
uint64_t trace_begin(void);
/** Record a span from @start until now; nothing when @start is 0 or the buffer is full. */
void trace_end(uint64_t start, const char *name);
/** Add @count spans received from process @pid. */
void trace_add(const struct trace_span *spans, size_t count, int pid);
/** The recorded spans; *@ret_count receives their number. */
const struct trace_span *trace_spans(size_t *ret_count);
/** Forget all recorded spans (after they were sent). */
void trace_reset(void);
