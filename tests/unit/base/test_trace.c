/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int reset(void **state)
{
	trace_reset();
	return 0;
}

/* Runs first: recording cannot be switched off again. */
static void test_off_records_nothing(void **state)
{
	size_t count = 99;

	assert_false(trace_enabled());
	assert_int_equal(trace_begin(), 0);
	trace_end(trace_begin(), "x");
	trace_spans(&count);
	assert_int_equal(count, 0);
	trace_enable();
	assert_true(trace_enabled());
}

static void test_span(void **state)
{
	struct timespec pause = {.tv_nsec = 2000000};
	const struct trace_span *spans;
	uint64_t start = trace_begin();
	size_t count;

	assert_int_not_equal(start, 0);
	nanosleep(&pause, NULL);
	trace_end(start, "a name that is much too long to be kept as it is");
	trace_end(0, "begun while off");
	spans = trace_spans(&count);
	assert_int_equal(count, 1);
	assert_true(spans[0].start_ns == start);
	assert_true(spans[0].duration_ns >= 2000000);
	assert_int_equal(spans[0].pid, 0);
	assert_string_equal(spans[0].name, "a name that is much too long to be ");
}

static void test_clock_set_back(void **state)
{
	size_t count;

	trace_end(UINT64_MAX, "from the future");
	assert_int_equal(trace_spans(&count)[0].duration_ns, 0);
}

static void test_add(void **state)
{
	struct trace_span from[2] = {
	    {.start_ns = 5,     .duration_ns = 6, .name = "init's"},
            {0}
        };
	const struct trace_span *spans;
	size_t count;

	memset(from[1].name, 'x', sizeof(from[1].name));
	trace_add(from, 2, 77);
	spans = trace_spans(&count);
	assert_int_equal(count, 2);
	assert_int_equal(spans[0].start_ns, 5);
	assert_int_equal(spans[0].pid, 77);
	assert_string_equal(spans[0].name, "init's");
	assert_int_equal(strlen(spans[1].name), sizeof(from[1].name) - 1);
}

static void test_full_buffer(void **state)
{
	struct trace_span more[3] = {0};
	size_t count;

	for (int i = 0; i < TRACE_MAX_SPANS - 1; i++)
		trace_end(trace_begin(), "x");
	trace_add(more, 3, 1);
	trace_end(trace_begin(), "x");
	trace_spans(&count);
	assert_int_equal(count, TRACE_MAX_SPANS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_off_records_nothing),
	    cmocka_unit_test_setup(test_span, reset),
	    cmocka_unit_test_setup(test_clock_set_back, reset),
	    cmocka_unit_test_setup(test_add, reset),
	    cmocka_unit_test_setup(test_full_buffer, reset),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
