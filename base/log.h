/* SPDX-License-Identifier: Apache-2.0 */
/* The log sink: the only mutable global state. Library code never prints; it warns through here. */
#pragma once

#include "base/error.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/**
 * Send the log to @path (opened O_APPEND|O_CREAT|O_NOFOLLOW, 0600; NULL and "/dev/stderr" =
 * stderr). Returns 0 or -errno. Until it is called everything up to warnings goes to stderr as
 * text.
 */
int log_open(const char *path, enum log_format format, enum log_level level, struct wh_error *err);
/** Log one line. JSON lines are {"level":...,"msg":...,"time":RFC3339}, as logrus writes them
 * (go-runc, Podman). */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Log the final error of the program: one line to the log and, when that is a file, also to
 * stderr. */
void log_error(const struct wh_error *err);
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
