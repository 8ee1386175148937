/* SPDX-License-Identifier: Apache-2.0 */
#include "base/name_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static const struct name_value rows[] = {
    {"one",   1        },
    {"uno",   1        },
    {"minus", -5       },
    {"large", INT64_MAX},
};
static const struct name_table table = NAME_TABLE(rows);
static const struct name_table empty = {NULL, 0};

static void test_find(void **state)
{
	static const struct {
		const char *name;
		const struct name_value *want;
	} cases[] = {
	    {"one",   &rows[0]},
            {"uno",   &rows[1]},
            {"large", &rows[3]},
            {"On",    NULL    },
	    {"ONE",   NULL    },
            {"",      NULL    },
            {"onee",  NULL    },
	};

	assert_int_equal(table.len, 4);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_ptr_equal(name_table_find(&table, cases[i].name), cases[i].want);
	assert_null(name_table_find(&empty, "one"));
}

static void test_name(void **state)
{
	assert_string_equal(name_table_name(&table, 1), "one");
	assert_string_equal(name_table_name(&table, -5), "minus");
	assert_string_equal(name_table_name(&table, INT64_MAX), "large");
	assert_null(name_table_name(&table, 2));
	assert_null(name_table_name(&empty, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_name),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
