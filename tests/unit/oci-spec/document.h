/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this folder share: an arena a test, documents from text and from files,
 * problems as one text. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "oci-spec/config.h"

/* Everything a decoded document needs; done by document_done(). */
struct document {
	struct arena arena;
	struct problems problems;
	struct wh_error err;
	int result;
	const struct oci_spec *spec;
};

static inline void document_init(struct document *d)
{
	*d = (struct document){.err = WH_ERROR_INIT};
	assert_int_equal(arena_init(&d->arena, &d->err), 0);
	problems_init(&d->problems, &d->arena);
}

static inline void document_done(struct document *d)
{
	arena_done(&d->arena);
}

/* Decode a configuration from @text. */
static inline void document_decode(struct document *d, const char *name, const char *text,
				   size_t len)
{
	document_init(d);
	d->result = oci_config_decode(name, text, len, &d->arena, &d->problems, &d->spec, &d->err);
}

/* All problems of @d, one a line; warnings begin with "warning: ". Freed by the caller. */
static inline char *document_problems(const struct problems *problems)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	for (const struct problem *p = problems->first; p; p = p->next)
		fprintf(out, "%s%s\n", p->severity == PROBLEM_WARNING ? "warning: " : "", p->text);
	fclose(out);
	return text;
}

/* The whole of @path, NUL-terminated; freed by the caller. */
static inline char *document_read(const char *path, size_t *ret_len)
{
	FILE *in = fopen(path, "r");
	char *text = NULL;
	char buf[4096];
	FILE *out;
	size_t len, n;

	if (!in)
		fail_msg("cannot open %s", path);
	out = open_memstream(&text, &len);
	assert_non_null(out);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		fwrite(buf, 1, n, out);
	fclose(in);
	fclose(out);
	if (ret_len)
		*ret_len = len;
	return text;
}

/* tests/data/@name */
static inline void document_path(char *buf, size_t size, const char *name)
{
	const char *data = getenv("WHERRY_TEST_DATA");

	if (!data)
		fail_msg("WHERRY_TEST_DATA is not set: run through meson test");
	snprintf(buf, size, "%s/%s", data, name);
}

/*
 * Decode a minimal configuration with @process, @linux_ and @top as further members of process,
 * linux and the configuration, and compare the first problem, from its JSON place on, with @want;
 * "" is none.
 */
static inline void document_expect(const char *process, const char *linux_, const char *top,
				   const char *want)
{
	struct document d;
	char text[4096];
	char found[1024] = "";

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"/\"},"
		 "\"process\":{\"cwd\":\"/\",\"args\":[\"true\"]%s%s},\"linux\":{%s}%s%s}",
		 process[0] ? "," : "", process, linux_, top[0] ? "," : "", top);
	document_decode(&d, "c", text, strlen(text));
	if (d.problems.first) {
		/* c:LINE:COLUMN: place */
		const char *rest = strstr(d.problems.first->text, ": ");

		assert_non_null(rest);
		snprintf(found, sizeof(found), "%s%s",
			 d.problems.first->severity == PROBLEM_WARNING ? "warning: " : "",
			 rest + 2);
	}
	if (strcmp(found, want) != 0)
		fail_msg("%s\nwant '%s'\ngot  '%s'", text, want, found);
	assert_int_equal(d.result, found[0] && !str_after(found, "warning: ") ? -EINVAL : 0);
	document_done(&d);
}

static inline void expect_process(const char *members, const char *want)
{
	document_expect(members, "", "", want);
}

static inline void expect_linux(const char *members, const char *want)
{
	document_expect("", members, "", want);
}

static inline void expect_top(const char *members, const char *linux_, const char *want)
{
	document_expect("", linux_, members, want);
}
