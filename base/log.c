/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/timestamp.h"
#include "base/utf8.h"

/* The longest message: an error's text, its step and the errno's text. */
#define LOG_MESSAGE_SIZE 4096
/* Every byte of a message may become six ("\u001b"); the rest is the frame around it. */
#define LOG_LINE_SIZE (LOG_MESSAGE_SIZE * 6 + 256)

static struct {
	int fd; /* -EBADF: stderr */
	enum log_format format;
	enum log_level level;
} sink = {.fd = -EBADF, .format = LOG_FORMAT_TEXT, .level = LOG_LEVEL_WARNING};

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

/* A line being put together; what does not fit is dropped. */
struct line {
	size_t len;
	char text[LOG_LINE_SIZE];
};

static void add(struct line *line, const char *text, size_t len)
{
	/* One byte stays free for the newline. */
	size_t room = sizeof(line->text) - 1 - line->len;

	len = len < room ? len : room;
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void add_string(struct line *line, const char *text)
{
	add(line, text, strlen(text));
}

/* The escape of the character @c inside a JSON string, or NULL when it stands for itself. @buf
 * holds 8 bytes. */
static const char *json_escape(unsigned char c, char *buf)
{
	static const char short_form[][3] = {
	    ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f",
	    ['\n'] = "\\n", ['\r'] = "\\r",  ['\t'] = "\\t",
	};

	if (c < ARRAY_LEN(short_form) && short_form[c][0])
		return short_form[c];
	if (c >= 0x20 && c != 0x7f)
		return NULL;
	snprintf(buf, 8, "\\u%04x", c);
	return buf;
}

/* Append @text as a quoted JSON string (RFC 8259 section 7); bytes that are not UTF-8 become
 * U+FFFD. */
static void add_quoted(struct line *line, const char *text)
{
	add(line, "\"", 1);
	while (*text) {
		size_t len = utf8_sequence_len(text, strnlen(text, 4));
		char buf[8];
		const char *escape = len ? json_escape((unsigned char)*text, buf) : "\\ufffd";

		if (escape)
			add_string(line, escape);
		else
			add(line, text, len);
		text += len ? len : 1;
	}
	add(line, "\"", 1);
}

/* Append @text for a terminal: a name chosen by a container must not move the cursor. */
static void add_plain(struct line *line, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char buf[8];

		if ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t') {
			add(line, text, 1);
			continue;
		}
		snprintf(buf, sizeof(buf), "\\x%02x", c);
		add_string(line, buf);
	}
}

static void emit(struct line *line, int fd)
{
	line->text[line->len++] = '\n';
	/* One write(2), so that lines of two processes do not mix. A lost line has nowhere to be
	 * reported. */
	if (write(fd, line->text, line->len) < 0)
		return;
}

static void write_json(int fd, enum log_level level, const char *message)
{
	struct line line = {.len = 0};
	char time_text[TIMESTAMP_SIZE];

	timestamp_now(time_text);
	add_string(&line, "{\"level\":\"");
	add_string(&line, level_names[level]);
	add_string(&line, "\",\"msg\":");
	add_quoted(&line, message);
	add_string(&line, ",\"time\":\"");
	add_string(&line, time_text);
	add_string(&line, "\"}");
	emit(&line, fd);
}

/* One line in the layout of logrus' text formatter. */
static void write_text(int fd, enum log_level level, const char *message)
{
	struct line line = {.len = 0};
	char time_text[TIMESTAMP_SIZE];

	timestamp_now(time_text);
	add_string(&line, "time=\"");
	add_string(&line, time_text);
	add_string(&line, "\" level=");
	add_string(&line, level_names[level]);
	add_string(&line, " msg=");
	add_quoted(&line, message);
	emit(&line, fd);
}

/* One line for the person at the terminal. */
static void write_stderr(enum log_level level, const char *message)
{
	struct line line = {.len = 0};

	add_string(&line, "wherry: ");
	if (level != LOG_LEVEL_ERROR) {
		add_string(&line, level_names[level]);
		add_string(&line, ": ");
	}
	add_plain(&line, message);
	emit(&line, STDERR_FILENO);
}

static void write_sink(enum log_level level, const char *message)
{
	bool is_file = sink.fd >= 0;

	if (sink.format == LOG_FORMAT_JSON)
		write_json(is_file ? sink.fd : STDERR_FILENO, level, message);
	else if (is_file)
		write_text(sink.fd, level, message);
	else
		write_stderr(level, message);
}

int log_open(const char *path, enum log_format format, enum log_level level, struct wh_error *err)
{
	int fd = -EBADF;

	/* "/dev/stderr" is a symbolic link, and runc's documented way to say the default. */
	if (path && !streq(path, "/dev/stderr")) {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
			  0600);
		if (fd < 0)
			return wh_fail(err, errno, "open the log file '%s'", path);
	}
	fd_close(sink.fd);
	sink.fd = fd;
	sink.format = format;
	sink.level = level;
	return 0;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char message[LOG_MESSAGE_SIZE];
	int saved = errno;
	va_list ap;

	if (level > sink.level)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	write_sink(level, message);
	errno = saved;
}

void log_error(const struct wh_error *err)
{
	char message[LOG_MESSAGE_SIZE];

	wh_error_format(err, message, sizeof(message));
	write_sink(LOG_LEVEL_ERROR, message);
	if (sink.fd >= 0)
		write_stderr(LOG_LEVEL_ERROR, message);
}
