/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void test_it_goes_on(void **state)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	struct timespec now;
	int64_t ms = clock_ms();
	uint64_t ns = clock_ns();

	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_in_range(ns / 1000000 - (uint64_t)ms, 0, 5000);
	assert_in_range((uint64_t)now.tv_sec - ns / 1000000000, 0, 5);
	nanosleep(&pause, NULL);
	assert_in_range(clock_ms() - ms, 20, 5000);
	assert_in_range(clock_ns() - ns, 20000000, 5000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_it_goes_on),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
