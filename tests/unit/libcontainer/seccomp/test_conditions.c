/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/conditions.h"

#include <errno.h>
#include <linux/audit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "bpf_machine.h"

#define MARKER   (SECCOMP_RET_TRACE | 7)
#define HOLDS    (SECCOMP_RET_ERRNO | EPERM)
#define FALLBACK SECCOMP_RET_LOG
#define OTHER    SECCOMP_RET_ALLOW
#define CALL     5

static struct sock_filter insns[BPF_MAXINSNS];

/** A filter that answers MARKER to CALL, and OTHER to all else. Returns its length. */
static size_t start(void)
{
	static const struct sock_filter filter[] = {
	    {BPF_LD | BPF_W | BPF_ABS, 0, 0,                        offsetof(struct seccomp_data, nr)},
	    {BPF_ALU | BPF_AND | BPF_K,                        0, 0, ~SECCOMP_X32_BIT                           },
	    {BPF_JMP | BPF_JEQ | BPF_K,                        0, 1, CALL},
	    {BPF_RET | BPF_K,                        0,           0,           MARKER                           },
	    {BPF_RET | BPF_K,                        0,           0,           OTHER},
	};

	memcpy(insns, filter, sizeof(filter));
	return ARRAY_LEN(filter);
}

static uint32_t ask(size_t n, uint32_t arch, uint32_t nr, uint64_t first)
{
	struct seccomp_program program = {.insns = insns, .n_insns = (uint32_t)n};
	struct seccomp_data data = {.nr = (int)nr, .arch = arch, .args = {first}};

	return bpf_machine_run(&program, &data);
}

static uint32_t judge(const struct seccomp_widths *widths, const struct oci_seccomp_arg *arg,
		      uint32_t arch, uint32_t nr, uint64_t first)
{
	const struct seccomp_rule rule = {.action = HOLDS, .args = arg, .n_args = 1};
	const struct seccomp_call call = {MARKER, &rule, 1};

	return ask(seccomp_conditions_append(insns, start(), &call, 1, widths, FALLBACK), arch, nr,
		   first);
}

/* clang-format off */
static const struct seccomp_widths all = {
	.x32 = true,
	.narrow = true,
	.wide = { AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64 },
	.n_wide = 2,
};
static const struct seccomp_widths wide = { .wide = { AUDIT_ARCH_X86_64 }, .n_wide = 1 };
static const struct seccomp_widths wide_x32 = { .x32 = true, .wide = { AUDIT_ARCH_X86_64 }, .n_wide = 1 };
static const struct seccomp_widths narrow = { .narrow = true };
/* clang-format on */

/** The upper half of an argument counts where there is one. */
static void test_widths(void **state)
{
	static const struct {
		const struct seccomp_widths *widths;
		uint32_t arch;
		uint32_t nr;
		bool wide;
	} cases[] = {
	    {&all,      AUDIT_ARCH_X86_64,  CALL,                   true },
	    {&all,      AUDIT_ARCH_AARCH64, CALL,                   true },
	    {&all,      AUDIT_ARCH_X86_64,  CALL | SECCOMP_X32_BIT, false},
	    {&all,      AUDIT_ARCH_I386,    CALL,                   false},
	    {&all,      AUDIT_ARCH_ARM,     CALL,                   false},
	    {&wide,     AUDIT_ARCH_X86_64,  CALL,                   true },
	    {&wide_x32, AUDIT_ARCH_X86_64,  CALL,                   true },
	    {&wide_x32, AUDIT_ARCH_X86_64,  CALL | SECCOMP_X32_BIT, false},
	    {&narrow,   AUDIT_ARCH_I386,    CALL,                   false},
	};
	static const struct oci_seccomp_arg equal = {.value = 1, .op = OCI_SECCOMP_EQ};
	static const struct oci_seccomp_arg masked = {
	    .value = 3, .value_two = 5, .op = OCI_SECCOMP_MASKED_EQ};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t arch = cases[i].arch;
		uint32_t nr = cases[i].nr;

		assert_int_equal(judge(cases[i].widths, &equal, arch, nr, 1), HOLDS);
		assert_int_equal(judge(cases[i].widths, &equal, arch, nr, 2), FALLBACK);
		assert_int_equal(judge(cases[i].widths, &equal, arch, nr, (1ULL << 32) + 1),
				 cases[i].wide ? FALLBACK : HOLDS);
		assert_int_equal(judge(cases[i].widths, &masked, arch, nr, (1ULL << 32) + 1),
				 HOLDS);
		assert_int_equal(judge(cases[i].widths, &masked, arch, nr, 2), FALLBACK);
		assert_int_equal(judge(cases[i].widths, &masked, arch, nr + 1, 1), OTHER);
	}
}

/** Each operator at the places where halves decide. */
static void test_operators(void **state)
{
	static const uint64_t values[] = {0,
					  1,
					  UINT32_MAX - 1,
					  UINT32_MAX,
					  1ULL << 32,
					  (1ULL << 32) + 1,
					  (2ULL << 32) - 1,
					  2ULL << 32,
					  UINT64_MAX};

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		for (size_t j = 0; j < ARRAY_LEN(values); j++) {
			uint64_t a = values[i];
			uint64_t b = values[j];
			const struct {
				enum oci_seccomp_op op;
				bool holds;
			} cases[] = {
			    {OCI_SECCOMP_NE,        a != b             },
			    {OCI_SECCOMP_LT,        a < b              },
			    {OCI_SECCOMP_LE,        a <= b             },
			    {OCI_SECCOMP_EQ,        a == b             },
			    {OCI_SECCOMP_GE,        a >= b             },
			    {OCI_SECCOMP_GT,        a > b              },
			    {OCI_SECCOMP_MASKED_EQ, (a & b) == (~a & b)},
			};

			for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
				const struct oci_seccomp_arg arg = {
				    .value = b, .value_two = ~a, .op = cases[k].op};

				assert_int_equal(judge(&wide, &arg, AUDIT_ARCH_X86_64, CALL, a),
						 cases[k].holds ? HOLDS : FALLBACK);
			}
		}
	}
}

/** On a machine whose upper halves come first. */
static void test_big_endian(void **state)
{
	struct seccomp_widths big = wide;
	const struct oci_seccomp_arg arg = {.value = 0x1122334455667788, .op = OCI_SECCOMP_EQ};

	big.big_endian = true;
	assert_int_equal(judge(&big, &arg, AUDIT_ARCH_X86_64, CALL, 0x5566778811223344), HOLDS);
	assert_int_equal(judge(&big, &arg, AUDIT_ARCH_X86_64, CALL, 0x1122334455667788), FALLBACK);
	big = narrow;
	big.big_endian = true;
	assert_int_equal(judge(&big, &arg, AUDIT_ARCH_I386, CALL, 0x5566778800000000), HOLDS);
	assert_int_equal(judge(&big, &arg, AUDIT_ARCH_I386, CALL, 0x0000000055667788), FALLBACK);
}

#define VALUES 1000

/** A list of values of one argument: longer than a jump reaches, with two ends and several halves. */
static void test_values(void **state)
{
	static struct oci_seccomp_arg args[VALUES];
	static struct seccomp_rule rules[VALUES];
	const struct seccomp_call call = {MARKER, rules, VALUES};
	size_t n;

	for (uint64_t i = 0; i < VALUES; i++) {
		args[i] = (struct oci_seccomp_arg){.value = 2 * i, .op = OCI_SECCOMP_EQ};
		if (i % 300 == 299)
			args[i].value += 1ULL << 32;
		rules[i] = (struct seccomp_rule){
		    .action = i < 500 ? HOLDS : OTHER, .args = &args[i], .n_args = 1};
	}
	n = seccomp_conditions_append(insns, start(), &call, 1, &wide, FALLBACK);
	assert_in_range(n, VALUES, VALUES + 100);
	for (size_t i = 0; i < VALUES; i++) {
		uint64_t value = args[i].value;

		assert_int_equal(ask(n, AUDIT_ARCH_X86_64, CALL, value), rules[i].action);
		assert_int_equal(ask(n, AUDIT_ARCH_X86_64, CALL, value + 1), FALLBACK);
		assert_int_equal(ask(n, AUDIT_ARCH_X86_64, CALL, value + (1ULL << 33)), FALLBACK);
	}
}

/** Each value to an end of its own: two instructions a value. */
static void test_values_with_actions_of_their_own(void **state)
{
	static struct oci_seccomp_arg args[VALUES];
	static struct seccomp_rule rules[VALUES];
	const struct seccomp_call call = {MARKER, rules, VALUES};
	size_t n;

	for (uint32_t i = 0; i < VALUES; i++) {
		args[i] = (struct oci_seccomp_arg){.value = i, .op = OCI_SECCOMP_EQ};
		rules[i] = (struct seccomp_rule){
		    .action = SECCOMP_RET_ERRNO | (i + 1), .args = &args[i], .n_args = 1};
	}
	n = seccomp_conditions_append(insns, start(), &call, 1, &wide, FALLBACK);
	assert_in_range(n, 2 * VALUES, 2 * VALUES + 20);
	for (uint32_t i = 0; i < VALUES; i++)
		assert_int_equal(ask(n, AUDIT_ARCH_X86_64, CALL, i), SECCOMP_RET_ERRNO | (i + 1));
	assert_int_equal(ask(n, AUDIT_ARCH_X86_64, CALL, VALUES), FALLBACK);
	assert_int_equal(ask(n, AUDIT_ARCH_X86_64, CALL, 1ULL << 32), FALLBACK);
}

/** The first rule that holds decides, and all conditions of a rule have to hold. */
static void test_rules(void **state)
{
	static const struct oci_seccomp_arg together[] = {
	    {.index = 0, .value = 3, .op = OCI_SECCOMP_GT},
	    {.index = 1, .value = 0, .op = OCI_SECCOMP_NE},
	};
	static const struct oci_seccomp_arg below = {.value = 10, .op = OCI_SECCOMP_LT};
	static const struct oci_seccomp_arg above = {.value = 2, .op = OCI_SECCOMP_GE};
	static const struct seccomp_rule rules[] = {
	    {.action = SECCOMP_RET_TRAP, .args = together, .n_args = 2},
	    {.action = HOLDS,            .args = &below,   .n_args = 1},
	    {.action = OTHER,            .args = &above,   .n_args = 1},
	};
	static const struct seccomp_call call = {MARKER, rules, ARRAY_LEN(rules)};
	size_t n = seccomp_conditions_append(insns, start(), &call, 1, &wide, FALLBACK);

	assert_int_equal(ask(n, AUDIT_ARCH_X86_64, CALL, 9), HOLDS);
	assert_int_equal(ask(n, AUDIT_ARCH_X86_64, CALL, 10), OTHER);
}

/** A call that the filter does not have adds nothing; every place that has its marker is changed. */
static void test_markers(void **state)
{
	static const struct oci_seccomp_arg arg = {.value = 1, .op = OCI_SECCOMP_EQ};
	static const struct seccomp_rule rule = {.action = HOLDS, .args = &arg, .n_args = 1};
	static const struct seccomp_call calls[] = {
	    {MARKER + 1, &rule, 1},
	    {MARKER,     &rule, 1},
	};
	size_t n = start();

	assert_int_equal(seccomp_conditions_append(insns, n, calls, 1, &wide, FALLBACK), n);
	insns[n - 1].k = MARKER;
	n = seccomp_conditions_append(insns, n, calls, 2, &wide, FALLBACK);
	for (uint32_t nr = CALL; nr <= CALL + 1; nr++) {
		assert_int_equal(ask(n, AUDIT_ARCH_X86_64, nr, 1), HOLDS);
		assert_int_equal(ask(n, AUDIT_ARCH_X86_64, nr, 0), FALLBACK);
	}
}

/** What there is no room for is counted, and written nowhere. */
static void test_too_long(void **state)
{
	static struct oci_seccomp_arg args[BPF_MAXINSNS];
	static struct seccomp_rule rules[BPF_MAXINSNS];
	static const struct seccomp_call call = {MARKER, rules, BPF_MAXINSNS};

	for (size_t i = 0; i < BPF_MAXINSNS; i++) {
		args[i] = (struct oci_seccomp_arg){.value = i, .op = OCI_SECCOMP_NE};
		rules[i] = (struct seccomp_rule){.action = HOLDS, .args = &args[i], .n_args = 1};
	}
	assert_in_range(seccomp_conditions_append(insns, start(), &call, 1, &all, FALLBACK),
			8 * BPF_MAXINSNS, 8 * BPF_MAXINSNS + 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_widths),
	    cmocka_unit_test(test_operators),
	    cmocka_unit_test(test_big_endian),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_values_with_actions_of_their_own),
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_markers),
	    cmocka_unit_test(test_too_long),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
