/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled filters against the profiles they were made from: every system call number of every
 * architecture, with arguments around the values that the rules name, and with the upper halves
 * that a 64-bit comparison could overlook (CVE-2019-10063).
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/str.h"
#include "bpf_machine.h"
#include "libcontainer/seccomp/cache.h"
#include "libcontainer/seccomp/seccomp.h"
#include "oci-spec/config.h"
#include "seccomp_oracle.h"
#include "tests/unit/group_arena.h"

/** Numbers 0 to this are asked, and some far beyond. */
#define LAST_NUMBER 520
#define ROUNDS      24

/** A small generator (xorshift64*), so that a failure comes again. */
static uint64_t random_state = 88172645463325252ULL;

static uint64_t random_u64(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 2685821657736338717ULL;
}

/**
 * Values that are worth trying as an argument: those of the rules, their neighbours, the same with
 * other upper halves.
 */
struct pool {
	uint64_t values[4096];
	size_t n;
};

static void pool_add(struct pool *pool, uint64_t value)
{
	const uint64_t around[] = {value,
				   value + 1,
				   value - 1,
				   ~value,
				   value | (1ULL << 32),
				   value | 0xffffffff00000000ULL,
				   value & UINT32_MAX};

	for (size_t i = 0; i < ARRAY_LEN(around) && pool->n < ARRAY_LEN(pool->values); i++)
		pool->values[pool->n++] = around[i];
}

static void pool_fill(struct pool *pool, const struct oci_seccomp *profile)
{
	pool->n = 0;
	pool_add(pool, 0);
	pool_add(pool, 1ULL << 63);
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		for (size_t j = 0; j < profile->syscalls[i].n_args; j++) {
			pool_add(pool, profile->syscalls[i].args[j].value);
			pool_add(pool, profile->syscalls[i].args[j].value_two);
		}
	}
}

static void random_args(const struct pool *pool, uint64_t *args)
{
	for (int i = 0; i < 6; i++)
		args[i] = random_u64() % 4 ? pool->values[random_u64() % pool->n] : random_u64();
}

static uint32_t audit_arch(uint32_t token)
{
	return token == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : token;
}

/** For a person: the rules about call @nr. */
static void print_rules(const struct oracle *oracle, uint32_t nr)
{
	const struct oci_seccomp *profile = oracle->profile;
	size_t at = 0;

	for (size_t i = 0; i < profile->n_syscalls; i++) {
		const struct oci_seccomp_syscall *rule = &profile->syscalls[i];

		for (size_t j = 0; j < rule->n_names; j++, at++) {
			if ((uint32_t)oracle->numbers[at] != nr)
				continue;
			print_error("# %s: action %d\n", rule->names[j], (int)rule->action);
			for (size_t k = 0; k < rule->n_args; k++)
				print_error("#   arg %u op %d %#llx %#llx\n", rule->args[k].index,
					    (int)rule->args[k].op,
					    (unsigned long long)rule->args[k].value,
					    (unsigned long long)rule->args[k].value_two);
		}
	}
}

/** Compare one answer. */
static void compare(const struct seccomp_program *program, const struct oracle *oracle, uint32_t nr,
		    const uint64_t *args)
{
	struct seccomp_data data = {.nr = (int)nr, .arch = audit_arch(oracle->token)};
	uint32_t want = oracle_ask(oracle, nr, args);
	uint32_t have;

	memcpy(data.args, args, sizeof(data.args));
	have = bpf_machine_run(program, &data);
	if (have != want) {
		print_error("arch %#x nr %#x args %#llx %#llx %#llx %#llx %#llx %#llx: the filter "
			    "says %#x, the profile %#x\n",
			    oracle->token, nr, (unsigned long long)args[0],
			    (unsigned long long)args[1], (unsigned long long)args[2],
			    (unsigned long long)args[3], (unsigned long long)args[4],
			    (unsigned long long)args[5], have, want);
		print_rules(oracle, nr);
		fail();
	}
}

static void compare_arch(const struct seccomp_program *program, const struct oci_seccomp *profile,
			 uint32_t token, bool has_x32)
{
	static const uint32_t far[] = {1000,       0xeffff,    0x3fffffff,
				       0x7fffffff, 0xfffffffe, UINT32_MAX};
	uint32_t bit = token == SCMP_ARCH_X32 ? ORACLE_X32_BIT : 0;
	struct oracle oracle;
	static struct pool pool;
	uint64_t args[6];

	oracle_init(&oracle, profile, token);
	oracle.has_x32 = has_x32;
	pool_fill(&pool, profile);
	for (uint32_t nr = 0; nr <= LAST_NUMBER + 50; nr++) {
		for (int round = 0; round < ROUNDS; round++) {
			random_args(&pool, args);
			compare(program, &oracle, nr | bit, args);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(far); i++) {
		bool others = token == SCMP_ARCH_X86_64 && has_x32 && far[i] >= ORACLE_X32_BIT;

		random_args(&pool, args);
		if (!others && (bit == 0 || far[i] >= bit))
			compare(program, &oracle, far[i], args);
	}
	oracle_done(&oracle);
}

/** OCI's index of each architecture in oci_seccomp_architectures, and libseccomp's token. */
static const struct {
	int64_t oci;
	uint32_t token;
} known_archs[] = {
    {0, SCMP_ARCH_X86    },
    {1, SCMP_ARCH_X86_64 },
    {2, SCMP_ARCH_X32    },
    {3, SCMP_ARCH_ARM    },
    {4, SCMP_ARCH_AARCH64},
};

static bool lists_arch(const struct oci_seccomp *profile, int64_t oci)
{
	for (size_t i = 0; i < profile->n_architectures; i++) {
		if (profile->architectures[i] == oci)
			return true;
	}
	return false;
}

static bool in_filter(const struct oci_seccomp *profile, size_t known)
{
	return known_archs[known].token == seccomp_arch_native() ||
	       lists_arch(profile, known_archs[known].oci);
}

static void compare_profile(const struct oci_seccomp *profile)
{
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_program program = {0};

	if (seccomp_compile(profile, &arena, &program, &err) < 0) {
		print_error("%s\n", err.message);
		fail();
	}
	assert_true(seccomp_program_is_valid(program.insns, program.n_insns));
	for (size_t i = 0; i < ARRAY_LEN(known_archs); i++) {
		struct seccomp_data data = {.arch = audit_arch(known_archs[i].token)};

		if (in_filter(profile, i))
			compare_arch(&program, profile, known_archs[i].token,
				     lists_arch(profile, 2));
		else if (known_archs[i].token != SCMP_ARCH_X32)
			assert_int_equal(bpf_machine_run(&program, &data), SECCOMP_RET_KILL_THREAD);
	}
}

static void test_engines(void **state)
{
	static const char *const names[] = {
	    "docker-default", "docker-hardened", "docker-limits",
	    "podman-default", "podman-rootless",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct wh_error err = WH_ERROR_INIT;
		const struct oci_spec *spec = NULL;
		struct problems problems;
		char path[4096];
		char *text;
		size_t len;

		print_message("# %s\n", names[i]);
		problems_init(&problems, &arena);
		snprintf(path, sizeof(path), "%s/engines/%s.config.json",
			 getenv("WHERRY_TEST_DATA"), names[i]);
		assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &arena, &text, &len, &err), 0);
		assert_int_equal(
		    oci_config_decode("config.json", text, len, &arena, &problems, &spec, &err), 0);
		assert_non_null(spec->linux_->seccomp);
		compare_profile(spec->linux_->seccomp);
	}
}

/** One rule for one call, each operator, each of these values. */
static void test_operators(void **state)
{
	static const uint64_t values[] = {0,
					  1,
					  0x7fffffff,
					  0x80000000,
					  0xffffffff,
					  0x100000000,
					  0x8000000000000000,
					  0xffffffffffffffff,
					  0x123456789abcdef0};
	static const char *names[] = {"ioctl"};

	for (int64_t op = OCI_SECCOMP_NE; op <= OCI_SECCOMP_MASKED_EQ; op++) {
		for (size_t i = 0; i < ARRAY_LEN(values); i++) {
			struct oci_seccomp_arg arg = {
			    .index = (uint32_t)(i % 6), .value = values[i], .op = op};
			struct oci_seccomp_syscall rule = {
			    .names = names,
			    .n_names = 1,
			    .action = OCI_SECCOMP_ERRNO,
			    .args = &arg,
			    .n_args = 1,
			};
			int64_t archs[] = {0, 1, 2};
			struct oci_seccomp profile = {
			    .default_action = OCI_SECCOMP_ALLOW,
			    .architectures = archs,
			    .n_architectures = 3,
			    .syscalls = &rule,
			    .n_syscalls = 1,
			};

			arg.value_two = values[i] & 0x5555555555555555ULL;
			compare_profile(&profile);
		}
	}
}

/** A mask of the lower half: the same verdict whatever the upper half holds (CVE-2019-10063). */
static void test_masked_lower_half(void **state)
{
	static const char *names[] = {"ioctl"};
	struct oci_seccomp_arg arg = {
	    .index = 1, .value = 0xffffffff, .value_two = 0x5412, .op = OCI_SECCOMP_MASKED_EQ};
	struct oci_seccomp_syscall rule = {
	    .names = names, .n_names = 1, .action = OCI_SECCOMP_ERRNO, .args = &arg, .n_args = 1};
	struct oci_seccomp profile = {
	    .default_action = OCI_SECCOMP_ALLOW, .syscalls = &rule, .n_syscalls = 1};
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_program program = {0};
	struct seccomp_data data = {.arch = seccomp_arch_native()};

	data.nr = seccomp_syscall_resolve_name("ioctl");
	assert_int_equal(seccomp_compile(&profile, &arena, &program, &err), 0);
	data.args[1] = 0x5412;
	assert_int_equal(bpf_machine_run(&program, &data), SECCOMP_RET_ERRNO | EPERM);
	data.args[1] = 0x5412 | 0xffffffff00000000ULL;
	assert_int_equal(bpf_machine_run(&program, &data), SECCOMP_RET_ERRNO | EPERM);
	data.args[1] = 0x5413;
	assert_int_equal(bpf_machine_run(&program, &data), SECCOMP_RET_ALLOW);
	compare_profile(&profile);
}

/** Conditions on different arguments hold together; on one argument each is enough. */
static void test_several_conditions(void **state)
{
	static const char *names[] = {"ioctl", "clone", "prctl"};
	struct oci_seccomp_arg together[] = {
	    {.index = 0, .value = 5,           .op = OCI_SECCOMP_EQ},
	    {.index = 2, .value = 0x100000001, .op = OCI_SECCOMP_GE},
	    {.index = 5, .value = 7,           .op = OCI_SECCOMP_NE},
	};
	struct oci_seccomp_arg apart[] = {
	    {.index = 1, .value = 5, .op = OCI_SECCOMP_EQ},
	    {.index = 1, .value = 9, .op = OCI_SECCOMP_EQ},
	    {.index = 3, .value = 3, .op = OCI_SECCOMP_GT},
	};
	struct oci_seccomp_syscall rules[] = {
	    {.names = names,
	     .n_names = 1,
	     .action = OCI_SECCOMP_ALLOW,
	     .args = together,
	     .n_args = 3},
	    {.names = names + 1,
	     .n_names = 2,
	     .action = OCI_SECCOMP_TRAP,
	     .args = apart,
	     .n_args = 3},
	};
	struct oci_seccomp profile = {
	    .default_action = OCI_SECCOMP_KILL_PROCESS, .syscalls = rules, .n_syscalls = 2};

	compare_profile(&profile);
}

/** The names of system calls that random profiles are made of. */
static const char *const some_names[] = {
    "read",        "write",          "openat",     "close",
    "mmap",        "clone",          "ioctl",      "socket",
    "personality", "mount",          "prctl",      "futex",
    "kill",        "unshare",        "setns",      "bpf",
    "keyctl",      "ptrace",         "statx",      "openat2",
    "clone3",      "fchmodat",       "getrandom",  "memfd_create",
    "seccomp",     "io_uring_setup", "breakpoint", "no_such_call",
    "shmat",       "semop",          "socketcall", "ipc",
};

/** Few values and arguments, so that rules overlap; or many. */
static uint64_t random_value(bool few)
{
	static const uint64_t values[] = {0,          1,          2,          0x7fffffff,
					  0x80000000, UINT32_MAX, 1ULL << 32, (1ULL << 32) + 1,
					  1ULL << 63, UINT64_MAX};

	if (few)
		return values[random_u64() % ARRAY_LEN(values)];
	return (random_u64() & random_u64()) >> (random_u64() % 64);
}

struct random_rule {
	struct oci_seccomp_arg args[4];
	uint32_t errno_ret;
};

static void random_rule(struct oci_seccomp_syscall *rule, const char **name,
			struct random_rule *parts)
{
	static const int64_t rule_actions[] = {
	    OCI_SECCOMP_ALLOW,  OCI_SECCOMP_ERRNO,        OCI_SECCOMP_KILL,
	    OCI_SECCOMP_TRAP,   OCI_SECCOMP_LOG,          OCI_SECCOMP_TRACE,
	    OCI_SECCOMP_NOTIFY, OCI_SECCOMP_KILL_PROCESS, OCI_SECCOMP_KILL_THREAD,
	};
	bool few = random_u64() % 2;

	*rule = (struct oci_seccomp_syscall){.names = name, .n_names = 1, .args = parts->args};
	rule->action = rule_actions[random_u64() % ARRAY_LEN(rule_actions)];
	rule->n_args = random_u64() % 5;
	parts->errno_ret = (uint32_t)(random_u64() % 133);
	if (random_u64() % 2 &&
	    (rule->action == OCI_SECCOMP_ERRNO || rule->action == OCI_SECCOMP_TRACE))
		rule->errno_ret = &parts->errno_ret;
	for (size_t i = 0; i < rule->n_args; i++) {
		parts->args[i] = (struct oci_seccomp_arg){
		    .index = (uint32_t)(random_u64() % (few ? 3 : 6)),
		    .op = (int64_t)(random_u64() % 7),
		    .value = random_value(few),
		};
		parts->args[i].value_two =
		    few ? random_value(few) : parts->args[i].value & random_u64();
	}
}

#define RULES_A_CALL 5

/** Several rules about many calls, which often contradict each other, in any order. */
static void test_random_profiles(void **state)
{
	for (int round = 0; round < 40; round++) {
		struct oci_seccomp_syscall rules[RULES_A_CALL * ARRAY_LEN(some_names)];
		struct random_rule parts[ARRAY_LEN(rules)];
		int64_t archs[5] = {0, 1, 2, 3, 4};
		uint32_t default_errno = round % 3 ? EPERM : ENOSYS;
		struct oci_seccomp profile = {
		    .default_action = (int64_t)(random_u64() % OCI_SECCOMP_NOTIFY),
		    .architectures = archs,
		    .n_architectures = random_u64() % 6,
		    .syscalls = rules,
		    .n_syscalls = random_u64() % ARRAY_LEN(rules),
		};

		if (profile.default_action == OCI_SECCOMP_ERRNO)
			profile.default_errno_ret = &default_errno;
		for (size_t i = 0; i < profile.n_syscalls; i++)
			random_rule(
			    &rules[i],
			    (const char **)&some_names[random_u64() % ARRAY_LEN(some_names)],
			    &parts[i]);
		compare_profile(&profile);
	}
}

/** Rules about one call in shapes that libseccomp (2.5.4, 2.6.0) may join wrongly. */
static void test_joined(void **state)
{
	static const char *names[] = {"socket"};
	static const struct {
		const char *name;
		int64_t default_action;
		struct oci_seccomp_syscall rules[3];
		struct oci_seccomp_arg args[3][4];
	} cases[] = {
	    {"not equal, on several arguments",
	     OCI_SECCOMP_ALLOW, {{.action = OCI_SECCOMP_ERRNO, .n_args = 2}, {.action = OCI_SECCOMP_LOG, .n_args = 2}},
	     {{{.index = 4, .value = 1, .op = OCI_SECCOMP_NE},
	       {.index = 0, .value = 0, .op = OCI_SECCOMP_NE}},
	      {{.index = 0, .value = UINT32_MAX, .op = OCI_SECCOMP_NE},
	       {.index = 0, .value = 0, .op = OCI_SECCOMP_NE}}}         },
	    {"less, beside a rule without conditions",
	     OCI_SECCOMP_ERRNO, {{.action = OCI_SECCOMP_ALLOW, .n_args = 1}, {.action = OCI_SECCOMP_ALLOW}},
	     {{{.index = 3, .value = 0x7fffffff, .op = OCI_SECCOMP_LE}}}},
	    {"several less",
	     OCI_SECCOMP_ERRNO, {{.action = OCI_SECCOMP_ALLOW, .n_args = 2},
	      {.action = OCI_SECCOMP_ALLOW, .n_args = 1},
	      {.action = OCI_SECCOMP_TRAP, .n_args = 1}},
	     {{{.index = 1, .value = UINT64_MAX, .op = OCI_SECCOMP_LT},
	       {.index = 2, .value = UINT32_MAX, .op = OCI_SECCOMP_LE}},
	      {{.index = 1, .value = 1ULL << 33, .op = OCI_SECCOMP_LE}},
	      {{.index = 2, .value = 1ULL << 32, .op = OCI_SECCOMP_LT}}}},
	    {"one begins as the other",
	     OCI_SECCOMP_ERRNO, {{.action = OCI_SECCOMP_TRAP, .n_args = 2},
	      {.action = OCI_SECCOMP_ALLOW, .n_args = 1}},
	     {{{.index = 0, .value = 1, .op = OCI_SECCOMP_EQ},
	       {.index = 1, .value = 0, .op = OCI_SECCOMP_EQ}},
	      {{.index = 0, .value = 1, .op = OCI_SECCOMP_EQ}}}         },
	    {"the same under a mask",
	     OCI_SECCOMP_ERRNO, {{.action = OCI_SECCOMP_ALLOW, .n_args = 1},
	      {.action = OCI_SECCOMP_TRAP, .n_args = 1}},
	     {{{.index = 0, .value = 3, .value_two = 1, .op = OCI_SECCOMP_MASKED_EQ}},
	      {{.index = 0, .value = 1, .op = OCI_SECCOMP_EQ}}}         },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct oci_seccomp_syscall rules[ARRAY_LEN(cases[i].rules)];
		int64_t archs[] = {0, 1, 2};
		struct oci_seccomp profile = {
		    .default_action = cases[i].default_action,
		    .architectures = archs,
		    .n_architectures = ARRAY_LEN(archs),
		    .syscalls = rules,
		};

		print_message("# %s\n", cases[i].name);
		while (profile.n_syscalls < ARRAY_LEN(rules) &&
		       (profile.n_syscalls < 2 || cases[i].rules[profile.n_syscalls].n_args > 0)) {
			size_t n = profile.n_syscalls++;

			rules[n] = cases[i].rules[n];
			rules[n].names = names;
			rules[n].n_names = 1;
			rules[n].args = (struct oci_seccomp_arg *)cases[i].args[n];
		}
		compare_profile(&profile);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_engines),           cmocka_unit_test(test_operators),
	    cmocka_unit_test(test_masked_lower_half), cmocka_unit_test(test_several_conditions),
	    cmocka_unit_test(test_random_profiles),   cmocka_unit_test(test_joined),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
