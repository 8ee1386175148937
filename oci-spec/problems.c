/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/problems.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int problems_count(struct problems *problems, enum problem_severity severity)
{
	if (severity == PROBLEM_WARNING) {
		problems->n_warnings++;
		return 0;
	}
	problems->n_errors++;
	return -EINVAL;
}

__attribute__((format(printf, 4, 0))) static void append(struct problems *problems,
							 enum problem_severity severity,
							 size_t offset, const char *fmt,
							 va_list args)
{
	struct problem *problem = arena_new(problems->arena, struct problem);
	va_list again;
	int len;

	va_copy(again, args);
	/* Every caller has started it. NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
	len = vsnprintf(NULL, 0, fmt, args);
	if (problem && len >= 0) {
		char *text = arena_alloc(problems->arena, (size_t)len + 1);

		if (text)
			vsnprintf(text, (size_t)len + 1, fmt, again);
		/* A full arena must not hide that there is a problem. */
		problem->text =
		    text ? text : "a problem that could not be described: out of memory";
		problem->severity = severity;
		problem->offset = offset;
		if (problems->last)
			problems->last->next = problem;
		else
			problems->first = problem;
		problems->last = problem;
	}
	va_end(again);
}

int problems_add(struct problems *problems, enum problem_severity severity, const char *fmt, ...)
{
	va_list args;

	if (!problems_full(problems, severity)) {
		va_start(args, fmt);
		append(problems, severity, SIZE_MAX, fmt, args);
		va_end(args);
	}
	return problems_count(problems, severity);
}

int problems_add_at(struct problems *problems, enum problem_severity severity, size_t offset,
		    const char *fmt, ...)
{
	va_list args;

	if (!problems_full(problems, severity)) {
		va_start(args, fmt);
		append(problems, severity, offset, fmt, args);
		va_end(args);
	}
	return problems_count(problems, severity);
}

/* Insertion keeps equal offsets in the order of discovery; the list is never longer than 2 *
 * PROBLEMS_MAX. */
void problems_sort(struct problems *problems)
{
	struct problem *sorted = NULL;
	struct problem *next;

	for (struct problem *p = problems->first; p; p = next) {
		struct problem **at = &sorted;

		next = p->next;
		while (*at && (*at)->offset <= p->offset)
			at = &(*at)->next;
		p->next = *at;
		*at = p;
	}
	problems->first = sorted;
	problems->last = sorted;
	while (problems->last && problems->last->next)
		problems->last = problems->last->next;
}

/* What stays free in an error for the count of the problems that are not listed. */
#define COUNT_ROOM 32
#define FIRST_MAX  (sizeof(((struct wh_error *)NULL)->message) - COUNT_ROOM - 2)

int problems_to_error(const struct problems *problems, struct wh_error *err)
{
	size_t used = 0;
	size_t listed = 0;

	if (!problems->n_errors)
		return 0;
	if (!err)
		return -EINVAL;
	*err = (struct wh_error){.kind = WH_ERROR_CONFIG};
	for (const struct problem *p = problems->first; p; p = p->next) {
		size_t len = strlen(p->text);

		if (p->severity != PROBLEM_ERROR)
			continue;
		/* The first is shown in any case, as much of it as there is room for. */
		if (!used && len > FIRST_MAX)
			len = FIRST_MAX;
		if (used + len + 1 + COUNT_ROOM >= sizeof(err->message))
			break;
		if (used)
			err->message[used++] = '\n';
		memcpy(err->message + used, p->text, len);
		used += len;
		listed++;
	}
	if (listed < problems->n_errors)
		snprintf(err->message + used, sizeof(err->message) - used, "%s%zu %serrors",
			 used ? "\nand " : "", problems->n_errors - listed, used ? "more " : "");
	else
		err->message[used] = '\0';
	return -EINVAL;
}
