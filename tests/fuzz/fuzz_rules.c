/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules made of any bytes, and what becomes of them: the programs for devices (eBPF) and for system calls
 * (seccomp) are run, and held against a naive reading of the rules. The first byte chooses which.
 */
#include <linux/audit.h>

#include "cgroups/device_program.h"
#include "fuzz.h"
#include "libcontainer/seccomp/cache.h"
#include "libcontainer/seccomp/seccomp.h"
#include "tests/unit/cgroups/device_machine.h"
#include "tests/unit/libcontainer/seccomp/bpf_machine.h"
#include "tests/unit/libcontainer/seccomp/seccomp_oracle.h"

#define RULES_MAX 10
#define PROBES    24

/** Few numbers, so that rules meet each other and what is asked. */
static int64_t take_number(struct fuzz_bytes *bytes)
{
	static const int64_t numbers[] = {0, 1, 3, 5, 8, 10, 136, 200, 0x80000000, UINT32_MAX};

	return numbers[fuzz_choose(bytes, ARRAY_LEN(numbers))];
}

static const int64_t *take_optional(struct fuzz_bytes *bytes, struct arena *arena)
{
	int64_t *number = fuzz_choose(bytes, 2) ? arena_new(arena, int64_t) : NULL;

	if (number)
		*number = take_number(bytes);
	return number;
}

static void rules_devices(struct fuzz_bytes *bytes, struct arena *arena)
{
	static const char *const accesses[] = {NULL, "rwm", "r", "w", "m", "rw", "wm", "mr", "rrw"};
	struct oci_device_rule rules[RULES_MAX];
	size_t n_rules = fuzz_choose(bytes, RULES_MAX + 1);
	struct bpf_insn *insns = NULL;
	size_t count = 0;

	for (size_t i = 0; i < n_rules; i++)
		rules[i] = (struct oci_device_rule){
		    .allow = fuzz_choose(bytes, 2),
		    .type = "acb"[fuzz_choose(bytes, 3)],
		    .major = take_optional(bytes, arena),
		    .minor = take_optional(bytes, arena),
		    .access = accesses[fuzz_choose(bytes, ARRAY_LEN(accesses))],
		};
	fuzz_check(device_program_build(rules, n_rules, arena, &insns, &count, NULL) == 0,
		   "no program");
	for (int i = 0; i < PROBES; i++) {
		const struct device_request request = {
		    .type = fuzz_choose(bytes, 2) ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK,
		    .major = (uint32_t)take_number(bytes),
		    .minor = (uint32_t)take_number(bytes),
		    .access = 1 + (uint32_t)fuzz_choose(bytes, DEVICE_ACCESS_ALL),
		};
		int got = insns ? device_machine_run(insns, count, &request) : 1;

		fuzz_check(got == device_oracle_allows(rules, n_rules, &request),
			   "the program does not say what the rules say");
	}
}

static uint64_t take_value(struct fuzz_bytes *bytes)
{
	static const uint64_t values[] = {0,          1,          2,          0x7fffffff,
					  0x80000000, UINT32_MAX, 1ULL << 32, (1ULL << 32) + 1,
					  1ULL << 63, UINT64_MAX};

	return values[fuzz_choose(bytes, ARRAY_LEN(values))];
}

static const char *names[] = {"read", "clone",      "socket",      "shmat",
			      "ipc",  "socketcall", "no_such_call"};

static void take_syscall(struct fuzz_bytes *bytes, struct arena *arena,
			 struct oci_seccomp_syscall *rule)
{
	static const enum oci_seccomp_action actions[] = {
	    OCI_SECCOMP_ALLOW, OCI_SECCOMP_ERRNO, OCI_SECCOMP_KILL_PROCESS, OCI_SECCOMP_LOG};
	const size_t name = fuzz_choose(bytes, ARRAY_LEN(names));

	*rule = (struct oci_seccomp_syscall){
	    .names = &names[name],
	    .n_names = 1,
	    .action = actions[fuzz_choose(bytes, ARRAY_LEN(actions))],
	    .n_args = fuzz_choose(bytes, 4),
	};
	rule->args = arena_array(arena, struct oci_seccomp_arg, 4);
	for (size_t i = 0; i < rule->n_args; i++)
		rule->args[i] = (struct oci_seccomp_arg){
		    .index = (uint32_t)fuzz_choose(bytes, 6),
		    .value = take_value(bytes),
		    .value_two = take_value(bytes),
		    .op = (int64_t)fuzz_choose(bytes, OCI_SECCOMP_MASKED_EQ + 1),
		};
}

static void show(const struct oci_seccomp *profile, const uint64_t args[6])
{
	fprintf(stderr, "defaultAction %d\n", (int)profile->default_action);
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		const struct oci_seccomp_syscall *rule = &profile->syscalls[i];

		fprintf(stderr, "%s: action %d", rule->names[0], (int)rule->action);
		for (size_t j = 0; j < rule->n_args; j++)
			fprintf(stderr, ", [%u] op %d %#llx %#llx", rule->args[j].index,
				(int)rule->args[j].op, (unsigned long long)rule->args[j].value,
				(unsigned long long)rule->args[j].value_two);
		fprintf(stderr, "\n");
	}
	for (size_t i = 0; i < 6; i++)
		fprintf(stderr, "argument %zu: %#llx\n", i, (unsigned long long)args[i]);
}

static void ask(struct fuzz_bytes *bytes, const struct seccomp_program *program,
		const struct oracle *oracle)
{
	const int named = seccomp_syscall_resolve_name_arch(
	    oracle->token, names[fuzz_choose(bytes, ARRAY_LEN(names) - 1)]);
	struct seccomp_data data = {.arch = oracle->token};
	uint64_t args[6];
	uint32_t nr = fuzz_choose(bytes, 4) ? (uint32_t)named : fuzz_take(bytes) * 4U;
	uint32_t want, have;

	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		args[i] = take_value(bytes);
	data.nr = (int)nr;
	memcpy(data.args, args, sizeof(data.args));
	want = oracle_ask(oracle, nr, args);
	have = bpf_machine_run(program, &data);
	if (have == want)
		return;
	fprintf(stderr, "arch %#x, call %u: the filter says %#x, the profile %#x\n", oracle->token,
		nr, have, want);
	show(oracle->profile, args);
	abort();
}

static void rules_seccomp(struct fuzz_bytes *bytes, struct arena *arena)
{
	static const uint32_t tokens[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86};
	static int64_t architectures[] = {1, 0}; /* indices of oci_seccomp_architectures */
	struct oci_seccomp_syscall rules[RULES_MAX];
	struct oci_seccomp profile = {
	    .default_action = fuzz_choose(bytes, 2) ? OCI_SECCOMP_ERRNO : OCI_SECCOMP_ALLOW,
	    .architectures = architectures,
	    .n_architectures = ARRAY_LEN(architectures),
	    .syscalls = rules,
	    .n_syscalls = fuzz_choose(bytes, RULES_MAX + 1),
	};
	struct seccomp_program program = {0};

	for (size_t i = 0; i < profile.n_syscalls; i++)
		take_syscall(bytes, arena, &rules[i]);
	if (seccomp_compile(&profile, arena, &program, NULL) < 0)
		return;
	fuzz_check(seccomp_program_is_valid(program.insns, program.n_insns),
		   "the kernel would not take it");
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		struct oracle oracle;

		oracle_init(&oracle, &profile, tokens[i]);
		for (int probe = 0; probe < PROBES; probe++)
			ask(bytes, &program, &oracle);
		oracle_done(&oracle);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	struct arena arena;

	if (arena_init(&arena, NULL) < 0)
		return 0;
	if (fuzz_choose(&bytes, 2))
		rules_devices(&bytes, &arena);
	else
		rules_seccomp(&bytes, &arena);
	arena_done(&arena);
	return 0;
}
