/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program is judged by running it, against a naive reading of the document's rules, over random rules
 * and accesses: see device_machine.h.
 */
#include "cgroups/device_program.h"

#include <errno.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "device_machine.h"

#define ROUNDS    20000
#define PROBES    40
#define MAX_RULES 12

static int setup(void **state)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	*state = arena;
	return arena && arena_init(arena, NULL) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	arena_done(*state);
	free(*state);
	return 0;
}

/* Random cases: few numbers, so that rules meet each other and the requests. */

static const int64_t numbers[] = {0, 1, 3, 5, 8, 10, 136, 200, 0x80000000LL, UINT32_MAX};

static const int64_t *random_number(unsigned int *seed)
{
	size_t i = (size_t)rand_r(seed) % (2 * ARRAY_LEN(numbers));

	return i < ARRAY_LEN(numbers) ? &numbers[i] : NULL;
}

static struct oci_device_rule random_rule(unsigned int *seed)
{
	static const char *const accesses[] = {NULL, "rwm", "r",  "w",   "m",
					       "rw", "wm",  "mr", "rrw", ""};
	const char *access = accesses[(size_t)rand_r(seed) % (ARRAY_LEN(accesses) - 1)];

	return (struct oci_device_rule){
	    .allow = rand_r(seed) % 2,
	    .type = "acb"[rand_r(seed) % 3],
	    .major = random_number(seed),
	    .minor = random_number(seed),
	    .access = access,
	};
}

static struct device_request random_request(unsigned int *seed)
{
	return (struct device_request){
	    .type = rand_r(seed) % 2 ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK,
	    .major = (uint32_t)numbers[(size_t)rand_r(seed) % ARRAY_LEN(numbers)],
	    .minor = (uint32_t)numbers[(size_t)rand_r(seed) % ARRAY_LEN(numbers)],
	    .access = 1 + (uint32_t)rand_r(seed) % DEVICE_ACCESS_ALL,
	};
}

static void check_round(struct arena *arena, unsigned int *seed)
{
	struct oci_device_rule rules[MAX_RULES];
	size_t n_rules = 1 + (size_t)rand_r(seed) % MAX_RULES;
	struct bpf_insn *insns;
	size_t count;

	for (size_t i = 0; i < n_rules; i++)
		rules[i] = random_rule(seed);
	assert_int_equal(device_program_build(rules, n_rules, arena, &insns, &count, NULL), 0);
	for (int i = 0; i < PROBES; i++) {
		struct device_request request = random_request(seed);
		int want = device_oracle_allows(rules, n_rules, &request);
		int got = insns ? device_machine_run(insns, count, &request) : 1;

		if (got != want)
			fail_msg("%zu rules: type %u %u:%u access %u: want %d, got %d", n_rules,
				 request.type, request.major, request.minor, request.access, want,
				 got);
	}
}

static void test_against_naive_reading(void **state)
{
	struct arena *arena = *state;
	unsigned int seed = 20260101;

	for (int round = 0; round < ROUNDS; round++) {
		check_round(arena, &seed);
		if (round % 1000 == 999) {
			arena_done(arena);
			assert_int_equal(arena_init(arena, NULL), 0);
		}
	}
}

/* Without a rule the container gets what no container can do without, as in runc. */
static void test_no_rules(void **state)
{
	static const struct device_request null = {BPF_DEVCG_DEV_CHAR, 1, 3, BPF_DEVCG_ACC_READ};
	static const struct device_request kmsg = {BPF_DEVCG_DEV_CHAR, 1, 11, BPF_DEVCG_ACC_READ};
	static const struct device_request make = {BPF_DEVCG_DEV_BLOCK, 7, 0, BPF_DEVCG_ACC_MKNOD};
	struct bpf_insn *insns;
	size_t count;

	assert_int_equal(device_program_build(NULL, 0, *state, &insns, &count, NULL), 0);
	assert_non_null(insns);
	assert_int_equal(device_machine_run(insns, count, &null), 1);
	assert_int_equal(device_machine_run(insns, count, &make), 1);
	assert_int_equal(device_machine_run(insns, count, &kmsg), 0);
}

static void test_allow_all_no_program(void **state)
{
	static const int64_t one = 1, three = 3;
	/* clang-format off */
	const struct oci_device_rule rules[] = {
		{ .allow = false, .type = 'a' },
		{ .allow = true, .type = 'c', .major = &one, .minor = &three, .access = "rwm" },
		{ .allow = true, .type = 'a', .access = "rwm" },
	};
	/* clang-format on */
	struct bpf_insn *insns;
	size_t count;

	assert_int_equal(
	    device_program_build(rules, ARRAY_LEN(rules), *state, &insns, &count, NULL), 0);
	assert_null(insns);
	assert_int_equal(device_program_build(rules, 2, *state, &insns, &count, NULL), 0);
	assert_non_null(insns);
}

/* What engines send repeats what is always allowed: it must not cost instructions. */
static void test_repetitions_cost_nothing(void **state)
{
	static const int64_t numbers_of[][2] = {
	    {1,  5  },
            {1,  3  },
            {1,  9  },
            {1,  8  },
            {5,  0  },
            {10, 200}
        };
	struct oci_device_rule rules[1 + ARRAY_LEN(numbers_of)] = {
	    {.allow = false, .type = 'a', .access = "rwm"}
        };
	struct bpf_insn *insns;
	size_t alone, together;

	for (size_t i = 0; i < ARRAY_LEN(numbers_of); i++)
		rules[i + 1] = (struct oci_device_rule){.allow = true,
							.type = 'c',
							.major = &numbers_of[i][0],
							.minor = &numbers_of[i][1],
							.access = "rwm"};
	assert_int_equal(device_program_build(rules, 1, *state, &insns, &alone, NULL), 0);
	assert_int_equal(
	    device_program_build(rules, ARRAY_LEN(rules), *state, &insns, &together, NULL), 0);
	assert_int_equal(alone, together);
}

static void test_bad_rules(void **state)
{
	static const int64_t minus_two = -2, minus_one = -1, too_large = 1LL << 32;
	/* clang-format off */
	const struct {
		struct oci_device_rule rule;
		const char *want;
	} cases[] = {
		{ { .type = 'x' }, "[1].type: expected a, c or b, found 'x'" },
		{ { .type = 'p' }, "[1].type: expected a, c or b, found 'p'" },
		{ { .type = 'c', .major = &minus_two }, "[1].major: -2 is no device number" },
		{ { .type = 'c', .minor = &too_large }, "[1].minor: 4294967296 is no device number" },
		{ { .type = 'c', .access = "rwx" }, "[1].access: expected letters of 'rwm', found 'rwx'" },
		{ { .type = 'c', .major = &minus_one, .minor = &minus_one }, NULL },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct oci_device_rule rules[] = {
		    {.allow = false, .type = 'a'},
                    cases[i].rule
                };
		struct wh_error err = WH_ERROR_INIT;
		struct bpf_insn *insns;
		size_t count;
		int rc =
		    device_program_build(rules, ARRAY_LEN(rules), *state, &insns, &count, &err);

		assert_int_equal(rc, cases[i].want ? -EINVAL : 0);
		assert_string_equal(err.message, cases[i].want ? cases[i].want : "");
		if (cases[i].want)
			assert_null(insns);
	}
}

/* A group of rules that share their checks must not jump further than an instruction can say. */
static void test_many_minors(void **state)
{
	enum { N = 5000 };
	static int64_t minors[N];
	static const int64_t major = 7;
	struct oci_device_rule *rules = arena_array(*state, struct oci_device_rule, N + 1);
	struct bpf_insn *insns;
	size_t count;

	assert_non_null(rules);
	rules[0] = (struct oci_device_rule){.type = 'a'};
	for (int i = 0; i < N; i++) {
		minors[i] = 2 * i;
		rules[i + 1] = (struct oci_device_rule){.allow = true,
							.type = 'b',
							.major = &major,
							.minor = &minors[i],
							.access = "r"};
	}
	assert_int_equal(device_program_build(rules, N + 1, *state, &insns, &count, NULL), 0);
	for (uint32_t minor = 0; minor < 2 * N + 2; minor += 37) {
		const struct device_request request = {BPF_DEVCG_DEV_BLOCK, 7, minor,
						       BPF_DEVCG_ACC_READ};

		assert_int_equal(device_machine_run(insns, count, &request),
				 minor % 2 == 0 && minor < 2 * N);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_against_naive_reading),
	    TEST(test_no_rules),
	    TEST(test_allow_all_no_program),
	    TEST(test_repetitions_cost_nothing),
	    TEST(test_bad_rules),
	    TEST(test_many_minors),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
