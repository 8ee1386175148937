/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_now(void **state)
{
	char text[TIMESTAMP_SIZE];
	struct tm tm = {0};
	time_t before = time(NULL);
	time_t told;

	(void)state;
	timestamp_now(text);
	assert_int_equal(strlen(text), strlen("1970-01-01T00:00:00Z"));
	assert_ptr_equal(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm), text + strlen(text));
	told = timegm(&tm);
	assert_true(told >= before && told <= time(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_now),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
