/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/device_program.h"

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "cgroups/device_rules.h"

#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

/* The program's registers. R1 points to struct bpf_cgroup_dev_ctx, R0 is the verdict. */
#define REG_CTX	    BPF_REG_1
#define REG_TYPE    BPF_REG_2
#define REG_ACCESS  BPF_REG_3 /* the bits that are asked for and not yet decided */
#define REG_MAJOR   BPF_REG_4
#define REG_MINOR   BPF_REG_5
#define REG_VERDICT BPF_REG_0

/* The instructions that are used; everything is 32 bits wide, as device numbers are. Jumps count from the following instruction. */
#define LOAD(reg, member) \
	{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (reg), .src_reg = REG_CTX, .off = offsetof(struct bpf_cgroup_dev_ctx, member) }
#define COPY(to, from)	 { .code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from) }
#define SET(reg, value)	 { .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (int32_t)(value) }
#define KEEP(reg, bits)	 { .code = BPF_ALU | BPF_AND | BPF_K, .dst_reg = (reg), .imm = (int32_t)(bits) }
#define SHIFT(reg, bits) { .code = BPF_ALU | BPF_RSH | BPF_K, .dst_reg = (reg), .imm = (bits) }
#define JUMP(op, reg, value, to) \
	{ .code = BPF_JMP32 | (op) | BPF_K, .dst_reg = (reg), .imm = (int32_t)(value), .off = (int16_t)(to) }
#define SKIP(to) { .code = BPF_JMP | BPF_JA, .off = (int16_t)(to) }
#define EXIT()	 { .code = BPF_JMP | BPF_EXIT }

/** Rules tried one after the other that differ in their minor number only share their checks; few enough for a 16 bit jump. */
#define GROUP_MAX 1024
/** The most instructions that a rule, and all that is not a rule, can need. */
#define PER_RULE 8
#define FIXED	 16

struct program {
	struct bpf_insn *insns;
	size_t count;
};

static void emit(struct program *program, struct bpf_insn insn)
{
	program->insns[program->count++] = insn;
}

#define EMIT(program, ...) emit((program), (struct bpf_insn)__VA_ARGS__)

static void emit_verdict(struct program *program, bool allow)
{
	EMIT(program, SET(REG_VERDICT, allow));
	EMIT(program, EXIT());
}

static void emit_loads(struct program *program)
{
	EMIT(program, LOAD(REG_TYPE, access_type));
	EMIT(program, COPY(REG_ACCESS, REG_TYPE));
	EMIT(program, KEEP(REG_TYPE, 0xffff));
	EMIT(program, SHIFT(REG_ACCESS, 16));
	EMIT(program, LOAD(REG_MAJOR, major));
	EMIT(program, LOAD(REG_MINOR, minor));
}

/** What a match does: decide at once, or strike off the bits it allows, or refuse when a bit it denies is still asked for. */
static void emit_action(struct program *program, const struct device_rule *rule)
{
	if (rule->access == ACCESS_ALL) {
		emit_verdict(program, rule->allow);
		return;
	}
	if (rule->allow) {
		EMIT(program, KEEP(REG_ACCESS, ~rule->access));
		EMIT(program, JUMP(BPF_JNE, REG_ACCESS, 0, 2));
	} else {
		EMIT(program, JUMP(BPF_JSET, REG_ACCESS, rule->access, 1));
		EMIT(program, SKIP(2));
	}
	emit_verdict(program, rule->allow);
}

/** Instructions of emit_action(). */
static size_t action_length(const struct device_rule *rule)
{
	return rule->access == ACCESS_ALL ? 2 : 4;
}

static bool same_group(const struct device_rule *a, const struct device_rule *b)
{
	return a->allow == b->allow && a->type == b->type && a->access == b->access && !a->any_major && !b->any_major &&
	       a->major == b->major && !a->any_minor && !b->any_minor;
}

static size_t group_length(const struct device_rule *rules, size_t n_rules)
{
	size_t len = 1;

	while (len < n_rules && len < GROUP_MAX && same_group(&rules[0], &rules[len]))
		len++;
	return len;
}

static void emit_group(struct program *program, const struct device_rule *rules, size_t len)
{
	const struct device_rule *first = &rules[0];
	/* Every check that fails jumps behind the action. */
	size_t minors = first->any_minor ? 0 : len;
	size_t end = program->count + (first->type != 0) + !first->any_major + minors + action_length(first);

	if (first->type)
		EMIT(program, JUMP(BPF_JNE, REG_TYPE, first->type, end - program->count - 1));
	if (!first->any_major)
		EMIT(program, JUMP(BPF_JNE, REG_MAJOR, first->major, end - program->count - 1));
	for (size_t i = 0; i + 1 < minors; i++)
		EMIT(program, JUMP(BPF_JEQ, REG_MINOR, rules[i].minor, minors - i - 1));
	if (minors)
		EMIT(program, JUMP(BPF_JNE, REG_MINOR, rules[minors - 1].minor, end - program->count - 1));
	emit_action(program, first);
}

int device_program_build(const struct oci_device_rule *rules, size_t n_rules, struct arena *arena,
			 struct bpf_insn **ret_insns, size_t *ret_count, struct wh_error *err)
{
	struct device_rules list = { .rules = NULL };
	struct program program = { .count = 0 };
	int rc;

	*ret_insns = NULL;
	*ret_count = 0;
	if (!n_rules)
		return 0;
	rc = device_rules_resolve(rules, n_rules, arena, &list, err);
	if (rc < 0)
		return rc;
	if (device_rules_allow_all(&list))
		return 0;
	program.insns = arena_array(arena, struct bpf_insn, list.count * PER_RULE + FIXED);
	if (!program.insns)
		return wh_oom(err);
	emit_loads(&program);
	for (size_t i = 0; i < list.count;) {
		size_t len = group_length(list.rules + i, list.count - i);

		emit_group(&program, list.rules + i, len);
		i += len;
	}
	emit_verdict(&program, false);
	*ret_insns = program.insns;
	*ret_count = program.count;
	return 0;
}
