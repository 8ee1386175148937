/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static const char *const header[] = {"ID", "PID", "OWNER"};

static void assert_table(const char *const *cells, size_t n_rows, const char *want)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	table_print(out, header, 3, cells, n_rows);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
}

static void test_empty(void **state)
{
	assert_table(NULL, 0, "ID          PID         OWNER\n");
}

static void test_columns_grow_with_their_longest_cell(void **state)
{
	static const char *const cells[] = {"a", "1", "root", "a-long-name", "2345678901", "me"};

	/* 11 bytes and three blanks; the second has 10 and three */
	assert_table(cells, 2,
		     "ID            PID          OWNER\n"
		     "a             1            root\n"
		     "a-long-name   2345678901   me\n");
}

static void test_missing_cells_and_control_bytes(void **state)
{
	static const char *const cells[] = {"a\033[31m", NULL, "x\ny"};

	assert_table(cells, 1,
		     "ID          PID         OWNER\n"
		     "a?[31m                  x?y\n");
}

static void test_characters_count_not_bytes(void **state)
{
	static const char *const cells[] = {"\xc3\xa4\xc3\xb6\xc3\xbc", "1", "x"};

	assert_table(cells, 1,
		     "ID          PID         OWNER\n"
		     "\xc3\xa4\xc3\xb6\xc3\xbc         1           x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_columns_grow_with_their_longest_cell),
	    cmocka_unit_test(test_missing_cells_and_control_bytes),
	    cmocka_unit_test(test_characters_count_not_bytes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
