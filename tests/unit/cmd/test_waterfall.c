/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/waterfall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const struct trace_event events[] = {
    {"run",   "wherry", 1, 100,  1000, 0, true },
    {"load",  "wherry", 1, 100,  250,  1, false},
    {"mount", "init",   2, 600,  500,  0, false},
    {"blink", "init",   2, 1100, 0,    1, false},
};

static char *draw(size_t count, size_t width, bool utf8)
{
	const struct waterfall_style style = {.width = width, .utf8 = utf8};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	waterfall_print(out, events, count, &style);
	fclose(out);
	return text;
}

static void test_times(void **state)
{
	static const struct {
		double us;
		const char *want;
	} cases[] = {
	    {0,       "0.00 us"},
            {0.125,   "0.12 us"},
            {9.994,   "9.99 us"},
            {9.996,   "10.0 us"},
	    {99.96,   "100 us" },
            {312.4,   "312 us" },
            {999.6,   "1.00 ms"},
            {1000,    "1.00 ms"},
	    {3214,    "3.21 ms"},
            {98765,   "98.8 ms"},
            {999999,  "1.00 s" },
            {1200000, "1.20 s" },
	    {3600e6,  "3600 s" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char buf[32];

		assert_string_equal(waterfall_time(cases[i].us, buf, sizeof(buf)), cases[i].want);
	}
}

static void test_picture(void **state)
{
	/* 7 of names, 6 of processes, 8 of times, 6 between: 33 cells of 30.3 us */
	static const char want[] = "run      wherry  1.00 ms |=================================|\n"
				   "  load   wherry   250 us |########                         |\n"
				   "mount    init     500 us |                #################|\n"
				   "  blink  init    0.00 us |                                #|\n"
				   "total 1.00 ms, 4 spans\n";
	char *text = draw(ARRAY_LEN(events), 60, false);

	assert_string_equal(text, want);
	free(text);
}

static void test_blocks(void **state)
{
	char *text = draw(2, 60, true);

	assert_non_null(strstr(text, "\u2592\u2592\u2592|\n"));
	assert_non_null(strstr(text, "|\u2588\u2588"));
	assert_null(strchr(text, '#'));
	free(text);
}

static void test_width(void **state)
{
	for (size_t width = WATERFALL_MIN_WIDTH; width <= WATERFALL_MAX_WIDTH; width += 35) {
		char *text = draw(ARRAY_LEN(events), width, false);

		for (char *line = text; strncmp(line, "total", 5) != 0;
		     line = strchr(line, '\n') + 1)
			assert_int_equal(strchr(line, '\n') - line, width);
		free(text);
	}
}

static void test_an_instant(void **state)
{
	static const struct trace_event instant = {.name = "x", .process = "", .start_us = 7};
	const struct waterfall_style style = {.width = 60};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	waterfall_print(out, &instant, 1, &style);
	fclose(out);
	assert_non_null(strstr(text, "|#"));
	assert_non_null(strstr(text, "total 0.00 us, 1 span\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_times),      cmocka_unit_test(test_picture),
	    cmocka_unit_test(test_blocks),     cmocka_unit_test(test_width),
	    cmocka_unit_test(test_an_instant),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("waterfall", tests, NULL, NULL);
}
