/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

static void test_order(void **state)
{
	struct document d;
	char *text;

	document_init(&d);
	assert_int_equal(problems_to_error(&d.problems, &d.err), 0);
	assert_int_equal(problems_add(&d.problems, PROBLEM_ERROR, "of the %s", "plan"), -EINVAL);
	assert_int_equal(problems_add_at(&d.problems, PROBLEM_ERROR, 20, "second"), -EINVAL);
	assert_int_equal(problems_add_at(&d.problems, PROBLEM_WARNING, 10, "first"), 0);
	assert_int_equal(problems_add_at(&d.problems, PROBLEM_ERROR, 20, "third"), -EINVAL);
	assert_int_equal(problems_add(&d.problems, PROBLEM_ERROR, "of the plan, too"), -EINVAL);
	assert_int_equal(d.problems.n_errors, 4);
	assert_int_equal(d.problems.n_warnings, 1);
	problems_sort(&d.problems);
	text = document_problems(&d.problems);
	assert_string_equal(text, "warning: first\nsecond\nthird\nof the plan\nof the plan, too\n");
	free(text);
	assert_string_equal(d.problems.last->text, "of the plan, too");
	assert_int_equal(problems_to_error(&d.problems, &d.err), -EINVAL);
	assert_string_equal(d.err.message, "second\nthird\nof the plan\nof the plan, too");
	assert_int_equal(d.err.kind, WH_ERROR_CONFIG);
	assert_int_equal(d.err.code, 0);
	assert_int_equal(problems_to_error(&d.problems, NULL), -EINVAL);
	document_done(&d);
}

static void test_warnings_are_no_error(void **state)
{
	struct document d;

	document_init(&d);
	problems_add(&d.problems, PROBLEM_WARNING, "w");
	assert_int_equal(problems_to_error(&d.problems, &d.err), 0);
	assert_false(wh_error_set(&d.err));
	document_done(&d);
}

static void test_many(void **state)
{
	struct document d;
	size_t kept = 0;

	document_init(&d);
	for (int i = 0; i < 1000; i++) {
		problems_add(&d.problems, PROBLEM_ERROR, "error %d", i);
		problems_add(&d.problems, PROBLEM_WARNING, "warning %d", i);
	}
	for (const struct problem *p = d.problems.first; p; p = p->next)
		kept++;
	assert_int_equal(kept, 2 * PROBLEMS_MAX);
	assert_int_equal(d.problems.n_errors, 1000);
	assert_int_equal(d.problems.n_warnings, 1000);
	assert_int_equal(problems_to_error(&d.problems, &d.err), -EINVAL);
	assert_non_null(strstr(d.err.message, "error 63\nand 936 more errors"));
	document_done(&d);
}

/* The error struct is smaller than what may be wrong: whole lines, and the number of the rest. */
static void test_long(void **state)
{
	struct document d;
	char line[1000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	document_init(&d);
	for (int i = 0; i < 10; i++)
		problems_add(&d.problems, PROBLEM_ERROR, "%s", line);
	problems_to_error(&d.problems, &d.err);
	assert_string_equal(d.err.message + 3 * sizeof(line) - 1, "\nand 7 more errors");
	document_done(&d);
}

/* One that is longer than the error struct alone: its beginning, which says where it is. */
static void test_longer_than_an_error(void **state)
{
	struct document d;
	char line[sizeof(d.err.message) + 100];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	document_init(&d);
	problems_add(&d.problems, PROBLEM_ERROR, "a.place: %s", line);
	problems_add(&d.problems, PROBLEM_ERROR, "another");
	problems_to_error(&d.problems, &d.err);
	assert_memory_equal(d.err.message, "a.place: xxx", 12);
	assert_non_null(strstr(d.err.message, "x\nand 1 more errors"));
	document_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_warnings_are_no_error),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_longer_than_an_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
