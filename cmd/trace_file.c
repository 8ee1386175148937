/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/trace.h"

int trace_file_open(struct trace_file *trace, const char *path, const char *verb,
		    struct wh_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);

	if (fd < 0)
		return wh_fail(err, errno, "open the trace file '%s'", path);
	trace_enable();
	*trace = (struct trace_file){.fd = fd, .path = path, .verb = verb, .start = trace_begin()};
	return 0;
}

static void write_string(FILE *out, const char *text, size_t max)
{
	putc('"', out);
	for (size_t i = 0; i < max && text[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

/** Nanoseconds as microseconds with three decimals: no double holds today's time so exactly. */
static void write_us(FILE *out, const char *key, uint64_t ns)
{
	fprintf(out, "\"%s\":%" PRIu64 ".%03u", key, ns / 1000, (unsigned int)(ns % 1000));
}

static void write_process_name(FILE *out, pid_t pid, const char *name)
{
	fprintf(out,
		"{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":"
		"\"%s\"}}",
		pid, pid, name);
}

static void write_span(FILE *out, const struct trace_span *span, uint64_t origin)
{
	pid_t pid = span->pid ? span->pid : getpid();

	fputs(",\n{\"name\":", out);
	write_string(out, span->name, sizeof(span->name));
	fprintf(out, ",\"cat\":\"step\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,", pid, pid);
	write_us(out, "ts", span->start_ns - origin);
	putc(',', out);
	write_us(out, "dur", span->duration_ns);
	putc('}', out);
}

/** Init's spans come from up to three processes; each is named where its first one is. */
static bool seen_before(const struct trace_span *spans, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (spans[k].pid == spans[i].pid)
			return true;
	}
	return spans[i].pid == 0;
}

static void write_document(FILE *out, const struct trace_span *spans, size_t count, uint64_t origin)
{
	fprintf(out,
		"{\"displayTimeUnit\":\"ms\",\"otherData\":{\"start_ns\":\"%" PRIu64
		"\"},\"traceEvents\":[\n",
		origin);
	write_process_name(out, getpid(), "wherry");
	for (size_t i = 0; i < count; i++) {
		if (!seen_before(spans, i)) {
			fputs(",\n", out);
			write_process_name(out, spans[i].pid, "init");
		}
	}
	for (size_t i = 0; i < count; i++)
		write_span(out, &spans[i], origin);
	fputs("\n]}\n", out);
}

int trace_file_finish(struct trace_file *trace, struct wh_error *err)
{
	const struct trace_span *spans;
	uint64_t origin = trace->start;
	size_t count;
	FILE *out = fdopen(trace->fd, "w");

	if (!out) {
		fd_close(trace->fd);
		return wh_oom(err);
	}
	trace_end(trace->start, trace->verb);
	spans = trace_spans(&count);
	/* the clock is the wall's: it may have been set back */
	for (size_t i = 0; i < count; i++)
		origin = spans[i].start_ns < origin ? spans[i].start_ns : origin;
	write_document(out, spans, count, origin);
	if (ferror(out) | fclose(out))
		return wh_fail(err, errno, "write the trace file '%s'", trace->path);
	return 0;
}
