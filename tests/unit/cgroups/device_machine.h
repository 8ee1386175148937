/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of device rules are judged by running them: a small interpreter of the instructions that they
 * use, and a naive reading of the document's rules.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "oci-spec/types.h"

#define DEVICE_ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

/** An access that the kernel asks about. */
struct device_request {
	uint32_t type;
	uint32_t major;
	uint32_t minor;
	uint32_t access;
};

/* The interpreter. */

/** Do one operation. Returns whether it is one of those that programs of ours have. */
static inline bool device_machine_alu(uint8_t op, uint32_t *a, uint32_t b)
{
	switch (op) {
	case BPF_MOV:
		*a = b;
		return true;
	case BPF_AND:
		*a &= b;
		return true;
	case BPF_RSH:
		if (b < 32)
			*a >>= b;
		return b < 32;
	default:
		return false;
	}
}

/** Whether to jump: 1, 0, or -1 for a comparison that programs of ours do not have. */
static inline int device_machine_jumps(uint8_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JSET:
		return (a & b) != 0;
	default:
		return -1;
	}
}

/**
 * Run the program of @count instructions. Returns 1 when it allows the access, 0 when it refuses, -1 when it
 * does what none may do.
 */
static inline int device_machine_run(const struct bpf_insn *insns, size_t count,
				     const struct device_request *request)
{
	const struct bpf_cgroup_dev_ctx ctx = {(request->access << 16) | request->type,
					       request->major, request->minor};
	uint32_t reg[11] = {0};
	int jumps;

	for (size_t pc = 0; pc < count;) {
		const struct bpf_insn *insn = &insns[pc++];
		const uint32_t operand =
		    BPF_SRC(insn->code) == BPF_X ? reg[insn->src_reg] : (uint32_t)insn->imm;

		switch (BPF_CLASS(insn->code)) {
		case BPF_LDX:
			if (insn->src_reg != BPF_REG_1 || insn->off < 0 ||
			    (size_t)insn->off + 4 > sizeof(ctx))
				return -1;
			memcpy(&reg[insn->dst_reg], (const char *)&ctx + insn->off, 4);
			break;
		case BPF_ALU:
			if (!device_machine_alu(BPF_OP(insn->code), &reg[insn->dst_reg], operand))
				return -1;
			break;
		case BPF_JMP32:
			jumps =
			    device_machine_jumps(BPF_OP(insn->code), reg[insn->dst_reg], operand);
			if (jumps < 0)
				return -1;
			pc += jumps ? insn->off : 0;
			break;
		case BPF_JMP:
			if (BPF_OP(insn->code) == BPF_EXIT)
				return reg[0] != 0;
			if (BPF_OP(insn->code) != BPF_JA)
				return -1;
			pc += insn->off;
			break;
		default:
			return -1;
		}
	}
	return -1;
}

/* The naive reading. */

static inline bool device_oracle_matches(const struct oci_device_rule *rule,
					 const struct device_request *request, uint32_t bit)
{
	static const char letters[] = {
	    [BPF_DEVCG_ACC_MKNOD] = 'm', [BPF_DEVCG_ACC_READ] = 'r', [BPF_DEVCG_ACC_WRITE] = 'w'};
	char type = request->type == BPF_DEVCG_DEV_CHAR ? 'c' : 'b';

	return (rule->type == 'a' || rule->type == type) &&
	       (!rule->major || (uint64_t)*rule->major == request->major) &&
	       (!rule->minor || (uint64_t)*rule->minor == request->minor) &&
	       (!rule->access || strchr(rule->access, letters[bit]));
}

static inline bool device_oracle_always_allows(const struct device_request *request, uint32_t bit)
{
	static const uint32_t devices[][2] = {
	    {1,  3  },
            {1,  5  },
            {1,  7  },
            {1,  8  },
            {1,  9  },
            {5,  0  },
            {5,  2  },
            {10, 200}
        };

	if (bit == BPF_DEVCG_ACC_MKNOD)
		return true;
	if (request->type != BPF_DEVCG_DEV_CHAR)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		if (request->major == devices[i][0] && request->minor == devices[i][1])
			return true;
	return request->major == 136;
}

static inline bool device_oracle_bit(const struct oci_device_rule *rules, size_t n_rules,
				     const struct device_request *request, uint32_t bit)
{
	bool allowed = false;

	for (size_t i = 0; i < n_rules; i++)
		if (device_oracle_matches(&rules[i], request, bit))
			allowed = rules[i].allow;
	return allowed || device_oracle_always_allows(request, bit);
}

/** Whether @rules allow all of the access. */
static inline bool device_oracle_allows(const struct oci_device_rule *rules, size_t n_rules,
					const struct device_request *request)
{
	for (uint32_t bit = 1; bit & DEVICE_ACCESS_ALL; bit <<= 1)
		if ((request->access & bit) && !device_oracle_bit(rules, n_rules, request, bit))
			return false;
	return true;
}
