/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules become a decision tree: type, then each major that a rule names, then each minor. A
 * leaf is the access that the rules leave to the devices that reach it. No two paths meet again, so
 * that the kernel's verifier looks at each instruction once: a list of rules tried one after the
 * other, where every failed test joins the next rule, took three times as long to load
 * (docs/resources.md).
 */
#include "cgroups/device_program.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "cgroups/device_rules.h"

/* The program's registers. R1 points to struct bpf_cgroup_dev_ctx, R0 is the verdict. */
#define REG_CTX     BPF_REG_1
#define REG_TYPE    BPF_REG_2
#define REG_ACCESS  BPF_REG_3
#define REG_MAJOR   BPF_REG_4
#define REG_MINOR   BPF_REG_5
#define REG_VERDICT BPF_REG_0

/*
 * The instructions that are used; everything is 32 bits wide, as device numbers are. Jumps count
 * from the following instruction.
 */
#define LOAD(reg, member)                                                                          \
	{                                                                                          \
		.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (reg), .src_reg = REG_CTX,           \
		.off = offsetof(struct bpf_cgroup_dev_ctx, member)                                 \
	}
#define COPY(to, from)                                                                             \
	{                                                                                          \
		.code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from)              \
	}
#define SET(reg, value)                                                                            \
	{                                                                                          \
		.code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (int32_t)(value)       \
	}
#define KEEP(reg, bits)                                                                            \
	{                                                                                          \
		.code = BPF_ALU | BPF_AND | BPF_K, .dst_reg = (reg), .imm = (int32_t)(bits)        \
	}
#define SHIFT(reg, bits)                                                                           \
	{                                                                                          \
		.code = BPF_ALU | BPF_RSH | BPF_K, .dst_reg = (reg), .imm = (bits)                 \
	}
#define JUMP(op, reg, value, to)                                                                   \
	{                                                                                          \
		.code = BPF_JMP32 | (op) | BPF_K, .dst_reg = (reg), .imm = (int32_t)(value),       \
		.off = (int16_t)(to)                                                               \
	}
#define EXIT()                                                                                     \
	{                                                                                          \
		.code = BPF_JMP | BPF_EXIT                                                         \
	}

/** Where the access starts in struct bpf_cgroup_dev_ctx's access_type; the type is below it. */
#define ACCESS_SHIFT 16
#define TYPE_MASK    0xffff

/** The longest jump that an instruction can say. */
#define JUMP_MAX INT16_MAX

/** A program being written; the first pass, with @insns NULL, only counts. */
struct program {
	const struct device_rules *rules;
	uint32_t *majors; /* room for the numbers of all rules */
	uint32_t *minors;
	struct bpf_insn *insns;
	size_t count;
	uint32_t common; /* access that every device is left with: struck off at the start */
	bool too_long;   /* a jump would be longer than JUMP_MAX */
};

/** Sorted numbers that rules name, each once. */
struct numbers {
	uint32_t *list;
	size_t count;
};

static void emit(struct program *program, struct bpf_insn insn)
{
	if (program->insns)
		program->insns[program->count] = insn;
	program->count++;
}

#define EMIT(program, ...) emit((program), (struct bpf_insn)__VA_ARGS__)

/** Let the jump at @from lead to what is emitted next. */
static void land(struct program *program, size_t from)
{
	size_t distance = program->count - from - 1;

	if (distance > JUMP_MAX)
		program->too_long = true;
	else if (program->insns)
		program->insns[from].off = (int16_t)distance;
}

static void emit_verdict(struct program *program, bool allow)
{
	EMIT(program, SET(REG_VERDICT, allow));
	EMIT(program, EXIT());
}

/** The end of a path: allow when nothing beyond @access is asked for. */
static void emit_leaf(struct program *program, uint32_t access)
{
	uint32_t beyond = DEVICE_ACCESS_ALL & ~access;

	if (access == DEVICE_ACCESS_ALL || access == program->common) {
		emit_verdict(program, access == DEVICE_ACCESS_ALL);
		return;
	}
	EMIT(program, SET(REG_VERDICT, 0));
	EMIT(program, JUMP(BPF_JSET, REG_ACCESS, beyond, 1));
	EMIT(program, SET(REG_VERDICT, 1));
	EMIT(program, EXIT());
}

static void emit_start(struct program *program)
{
	EMIT(program, LOAD(REG_TYPE, access_type));
	EMIT(program, COPY(REG_ACCESS, REG_TYPE));
	EMIT(program, SHIFT(REG_ACCESS, ACCESS_SHIFT));
	if (program->common) {
		/* Nearly always mknod, which is left to every container. */
		EMIT(program, KEEP(REG_ACCESS, ~program->common));
		EMIT(program, JUMP(BPF_JNE, REG_ACCESS, 0, 2));
		emit_verdict(program, true);
	}
	EMIT(program, KEEP(REG_TYPE, TYPE_MASK));
	EMIT(program, LOAD(REG_MAJOR, major));
	EMIT(program, LOAD(REG_MINOR, minor));
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void sort_unique(struct numbers *numbers)
{
	size_t kept = 0;

	qsort(numbers->list, numbers->count, sizeof(numbers->list[0]), compare_numbers);
	for (size_t i = 0; i < numbers->count; i++)
		if (!kept || numbers->list[kept - 1] != numbers->list[i])
			numbers->list[kept++] = numbers->list[i];
	numbers->count = kept;
}

/** The majors that rules about @type name. */
static struct numbers collect_majors(const struct program *program, uint32_t type)
{
	struct numbers majors = {.list = program->majors};

	for (size_t i = 0; i < program->rules->count; i++) {
		const struct device_rule *rule = &program->rules->rules[i];

		if (device_rule_has_type(rule, type) && !rule->any_major)
			majors.list[majors.count++] = rule->major;
	}
	sort_unique(&majors);
	return majors;
}

/**
 * The minors that rules name for @major of @type (NULL: for a major that none names) and that are
 * left with another access than @fallback.
 */
static struct numbers collect_minors(const struct program *program, uint32_t type,
				     const uint32_t *major, uint32_t fallback)
{
	struct numbers minors = {.list = program->minors};

	for (size_t i = 0; i < program->rules->count; i++) {
		const struct device_rule *rule = &program->rules->rules[i];

		if (device_rule_has_type(rule, type) && !rule->any_minor &&
		    (rule->any_major || (major && rule->major == *major)) &&
		    device_rules_access(program->rules, type, major, &rule->minor) != fallback)
			minors.list[minors.count++] = rule->minor;
	}
	sort_unique(&minors);
	return minors;
}

/** The minors left with exactly @access, one or more: all of them jump to one leaf. */
static void emit_minors(struct program *program, uint32_t type, const uint32_t *major,
			const struct numbers *minors, uint32_t access)
{
	size_t first = program->count, n = 0, last;

	for (size_t i = 0; i < minors->count; i++) {
		if (device_rules_access(program->rules, type, major, &minors->list[i]) != access)
			continue;
		EMIT(program, JUMP(BPF_JEQ, REG_MINOR, minors->list[i], 0));
		n++;
	}
	/* The last test is turned round, to skip the leaf. */
	last = first + n - 1;
	if (program->insns)
		program->insns[last].code = BPF_JMP32 | BPF_JNE | BPF_K;
	for (size_t i = first; i < last; i++)
		land(program, i);
	emit_leaf(program, access);
	land(program, last);
}

/** The accesses that minors are left with, as a set: bit N is access N. */
static uint32_t accesses_of(const struct program *program, uint32_t type, const uint32_t *major,
			    const struct numbers *minors)
{
	uint32_t set = 0;

	for (size_t i = 0; i < minors->count; i++)
		set |= UINT32_C(1)
		       << device_rules_access(program->rules, type, major, &minors->list[i]);
	return set;
}

/** The subtree below a major (NULL: those that no rule names). */
static void emit_major(struct program *program, uint32_t type, const uint32_t *major)
{
	uint32_t fallback = device_rules_access(program->rules, type, major, NULL);
	struct numbers minors = collect_minors(program, type, major, fallback);
	uint32_t accesses = accesses_of(program, type, major, &minors);

	for (uint32_t access = 0; access <= DEVICE_ACCESS_ALL; access++)
		if (accesses & UINT32_C(1) << access)
			emit_minors(program, type, major, &minors, access);
	emit_leaf(program, fallback);
}

/** Whether the rules say the same about @major as about a major that none names. */
static bool is_like_others(const struct program *program, uint32_t type, const uint32_t *major)
{
	uint32_t others = device_rules_access(program->rules, type, NULL, NULL);

	return device_rules_access(program->rules, type, major, NULL) == others &&
	       collect_minors(program, type, major, others).count == 0 &&
	       collect_minors(program, type, NULL, others).count == 0;
}

static void emit_type(struct program *program, uint32_t type)
{
	struct numbers majors = collect_majors(program, type);

	for (size_t i = 0; i < majors.count; i++) {
		size_t skip = program->count;

		if (is_like_others(program, type, &majors.list[i]))
			continue;
		EMIT(program, JUMP(BPF_JNE, REG_MAJOR, majors.list[i], 0));
		emit_major(program, type, &majors.list[i]);
		land(program, skip);
	}
	emit_major(program, type, NULL);
}

static void emit_program(struct program *program)
{
	size_t to_block;

	program->count = 0;
	emit_start(program);
	to_block = program->count;
	EMIT(program, JUMP(BPF_JNE, REG_TYPE, BPF_DEVCG_DEV_CHAR, 0));
	emit_type(program, BPF_DEVCG_DEV_CHAR);
	land(program, to_block);
	emit_type(program, BPF_DEVCG_DEV_BLOCK);
}

/** The access that no device of any class is without. */
static uint32_t common_access(const struct device_rules *rules)
{
	static const uint32_t types[] = {BPF_DEVCG_DEV_CHAR, BPF_DEVCG_DEV_BLOCK};
	uint32_t common = DEVICE_ACCESS_ALL;

	for (size_t t = 0; t < 2; t++) {
		common &= device_rules_access(rules, types[t], NULL, NULL);
		/* A class differs from its surroundings only by rules that name a number of it. */
		for (size_t i = 0; i < rules->count; i++) {
			const struct device_rule *rule = &rules->rules[i];

			if (device_rule_has_type(rule, types[t]) && !rule->allow &&
			    !(rule->any_major && rule->any_minor))
				common &= device_rules_access(
				    rules, types[t], rule->any_major ? NULL : &rule->major,
				    rule->any_minor ? NULL : &rule->minor);
		}
	}
	return common;
}

int device_program_build(const struct oci_device_rule *rules, size_t n_rules, struct arena *arena,
			 struct bpf_insn **ret_insns, size_t *ret_count, struct wh_error *err)
{
	struct device_rules list;
	struct program program = {.rules = &list};
	int rc;

	*ret_insns = NULL;
	*ret_count = 0;
	rc = device_rules_resolve(rules, n_rules, arena, &list, err);
	if (rc < 0)
		return rc;
	program.common = common_access(&list);
	if (program.common == DEVICE_ACCESS_ALL)
		return 0;
	program.majors = arena_array(arena, uint32_t, list.count);
	program.minors = arena_array(arena, uint32_t, list.count);
	if (!program.majors || !program.minors)
		return wh_oom(err);
	emit_program(&program);
	if (program.too_long)
		return wh_fail(err, E2BIG, ": %zu rules are more than one program can hold",
			       n_rules);
	program.insns = arena_array(arena, struct bpf_insn, program.count);
	if (!program.insns)
		return wh_oom(err);
	emit_program(&program);
	*ret_insns = program.insns;
	*ret_count = program.count;
	return 0;
}

int device_program_plan(const struct oci_resources *resources, struct arena *arena,
			struct problems *problems, const struct bpf_insn **ret_insns,
			size_t *ret_count)
{
	struct wh_error reason = WH_ERROR_INIT;
	struct bpf_insn *insns = NULL;
	int rc = device_program_build(resources->devices, resources->n_devices, arena, &insns,
				      ret_count, &reason);

	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		problems_add(problems, PROBLEM_ERROR, "linux.resources.devices%s", reason.message);
	*ret_insns = rc < 0 ? NULL : insns;
	return 0;
}
