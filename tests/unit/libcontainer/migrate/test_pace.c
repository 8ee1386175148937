/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

#define MIB  (1ULL << 20)
#define MS   1000000ULL
#define GOAL (300 * MS)

struct round {
	uint64_t memory;
	uint64_t send_ns;
	uint64_t since_ns;
};

/** Rounds in their order, and after how many of them it ends, and why. */
static const struct {
	const char *name;
	struct round rounds[MIGRATE_ROUNDS_MAX];
	uint64_t want_rounds;
	const char *want;
} cases[] = {
    {"mostly idle: everything, and then next to nothing",
     {{512 * MIB, 1000 * MS, 0}, {MIB, 2 * MS, 1000 * MS}},
     2, "the goal is reached"       },
    {"a small container has two rounds as well",
     {{MIB, 2 * MS, 0}, {MIB / 4, MS, 10 * MS}},
     2, "the goal is reached"       },
    {"it shrinks with each round",
     {{512 * MIB, 1000 * MS, 0},
      {256 * MIB, 500 * MS, 1000 * MS},
      {128 * MIB, 250 * MS, 500 * MS},
      {64 * MIB, 125 * MS, 250 * MS}},
     3, "the goal is reached"       },
    {"as much is changed as can be sent",
     {{512 * MIB, 1000 * MS, 0},
      {500 * MIB, 1000 * MS, 1000 * MS},
      {505 * MIB, 1000 * MS, 1000 * MS}},
     3, "the rest no longer shrinks"},
};

static void test_rounds_end(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct migrate_pace pace = {.goal_ns = GOAL};
		const char *stop = NULL;

		for (size_t j = 0; !stop; j++) {
			const struct round *round = &cases[i].rounds[j];

			if (round->memory == 0)
				fail_msg("%s: no end after %zu rounds", cases[i].name, j);
			migrate_pace_add(&pace, round->memory, round->send_ns, round->since_ns);
			stop = migrate_pace_stop(&pace);
		}
		if (pace.rounds != cases[i].want_rounds || !streq(stop, cases[i].want))
			fail_msg("%s: '%s' after %d rounds", cases[i].name, stop, (int)pace.rounds);
	}
}

/** However slowly it shrinks, it ends. */
static void test_there_is_a_last_round(void **state)
{
	struct migrate_pace pace = {.goal_ns = 1};
	uint64_t memory = 1024 * MIB;

	for (int i = 0; i < MIGRATE_ROUNDS_MAX; i++) {
		assert_null(migrate_pace_stop(&pace));
		migrate_pace_add(&pace, memory, 1000 * MS, i ? 1200 * MS : 0);
		memory = memory / 100 * 80;
	}
	assert_string_equal(migrate_pace_stop(&pace), "there were enough rounds");
}

static void test_forecast(void **state)
{
	struct migrate_pace pace = {.goal_ns = GOAL};

	migrate_pace_add(&pace, 100 * MIB, 1000 * MS, 0);
	assert_true(pace.rate == 100 * MIB);
	assert_true(pace.dirty == 0);
	/* 10 MiB changed within a second, of 100 that could have been sent: 1 MiB will be left of them */
	migrate_pace_add(&pace, 10 * MIB, 100 * MS, 1000 * MS);
	assert_true(pace.dirty == 10 * MIB);
	assert_true(pace.expected_ns > 150 * MS && pace.expected_ns < 170 * MS);
	/* nothing at all must not divide by zero */
	migrate_pace_add(&pace, 0, 0, 1);
	assert_string_equal(migrate_pace_stop(&pace), "the goal is reached");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rounds_end),
	    cmocka_unit_test(test_there_is_a_last_round),
	    cmocka_unit_test(test_forecast),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
