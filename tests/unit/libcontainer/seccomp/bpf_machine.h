/* SPDX-License-Identifier: Apache-2.0 */
/* The classic BPF machine as seccomp(2) runs it, for tests of what compiled filters answer. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "libcontainer/seccomp/program.h"

/** What the machine answers to a program that does what none may do. */
#define BPF_MACHINE_BROKEN 0xdeadbeefU

static inline bool bpf_machine_jumps(const struct sock_filter *insn, uint32_t a)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		return a == insn->k;
	case BPF_JGT:
		return a > insn->k;
	case BPF_JGE:
		return a >= insn->k;
	case BPF_JSET:
		return (a & insn->k) != 0;
	default:
		return false;
	}
}

/** Run @program on the first @size bytes of @data; BPF_MACHINE_BROKEN if it reads others. */
static inline uint32_t bpf_machine_read(const struct seccomp_program *program,
					const struct seccomp_data *data, size_t size)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < program->n_insns; pc++) {
		const struct sock_filter *insn = &program->insns[pc];

		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (insn->k > size - sizeof(a))
				return BPF_MACHINE_BROKEN;
			memcpy(&a, (const char *)data + insn->k, sizeof(a));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= insn->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += insn->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += bpf_machine_jumps(insn, a) ? insn->jt : insn->jf;
			break;
		case BPF_RET | BPF_K:
			return insn->k;
		default:
			return BPF_MACHINE_BROKEN;
		}
	}
	return BPF_MACHINE_BROKEN;
}

/** Run @program on @data. Returns its verdict: SECCOMP_RET_* with its value. */
static inline uint32_t bpf_machine_run(const struct seccomp_program *program,
				       const struct seccomp_data *data)
{
	return bpf_machine_read(program, data, sizeof(*data));
}

/**
 * Whether @program lets pass call @nr of @arch by number and architecture alone: the kernel
 * remembers such calls and does not run the filter for them (Linux 5.11).
 */
static inline bool bpf_machine_always_allows(const struct seccomp_program *program, uint32_t arch,
					     uint32_t nr)
{
	const struct seccomp_data data = {.arch = arch, .nr = (int)nr};

	return bpf_machine_read(program, &data,
				offsetof(struct seccomp_data, instruction_pointer)) ==
	       SECCOMP_RET_ALLOW;
}
