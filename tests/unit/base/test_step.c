/* SPDX-License-Identifier: Apache-2.0 */
#include "base/step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "base/trace.h"

/* What was called, one letter each: small = run, capital = undone. */
struct record {
	char calls[64];
	bool skip_b, skip_b_later;
	char fails; /* the letter that fails */
};

static int note(struct record *record, char letter, struct wh_error *err)
{
	record->calls[strlen(record->calls)] = letter;
	return record->fails == letter ? wh_fail(err, EIO, "do %c", letter) : 0;
}

static int run_a(void *ctx, struct wh_error *err)
{
	return note(ctx, 'a', err);
}

static int run_b(void *ctx, struct wh_error *err)
{
	return note(ctx, 'b', err);
}

static int run_c(void *ctx, struct wh_error *err)
{
	struct record *record = ctx;

	record->skip_b = record->skip_b_later ? !record->skip_b : record->skip_b;
	return note(ctx, 'c', err);
}

static int run_d(void *ctx, struct wh_error *err)
{
	return note(ctx, 'd', err);
}

static void undo_a(void *ctx)
{
	note(ctx, 'A', NULL);
}

static void undo_b(void *ctx)
{
	note(ctx, 'B', NULL);
}

static void undo_d(void *ctx)
{
	note(ctx, 'D', NULL);
}

static int needed_b(const void *ctx)
{
	return !((const struct record *)ctx)->skip_b;
}

static const struct step steps[] = {
    {.name = "step a", .run = run_a, .undo = undo_a },
    {.name = "step b", .run = run_b, .undo = undo_b,  .needed = needed_b},
    {.name = "step c",                .run = run_c            },
    {.name = "step d", .run = run_d, .undo = undo_d},
};

static void test_order_and_rollback(void **state)
{
	static const struct {
		const char *name;
		struct record record;
		const char *calls;
		const char *step;
	} cases[] = {
	    {"all",		       {.fails = 0},                         "abcd",   NULL    },
	    {"first fails",               {.fails = 'a'},                       "a",      "step a"},
	    {"second fails",              {.fails = 'b'},                       "abA",    "step b"},
	    {"last fails",                {.fails = 'd'},                       "abcdBA", "step d"},
	    {"skipped",                   {.skip_b = true},                     "acd",    NULL    },
	    {"skipped is not undone",     {.skip_b = true, .fails = 'd'},       "acdA",   "step d"},
	    {"the answer changes to no",  {.skip_b_later = true, .fails = 'd'}, "abcdBA", "step d"},
	    {"the answer changes to yes",
	     {.skip_b = true, .skip_b_later = true, .fails = 'd'},
	     "acdA",								      "step d"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct record record = cases[i].record;
		struct wh_error err = WH_ERROR_INIT;
		int r = steps_run(steps, ARRAY_LEN(steps), &record, &err);

		assert_string_equal(record.calls, cases[i].calls);
		assert_int_equal(r, cases[i].step ? -EIO : 0);
		assert_string_equal(err.step, cases[i].step ? cases[i].step : "");
		assert_int_equal(wh_error_set(&err), cases[i].step != NULL);
	}
}

static void test_undo_all(void **state)
{
	struct record all = {.fails = 0}, without_b = {.skip_b = true};

	steps_undo(steps, ARRAY_LEN(steps), &all);
	assert_string_equal(all.calls, "DBA");
	steps_undo(steps, ARRAY_LEN(steps), &without_b);
	assert_string_equal(without_b.calls, "DA");
}

static int run_inner(void *ctx, struct wh_error *err)
{
	return steps_run(steps, ARRAY_LEN(steps), ctx, err);
}

static int run_silent(void *ctx, struct wh_error *err)
{
	return -EPERM;
}

static void test_error_names(void **state)
{
	static const struct step outer = {.name = "outer", .run = run_inner};
	static const struct step silent = {.name = "silent", .run = run_silent};
	struct record record = {.fails = 'c'};
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(steps_run(&outer, 1, &record, &err), -EIO);
	assert_string_equal(err.step, "step c");

	err = WH_ERROR_INIT;
	assert_int_equal(steps_run(&silent, 1, NULL, &err), -EPERM);
	assert_string_equal(err.step, "silent");
	assert_true(wh_error_set(&err));
	assert_int_equal(err.code, EPERM);
	assert_int_equal(steps_run(&silent, 1, NULL, NULL), -EPERM);
}

/* Last: recording stays on. */
static void test_spans(void **state)
{
	struct record record = {.skip_b = true, .fails = 'd'};
	const struct trace_span *spans;
	size_t count;

	trace_enable();
	steps_run(steps, ARRAY_LEN(steps), &record, NULL);
	spans = trace_spans(&count);
	assert_int_equal(count, 3);
	assert_string_equal(spans[0].name, "step a");
	assert_string_equal(spans[1].name, "step c");
	assert_string_equal(spans[2].name, "step d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order_and_rollback),
	    cmocka_unit_test(test_undo_all),
	    cmocka_unit_test(test_error_names),
	    cmocka_unit_test(test_spans),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
