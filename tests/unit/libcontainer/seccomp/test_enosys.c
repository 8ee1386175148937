/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/enosys.h"

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

#define ENOSYS_VERDICT (SECCOMP_RET_ERRNO | ENOSYS)

/** The instructions for @ranges with a filter behind them that allows everything. */
static struct seccomp_program in_front(const struct seccomp_newest *ranges, size_t count,
				       struct sock_filter *insns)
{
	size_t n = seccomp_enosys_build(ranges, count, insns);

	insns[n++] = (struct sock_filter){.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
	return (struct seccomp_program){.insns = insns, .n_insns = (uint32_t)n};
}

static uint32_t ask(const struct seccomp_program *program, uint32_t arch, uint32_t nr)
{
	struct seccomp_data data = {.arch = arch, .nr = (int)nr};

	return bpf_machine_run(program, &data);
}

/** What a range says about @nr, or allow where it says nothing. */
static uint32_t want(const struct seccomp_newest *ranges, size_t count, uint32_t arch, uint32_t nr)
{
	for (size_t i = 0; i < count; i++) {
		const struct seccomp_newest *r = &ranges[i];

		if (r->audit_arch == arch && nr >= r->first &&
		    (nr < r->end || r->end == UINT32_MAX))
			return nr > r->newest ? ENOSYS_VERDICT : SECCOMP_RET_ALLOW;
	}
	return SECCOMP_RET_ALLOW;
}

static void test_ranges(void **state)
{
	static const struct seccomp_newest all[] = {
	    {AUDIT_ARCH_I386,    0,          UINT32_MAX, 450             },
	    {AUDIT_ARCH_X86_64,  0,          0x40000000, 334             },
	    {AUDIT_ARCH_X86_64,  0x40000000, UINT32_MAX, 0x40000000 + 547},
	    {AUDIT_ARCH_ARM,     0,          0x0f0000,   400             },
	    {AUDIT_ARCH_AARCH64, 0,          UINT32_MAX, 0               },
	};
	static const uint32_t archs[] = {AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, AUDIT_ARCH_ARM,
					 AUDIT_ARCH_AARCH64, AUDIT_ARCH_S390X};

	/* each stretch of the list, so that every architecture is first, last and absent */
	for (size_t from = 0; from < ARRAY_LEN(all); from++) {
		for (size_t n = 0; from + n <= ARRAY_LEN(all); n++) {
			struct sock_filter insns[SECCOMP_ENOSYS_MAX_INSNS + 1];
			struct seccomp_program program = in_front(all + from, n, insns);

			for (size_t a = 0; a < ARRAY_LEN(archs); a++) {
				for (size_t i = 0; i < ARRAY_LEN(all); i++) {
					const uint32_t numbers[] = {
					    0,
					    1,
					    all[i].newest,
					    all[i].newest + 1,
					    all[i].first,
					    all[i].first - 1,
					    all[i].end,
					    all[i].end - 1,
					    UINT32_MAX,
					};

					for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
						assert_int_equal(
						    ask(&program, archs[a], numbers[k]),
						    want(all + from, n, archs[a], numbers[k]));
				}
			}
		}
	}
}

static void test_limits(void **state)
{
	struct sock_filter insns[SECCOMP_ENOSYS_MAX_INSNS];
	struct seccomp_newest many[40];

	for (uint32_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct seccomp_newest){i + 1, 0, UINT32_MAX, 5};
	assert_int_equal(seccomp_enosys_build(many, 0, insns), 0);
	assert_int_equal(seccomp_enosys_build(many, ARRAY_LEN(many), insns), 0);
	assert_true(seccomp_enosys_build(many, 12, insns) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_limits),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
