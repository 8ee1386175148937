/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static __attribute__((format(printf, 4, 0))) int fill(struct wh_error *err, enum wh_error_kind kind,
						      int code, const char *fmt, va_list ap)
{
	if (!err)
		return code ? -code : -EINVAL;
	err->code = code;
	err->kind = kind;
	err->step[0] = '\0';
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	/* An empty message would read as "no error". */
	if (!err->message[0])
		snprintf(err->message, sizeof(err->message), "failed");
	return code ? -code : -EINVAL;
}

int wh_fail(struct wh_error *err, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = fill(err, WH_ERROR_RUNTIME, code, fmt, ap);
	va_end(ap);
	return r;
}

int wh_fail_kind(struct wh_error *err, enum wh_error_kind kind, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = fill(err, kind, code, fmt, ap);
	va_end(ap);
	return r;
}

int wh_oom(struct wh_error *err)
{
	return wh_fail(err, ENOMEM, "allocate memory");
}

void wh_error_prefix(struct wh_error *err, const char *fmt, ...)
{
	char text[sizeof(err->message)];
	size_t len, kept;
	va_list ap;

	if (!err || !wh_error_set(err))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text) - 2, fmt, ap);
	va_end(ap);
	len = strlen(text);
	memcpy(text + len, ": ", 3);
	len += 2;

	kept = strnlen(err->message, sizeof(err->message) - 1 - len);
	memmove(err->message + len, err->message, kept);
	memcpy(err->message, text, len);
	err->message[len + kept] = '\0';
}

/* The errno's text as it stands inside a sentence; @buf holds it when it has to be changed. */
static const char *code_text(const struct wh_error *err, char *buf, size_t size)
{
	if (err->code == ENOENT && err->kind != WH_ERROR_PROGRAM)
		return "file is missing (ENOENT)";
	snprintf(buf, size, "%s", strerror(err->code));
	/* Lower the first letter, unless it begins an acronym ("RPC struct is bad"). */
	if (buf[0] >= 'A' && buf[0] <= 'Z' && !(buf[1] >= 'A' && buf[1] <= 'Z'))
		buf[0] += 'a' - 'A';
	return buf;
}

void wh_error_format(const struct wh_error *err, char *buf, unsigned long size)
{
	bool names_step = err->kind == WH_ERROR_RUNTIME && err->step[0];
	bool names_code = err->code > 0 && err->kind != WH_ERROR_CONFIG;
	char text[128];

	snprintf(buf, size, "%s%s%s%s%s", names_step ? err->step : "", names_step ? ": " : "",
		 err->message, names_code ? ": " : "",
		 names_code ? code_text(err, text, sizeof(text)) : "");
}
