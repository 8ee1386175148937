/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_convert.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"

static void test_shares(void **state)
{
	static const struct {
		uint64_t shares, weight;
	} cases[] = {
  /*
		 * The ends, the middle, and the values that Kubernetes' and Docker's requests
		 * become.
		 */
	    {1,          1    },
            {2,          1    },
	    {3,          2    },
            {10,         4    },
	    {102,        17   },
            {256,        35   },
	    {512,        59   },
            {1024,       100  },
	    {2048,       174  },
            {8192,       532  },
	    {65536,      3023 },
            {196547,     7781 },
	    {262144,     10000},
            {UINT64_MAX, 10000},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (resource_convert_shares(cases[i].shares) != cases[i].weight)
			fail_msg("%lu: want %lu, got %lu", (unsigned long)cases[i].shares,
				 (unsigned long)cases[i].weight,
				 (unsigned long)resource_convert_shares(cases[i].shares));
}

static void test_shares_never_fall(void **state)
{
	uint64_t before = 1;

	for (uint64_t shares = 2; shares <= 262144; shares++) {
		uint64_t weight = resource_convert_shares(shares);

		assert_true(weight >= before && weight <= 10000);
		before = weight;
	}
}

static void test_io_weight(void **state)
{
	assert_int_equal(resource_convert_io_weight(10), 1);
	assert_int_equal(resource_convert_io_weight(100), 910);
	assert_int_equal(resource_convert_io_weight(500), 4950);
	assert_int_equal(resource_convert_io_weight(1000), 10000);
}

static void test_swap(void **state)
{
	/* clang-format off */
	static const struct {
		int64_t swap, limit;
		int want;
		bool set;
		int64_t amount;
	} cases[] = {
		{ 0, 0, 0, false, 0 },
		{ 0, 100, 0, false, 0 },
		{ 0, -1, 0, true, -1 },	   /* unlimited memory, swap left open */
		{ -1, 0, 0, true, -1 },
		{ -1, 100, 0, true, -1 },
		{ 100, 100, 0, true, 0 },  /* no swap */
		{ 300, 100, 0, true, 200 },
		{ 99, 100, -ERANGE, true, -1 },
		{ 100, 0, -EINVAL, true, -1 },
		{ 100, -1, -EINVAL, true, -1 },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t amount;
		bool set;
		int rc = resource_convert_swap(cases[i].swap, cases[i].limit, &set, &amount);

		if (rc != cases[i].want ||
		    (rc == 0 && (set != cases[i].set || amount != cases[i].amount)))
			fail_msg("case %zu: rc %d set %d amount %ld", i, rc, set, (long)amount);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shares),
	    cmocka_unit_test(test_shares_never_fall),
	    cmocka_unit_test(test_io_weight),
	    cmocka_unit_test(test_swap),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
