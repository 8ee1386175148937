/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one error type. A function that can fail returns 0 (or a documented value >= 0), or -errno
 * after filling the caller's struct wh_error. It is raised once, at the place that knows what was
 * being done, and passed on unchanged inside a module; at a module's border the noun is put in
 * front ("mounts[3] '/proc'").
 *
 * The struct holds no pointer, so it stays valid after fork and travels between processes as one
 * datagram.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

/** What an error means to the caller beyond its text: exit codes and engine wording depend on it.
 */
enum wh_error_kind {
	WH_ERROR_RUNTIME = 0, /* anything without a row below */
	WH_ERROR_USAGE,       /* the command line is wrong */
	WH_ERROR_CONFIG,      /* the document is wrong; no errno text is added */
	WH_ERROR_NOT_FOUND,   /* no such container */
	WH_ERROR_EXISTS,      /* container id taken */
	WH_ERROR_STATE,       /* the container is in the wrong state for this verb */
	WH_ERROR_PROGRAM,     /* the container's program cannot be executed: the errno says why */
	WH_ERROR_UNSUPPORTED, /* understood, but not available on this host or in this build */
};

struct wh_error {
	int code; /* positive errno, or 0 when the text says it all */
	enum wh_error_kind kind;
	char step[40];      /* the step that failed, "" outside of a step run */
	char message[3800]; /* lower-case, no full stop; empty = no error */
};

/** An error struct that holds no error yet. */
#define WH_ERROR_INIT ((struct wh_error){.code = 0})

/**
 * Fill @err with what was being done.
 *
 * @err: filled; NULL when the caller ignores the reason
 * @code: positive errno, or 0 when there is none to add
 * Returns -@code, or -EINVAL when @code is 0: `return wh_fail(err, errno, "open '%s'", path);`
 */
int wh_fail(struct wh_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), cold));

/** wh_fail() with a kind. */
int wh_fail_kind(struct wh_error *err, enum wh_error_kind kind, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), cold));

/** Report that memory ran out; returns -ENOMEM. */
int wh_oom(struct wh_error *err) __attribute__((cold));

/** Put "<text>: " in front of the message of @err, if it holds one. The message is cut at its end
 * when it grows too long. */
void wh_error_prefix(struct wh_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), cold));

/** True when @err holds an error. */
static inline bool wh_error_set(const struct wh_error *err)
{
	return err->message[0] != '\0';
}

/**
 * Write the whole sentence for a person: the step that failed (kind WH_ERROR_RUNTIME only:
 * elsewhere the message speaks for itself), the message and, where there is one, the errno's text.
 *
 * ENOENT is spelt so that engines do not read an internal missing file as a missing command (they
 * map "no such file or directory" to exit status 127), unless the kind is WH_ERROR_PROGRAM.
 */
void wh_error_format(const struct wh_error *err, char *buf, unsigned long size);
