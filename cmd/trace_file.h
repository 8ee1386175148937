/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A timeline on disk, in the Chrome trace-event format (the JSON that about:tracing and Perfetto
 * read): complete events ("ph": "X") with ts and dur in microseconds, and metadata events that name
 * the processes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/** A file being written: opened before the verb runs, so that a place where it cannot be is an
 * error before anything is done. */
struct trace_file {
	int fd;
	const char *path;
	const char *verb;
	uint64_t start;
};

/** Open @path (replaced if it is there) and start recording for @verb. Both are lent. Returns 0 or
 * -errno. */
int trace_file_open(struct trace_file *trace, const char *path, const char *verb,
		    struct wh_error *err);
/** Write what was recorded (base/trace.h) and close. Returns 0 or -errno. */
int trace_file_finish(struct trace_file *trace, struct wh_error *err);

/** A span read back. */
struct trace_event {
	const char *name;    /* printable */
	const char *process; /* name of its process, "" when the file has none */
	int64_t pid;
	double start_us;
	double duration_us;
	unsigned int depth; /* how many spans of its process enclose it */
	bool parent;        /* it encloses others */
};

/**
 * Read the complete events of a trace file into the arena, ordered by start; of those that start
 * together the longer first. Other events are skipped. Returns 0, or -errno: not JSON, no trace,
 * nothing in it.
 */
int trace_file_read(const char *path, struct arena *arena, struct trace_event **ret_events,
		    size_t *ret_count, struct wh_error *err);
