/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "bpf_machine.h"
#include "libcontainer/seccomp/rules.h"
#include "tests/unit/group_arena.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/** A profile with one rule without conditions. */
struct fixture {
	const char *names[4];
	struct oci_seccomp_syscall rule;
	struct oci_seccomp profile;
};

static void fill(struct fixture *f, int64_t default_action, int64_t action, const char *name)
{
	*f = (struct fixture){.names = {name}};
	f->rule.names = f->names;
	f->rule.n_names = 1;
	f->rule.action = action;
	f->profile.default_action = default_action;
	f->profile.syscalls = &f->rule;
	f->profile.n_syscalls = 1;
}

static struct seccomp_program compile(const struct oci_seccomp *profile)
{
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_program program = {0};

	assert_int_equal(seccomp_compile(profile, &arena, &program, &err), 0);
	return program;
}

static uint32_t ask(const struct seccomp_program *program, uint32_t arch, uint32_t nr)
{
	struct seccomp_data data = {.arch = arch, .nr = (int)nr};

	return bpf_machine_run(program, &data);
}

/** What the profile's problems read like; "" when there are none. */
static const char *check(const struct oci_seccomp *profile)
{
	struct problems problems;

	problems_init(&problems, &arena);
	seccomp_check(profile, &problems);
	assert_true(problems.n_errors <= 1);
	return problems.first ? problems.first->text : "";
}

static void test_check(void **state)
{
	struct fixture f;
	int64_t flags[] = {1 << 20};
	int64_t archs[] = {1, 99};

	fill(&f, OCI_SECCOMP_ERRNO, OCI_SECCOMP_ALLOW, "read");
	assert_string_equal(check(&f.profile), "");
	fill(&f, OCI_SECCOMP_ERRNO, OCI_SECCOMP_NOTIFY, "mkdir");
	assert_string_equal(check(&f.profile), "");
	/* after the filter is loaded init only sends the listener */
	fill(&f, OCI_SECCOMP_ALLOW, OCI_SECCOMP_NOTIFY, "sendmsg");
	assert_non_null(
	    strstr(check(&f.profile), "linux.seccomp.syscalls[0]: SCMP_ACT_NOTIFY cannot"));
	fill(&f, OCI_SECCOMP_ALLOW, OCI_SECCOMP_NOTIFY, "execve");
	assert_string_equal(check(&f.profile), "");
	fill(&f, OCI_SECCOMP_NOTIFY, OCI_SECCOMP_ALLOW, "sendmsg");
	assert_non_null(strstr(check(&f.profile), "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY"));
	fill(&f, OCI_SECCOMP_ALLOW, OCI_SECCOMP_ERRNO, "read");
	f.profile.flags = flags;
	f.profile.n_flags = 1;
	assert_non_null(
	    strstr(check(&f.profile), "linux.seccomp.flags[0]: this kernel does not have"));
	f.profile.n_flags = 0;
	f.profile.architectures = archs;
	f.profile.n_architectures = 2;
	assert_non_null(
	    strstr(check(&f.profile), "linux.seccomp.architectures[1]: this libseccomp"));
}

static void test_each_action(void **state)
{
	static const struct {
		int64_t action;
		uint32_t want;
	} cases[] = {
	    {OCI_SECCOMP_KILL,         SECCOMP_RET_KILL_THREAD  },
	    {OCI_SECCOMP_KILL_THREAD,  SECCOMP_RET_KILL_THREAD  },
	    {OCI_SECCOMP_KILL_PROCESS, SECCOMP_RET_KILL_PROCESS },
	    {OCI_SECCOMP_TRAP,         SECCOMP_RET_TRAP         },
	    {OCI_SECCOMP_ERRNO,        SECCOMP_RET_ERRNO | EPERM},
	    {OCI_SECCOMP_TRACE,        SECCOMP_RET_TRACE | EPERM},
	    {OCI_SECCOMP_ALLOW,        SECCOMP_RET_ALLOW        },
	    {OCI_SECCOMP_LOG,          SECCOMP_RET_LOG          },
	    {OCI_SECCOMP_NOTIFY,       SECCOMP_RET_USER_NOTIF   },
	};
	uint32_t native = seccomp_arch_native();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t fallback =
		    cases[i].action == OCI_SECCOMP_ALLOW ? OCI_SECCOMP_LOG : OCI_SECCOMP_ALLOW;
		struct seccomp_program program;
		struct fixture f;

		fill(&f, fallback, cases[i].action, "chroot");
		program = compile(&f.profile);
		assert_int_equal(
		    ask(&program, native, (uint32_t)seccomp_syscall_resolve_name("chroot")),
		    cases[i].want);
		assert_int_equal(
		    ask(&program, native, (uint32_t)seccomp_syscall_resolve_name("read")),
		    fallback == OCI_SECCOMP_ALLOW ? SECCOMP_RET_ALLOW : SECCOMP_RET_LOG);
		assert_int_equal(program.notify, cases[i].action == OCI_SECCOMP_NOTIFY);
		/* an architecture that is not in the filter */
		assert_int_equal(ask(&program, AUDIT_ARCH_S390X, 1), SECCOMP_RET_KILL_THREAD);
	}
}

static void test_errno_values(void **state)
{
	static const uint32_t wanted = ENOTSUP;
	static const uint32_t fallback = ENOENT;
	struct seccomp_program program;
	struct fixture f;

	fill(&f, OCI_SECCOMP_ERRNO, OCI_SECCOMP_ERRNO, "chroot");
	f.rule.errno_ret = &wanted;
	f.profile.default_errno_ret = &fallback;
	program = compile(&f.profile);
	assert_int_equal(
	    ask(&program, seccomp_arch_native(), (uint32_t)seccomp_syscall_resolve_name("chroot")),
	    SECCOMP_RET_ERRNO | ENOTSUP);
	assert_int_equal(
	    ask(&program, seccomp_arch_native(), (uint32_t)seccomp_syscall_resolve_name("read")),
	    SECCOMP_RET_ERRNO | ENOENT);
}

struct flags_case {
	const char *name;
	bool present;
	int64_t flags[2];
	size_t n;
	int64_t action;
	uint32_t want;
};

static void test_flags(void **state)
{
	/* clang-format off */
	static const struct flags_case cases[] = {
		{ "absent", false, { 0, 0 }, 0, OCI_SECCOMP_ERRNO, SECCOMP_FILTER_FLAG_SPEC_ALLOW },
		{ "empty", true, { 0, 0 }, 0, OCI_SECCOMP_ERRNO, 0 },
		{ "two", true, { SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG }, 2,
		  OCI_SECCOMP_ERRNO, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG },
		{ "wait killable", true, { SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0 }, 1,
		  OCI_SECCOMP_NOTIFY, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
		{ "wait killable without notify", true,
		  { SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0 }, 1, OCI_SECCOMP_ERRNO, 0 },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture f;

		print_message("# %s\n", cases[i].name);
		fill(&f, OCI_SECCOMP_ALLOW, cases[i].action, "chroot");
		f.profile.flags = cases[i].present ? (int64_t *)cases[i].flags : NULL;
		f.profile.n_flags = cases[i].n;
		assert_int_equal(compile(&f.profile).flags, cases[i].want);
	}
}

static void test_unknown_calls(void **state)
{
	struct seccomp_program program;
	struct fixture f;

	fill(&f, OCI_SECCOMP_ERRNO, OCI_SECCOMP_ALLOW, "call_of_the_future");
	f.names[1] = "read";
	f.names[2] = "another_one";
	f.rule.n_names = 3;
	assert_int_equal(seccomp_unknown_syscalls(&f.profile), 2);
	program = compile(&f.profile);
	assert_int_equal(
	    ask(&program, seccomp_arch_native(), (uint32_t)seccomp_syscall_resolve_name("read")),
	    SECCOMP_RET_ALLOW);
}

static void test_argument_index(void **state)
{
	struct oci_seccomp_arg arg = {.index = 6, .op = OCI_SECCOMP_EQ};
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_program program = {0};
	struct fixture f;

	fill(&f, OCI_SECCOMP_ALLOW, OCI_SECCOMP_ERRNO, "ioctl");
	f.rule.args = &arg;
	f.rule.n_args = 1;
	assert_true(seccomp_compile(&f.profile, &arena, &program, &err) < 0);
	assert_string_equal(
	    err.message, "linux.seccomp.syscalls[0].args[0].index: a system call has 6 arguments");
}

/** Two "less than" of one call on one argument: a case that libseccomp joins wrongly. */
static void test_two_less_than(void **state)
{
	struct oci_seccomp_arg args[] = {
	    {.index = 1, .value = 0x31bdde40,   .op = OCI_SECCOMP_LE},
	    {.index = 1, .value = 0x6fac453c27, .op = OCI_SECCOMP_GT},
	    {.index = 1, .value = 0x100,        .op = OCI_SECCOMP_LT},
	};
	struct seccomp_data data = {.arch = seccomp_arch_native()};
	struct seccomp_program program;
	struct fixture f;

	fill(&f, OCI_SECCOMP_ERRNO, OCI_SECCOMP_ALLOW, "read");
	f.rule.args = args;
	f.rule.n_args = 3;
	program = compile(&f.profile);
	data.nr = seccomp_syscall_resolve_name("read");
	data.args[1] = 0x31bdde40;
	assert_int_equal(bpf_machine_run(&program, &data), SECCOMP_RET_ALLOW);
	data.args[1] = 0x31bdde41;
	assert_int_equal(bpf_machine_run(&program, &data), SECCOMP_RET_ERRNO | EPERM);
	data.args[1] = 0xe7c19cff;
	assert_int_equal(bpf_machine_run(&program, &data), SECCOMP_RET_ERRNO | EPERM);
	data.args[1] = 0x6fac453c28;
	assert_int_equal(bpf_machine_run(&program, &data), SECCOMP_RET_ALLOW);
}

/** Only the calls whose rules ask for arguments are judged anew each time. */
static void test_calls_to_remember(void **state)
{
	static const char *asked[] = {"clone", "socket"};
	static const char *allowed[] = {"read", "write", "socketcall", "socket"};
	struct oci_seccomp_arg arg = {.index = 1, .value = 5, .op = OCI_SECCOMP_GE};
	struct oci_seccomp_syscall rules[] = {
	    {.names = asked, .n_names = 2, .action = OCI_SECCOMP_ALLOW, .args = &arg, .n_args = 1},
	    {.names = allowed,   .n_names = 4,               .action = OCI_SECCOMP_ALLOW                          },
	};
	struct oci_seccomp profile = {
	    .default_action = OCI_SECCOMP_ERRNO, .syscalls = rules, .n_syscalls = 2};
	uint32_t native = seccomp_arch_native();
	struct seccomp_program program = compile(&profile);
	struct seccomp_data data = {
	    .arch = native, .args = {0, 5}
        };

	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		int nr = seccomp_syscall_resolve_name(allowed[i]);

		if (nr >= 0)
			assert_true(bpf_machine_always_allows(&program, native, (uint32_t)nr));
	}
	data.nr = seccomp_syscall_resolve_name("clone");
	assert_false(bpf_machine_always_allows(&program, native, (uint32_t)data.nr));
	assert_int_equal(bpf_machine_run(&program, &data), SECCOMP_RET_ALLOW);
}

/** What the kernel would not take is refused, whichever part of the filter is too long. */
static void test_too_long(void **state)
{
	static struct oci_seccomp_arg args[BPF_MAXINSNS];
	const char *names[] = {"read"};
	struct oci_seccomp_syscall rule = {.names = names,
					   .n_names = 1,
					   .action = OCI_SECCOMP_ALLOW,
					   .args = args,
					   .n_args = ARRAY_LEN(args)};
	struct oci_seccomp profile = {
	    .default_action = OCI_SECCOMP_ERRNO, .syscalls = &rule, .n_syscalls = 1};
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_program program = {0};

	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		args[i] = (struct oci_seccomp_arg){
		    .index = (uint32_t)(i % 2), .value = i, .op = OCI_SECCOMP_EQ};
	assert_true(seccomp_compile(&profile, &arena, &program, &err) < 0);
	assert_non_null(strstr(err.message, " instructions, the kernel takes 4096"));
	rule.n_args = 500;
	assert_int_equal(seccomp_compile(&profile, &arena, &program, &err), 0);
}

/**
 * Calls above the newest that the profile names get ENOSYS, each architecture by its own numbers.
 */
static void test_newer_calls(void **state)
{
	int64_t archs[] = {0, 1, 2, 3, 4}; /* X86 X86_64 X32 ARM AARCH64 */
	struct seccomp_program program;
	struct fixture f;
	uint32_t enosys = SECCOMP_RET_ERRNO | ENOSYS;
	uint32_t eperm = SECCOMP_RET_ERRNO | EPERM;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64) {
		print_message("# the filter of this host has other architectures\n");
		skip();
	}
	fill(&f, OCI_SECCOMP_ERRNO, OCI_SECCOMP_ALLOW, "statx");
	f.names[1] = "breakpoint"; /* ARM's own, far above */
	f.rule.n_names = 2;
	f.profile.architectures = archs;
	f.profile.n_architectures = 5;
	program = compile(&f.profile);
	assert_int_equal(ask(&program, AUDIT_ARCH_X86_64, 332), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&program, AUDIT_ARCH_X86_64, 0), eperm);
	assert_int_equal(ask(&program, AUDIT_ARCH_X86_64, 333), enosys);
	assert_int_equal(ask(&program, AUDIT_ARCH_X86_64, 0x3fffffff), enosys);
	assert_int_equal(ask(&program, AUDIT_ARCH_X86_64, 0x40000000 + 332), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&program, AUDIT_ARCH_X86_64, 0x40000000 + 333), enosys);
	assert_int_equal(ask(&program, AUDIT_ARCH_X86_64, 0x40000000 + 1), eperm);
	assert_int_equal(ask(&program, AUDIT_ARCH_I386, 383), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&program, AUDIT_ARCH_I386, 384), enosys);
	assert_int_equal(ask(&program, AUDIT_ARCH_AARCH64, 291), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&program, AUDIT_ARCH_AARCH64, 292), enosys);
	assert_int_equal(ask(&program, AUDIT_ARCH_ARM, 397), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&program, AUDIT_ARCH_ARM, 398), enosys);
	assert_int_equal(ask(&program, AUDIT_ARCH_ARM, 0x0f0001), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&program, AUDIT_ARCH_ARM, 0x0f0002), eperm);
	f.profile.n_architectures = 0;
	program = compile(&f.profile);
	assert_int_equal(ask(&program, AUDIT_ARCH_X86_64, 333), enosys);
	assert_int_equal(ask(&program, AUDIT_ARCH_X86_64, 0x40000001), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(ask(&program, AUDIT_ARCH_I386, 384), SECCOMP_RET_KILL_THREAD);
}

/** Nothing goes in front where unknown calls are let through, or get ENOSYS anyway. */
static void test_no_enosys(void **state)
{
	static const uint32_t enosys = ENOSYS;
	static const int64_t passing[] = {OCI_SECCOMP_ALLOW, OCI_SECCOMP_LOG, OCI_SECCOMP_TRACE};
	uint32_t nr = 5000;
	struct seccomp_program program;
	struct fixture f;

	for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
		fill(&f, passing[i], OCI_SECCOMP_TRAP, "read");
		program = compile(&f.profile);
		assert_int_equal(ask(&program, seccomp_arch_native(), nr) & SECCOMP_RET_ACTION_FULL,
				 seccomp_actions[passing[i]].kernel);
	}
	fill(&f, OCI_SECCOMP_ERRNO, OCI_SECCOMP_ALLOW, "read");
	program = compile(&f.profile);
	f.profile.default_errno_ret = &enosys;
	assert_true(compile(&f.profile).n_insns < program.n_insns);
}

static void test_version(void **state)
{
	char text[32];
	char want[32];

	snprintf(want, sizeof(want), "%u.%u.%u", SCMP_VER_MAJOR, SCMP_VER_MINOR, SCMP_VER_MICRO);
	seccomp_library_version(text, sizeof(text));
	assert_string_equal(text, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_check),         cmocka_unit_test(test_each_action),
	    cmocka_unit_test(test_errno_values),  cmocka_unit_test(test_flags),
	    cmocka_unit_test(test_unknown_calls), cmocka_unit_test(test_argument_index),
	    cmocka_unit_test(test_two_less_than), cmocka_unit_test(test_calls_to_remember),
	    cmocka_unit_test(test_too_long),      cmocka_unit_test(test_newer_calls),
	    cmocka_unit_test(test_no_enosys),     cmocka_unit_test(test_version),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
