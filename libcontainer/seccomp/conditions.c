/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/conditions.h"

#include <linux/seccomp.h>

/** The target of a jump that is known only when its rule is complete: what follows the rule. */
#define TO_NEXT_RULE 0xff
/** As many values are compared in one go, so that no jump is too long for its 8 bits. */
#define EQUALS_MAX 200

struct writer {
	struct sock_filter *insns; /* of BPF_MAXINSNS */
	size_t n;
	bool big_endian;
	bool wide; /* what is compared has 64 bits */
};

static void emit(struct writer *writer, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (writer->n < BPF_MAXINSNS)
		writer->insns[writer->n] =
		    (struct sock_filter){.code = code, .k = k, .jt = jt, .jf = jf};
	writer->n++;
}

static void emit_jump(struct writer *writer, uint16_t op, uint32_t k, uint8_t jt, uint8_t jf)
{
	emit(writer, BPF_JMP | op | BPF_K, k, jt, jf);
}

static void emit_return(struct writer *writer, uint32_t verdict)
{
	emit(writer, BPF_RET | BPF_K, verdict, 0, 0);
}

static void emit_load(struct writer *writer, size_t offset)
{
	emit(writer, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_load_half(struct writer *writer, uint32_t index, bool upper)
{
	size_t second = upper != writer->big_endian ? sizeof(uint32_t) : 0;

	emit_load(writer, offsetof(struct seccomp_data, args) + index * sizeof(uint64_t) + second);
}

/** A jump over what is yet to come. Returns what land() needs. */
static size_t leap(struct writer *writer)
{
	emit(writer, BPF_JMP | BPF_JA, 0, 0, 0);
	return writer->n - 1;
}

static void land(struct writer *writer, size_t leapt)
{
	if (leapt < BPF_MAXINSNS)
		writer->insns[leapt].k = (uint32_t)(writer->n - leapt - 1);
}

static uint32_t upper_half(uint64_t value)
{
	return (uint32_t)(value >> 32);
}

static uint32_t lower_half(uint64_t value)
{
	return (uint32_t)value;
}

/* one condition: goes on behind it where it holds */

static void emit_half_equal(struct writer *writer, uint32_t index, bool upper, uint32_t mask,
			    uint32_t value)
{
	if (mask == 0)
		return;
	emit_load_half(writer, index, upper);
	if (mask != UINT32_MAX)
		emit(writer, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	emit_jump(writer, BPF_JEQ, value & mask, 0, TO_NEXT_RULE);
}

static void emit_equal(struct writer *writer, uint32_t index, uint64_t mask, uint64_t value)
{
	if (writer->wide)
		emit_half_equal(writer, index, true, upper_half(mask), upper_half(value));
	emit_half_equal(writer, index, false, lower_half(mask), lower_half(value));
}

static void emit_not_equal(struct writer *writer, uint32_t index, uint64_t value)
{
	if (writer->wide) {
		emit_load_half(writer, index, true);
		emit_jump(writer, BPF_JEQ, upper_half(value), 0, 2);
	}
	emit_load_half(writer, index, false);
	emit_jump(writer, BPF_JEQ, lower_half(value), TO_NEXT_RULE, 0);
}

/** @op: BPF_JGT or BPF_JGE. */
static void emit_greater(struct writer *writer, uint32_t index, uint16_t op, uint64_t value)
{
	if (writer->wide) {
		emit_load_half(writer, index, true);
		emit_jump(writer, BPF_JGT, upper_half(value), 3, 0);
		emit_jump(writer, BPF_JEQ, upper_half(value), 0, TO_NEXT_RULE);
	}
	emit_load_half(writer, index, false);
	emit_jump(writer, op, lower_half(value), 0, TO_NEXT_RULE);
}

/** The opposite of emit_greater(). */
static void emit_not_greater(struct writer *writer, uint32_t index, uint16_t op, uint64_t value)
{
	if (writer->wide) {
		emit_load_half(writer, index, true);
		emit_jump(writer, BPF_JGT, upper_half(value), TO_NEXT_RULE, 0);
		emit_jump(writer, BPF_JEQ, upper_half(value), 0, 2);
	}
	emit_load_half(writer, index, false);
	emit_jump(writer, op, lower_half(value), TO_NEXT_RULE, 0);
}

static void emit_condition(struct writer *writer, const struct oci_seccomp_arg *arg)
{
	switch ((enum oci_seccomp_op)arg->op) {
	case OCI_SECCOMP_NE:
		emit_not_equal(writer, arg->index, arg->value);
		break;
	case OCI_SECCOMP_LT:
		emit_not_greater(writer, arg->index, BPF_JGE, arg->value);
		break;
	case OCI_SECCOMP_LE:
		emit_not_greater(writer, arg->index, BPF_JGT, arg->value);
		break;
	case OCI_SECCOMP_EQ:
		emit_equal(writer, arg->index, UINT64_MAX, arg->value);
		break;
	case OCI_SECCOMP_GE:
		emit_greater(writer, arg->index, BPF_JGE, arg->value);
		break;
	case OCI_SECCOMP_GT:
		emit_greater(writer, arg->index, BPF_JGT, arg->value);
		break;
	case OCI_SECCOMP_MASKED_EQ:
		emit_equal(writer, arg->index, arg->value, arg->value_two);
		break;
	}
}

/* the rules of a call */

static void finish_rule(struct writer *writer, size_t start, uint32_t action)
{
	emit_return(writer, action);
	for (size_t i = start; i < writer->n && i < BPF_MAXINSNS; i++) {
		struct sock_filter *insn = &writer->insns[i];

		if (insn->jt == TO_NEXT_RULE)
			insn->jt = (uint8_t)(writer->n - i - 1);
		if (insn->jf == TO_NEXT_RULE)
			insn->jf = (uint8_t)(writer->n - i - 1);
	}
}

static bool asks_one_value(const struct seccomp_rule *rule)
{
	return rule->n_args == 1 && rule->args[0].op == OCI_SECCOMP_EQ;
}

static bool same_question(const struct seccomp_rule *a, const struct seccomp_rule *b, bool wide)
{
	return a->args[0].index == b->args[0].index &&
	       (!wide || upper_half(a->args[0].value) == upper_half(b->args[0].value));
}

/**
 * How many of the @n @rules ask one after the other whether the same argument has one value more: a
 * list of values, for which the argument is loaded once.
 */
static size_t count_equals(const struct seccomp_rule *rules, size_t n, bool wide)
{
	size_t count = 0;

	while (count < n && asks_one_value(&rules[count]) &&
	       same_question(&rules[0], &rules[count], wide))
		count++;
	return count;
}

/** How many of a list's values lead to the action of the first: they share its return. */
static size_t count_alike(const struct seccomp_rule *rules, size_t n)
{
	size_t count = 1;

	while (count < n && count < EQUALS_MAX && rules[count].action == rules[0].action)
		count++;
	return count;
}

static void emit_alike(struct writer *writer, const struct seccomp_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		emit_jump(writer, BPF_JEQ, lower_half(rules[i].args[0].value), (uint8_t)(n - 1 - i),
			  i < n - 1 ? 0 : 1);
	emit_return(writer, rules[0].action);
}

/** The lower half of a list's values: goes on behind it where it is none of them. */
static void emit_lower_halves(struct writer *writer, const struct seccomp_rule *rules, size_t n)
{
	emit_load_half(writer, rules[0].args[0].index, false);
	for (size_t i = 0; i < n;) {
		size_t alike = count_alike(rules + i, n - i);

		emit_alike(writer, rules + i, alike);
		i += alike;
	}
}

static void emit_equals(struct writer *writer, const struct seccomp_rule *rules, size_t n)
{
	size_t leapt;

	if (!writer->wide) {
		emit_lower_halves(writer, rules, n);
		return;
	}
	emit_load_half(writer, rules[0].args[0].index, true);
	emit_jump(writer, BPF_JEQ, upper_half(rules[0].args[0].value), 1, 0);
	leapt = leap(writer);
	emit_lower_halves(writer, rules, n);
	land(writer, leapt);
}

static void emit_rule(struct writer *writer, const struct seccomp_rule *rule)
{
	size_t start = writer->n;

	for (size_t i = 0; i < rule->n_args; i++)
		emit_condition(writer, &rule->args[i]);
	finish_rule(writer, start, rule->action);
}

static void emit_rules(struct writer *writer, const struct seccomp_call *call, bool wide,
		       uint32_t fallback)
{
	writer->wide = wide;
	for (size_t i = 0; i < call->n_rules;) {
		const struct seccomp_rule *rule = &call->rules[i];
		size_t equals = count_equals(rule, call->n_rules - i, wide);

		if (equals > 0)
			emit_equals(writer, rule, equals);
		else
			emit_rule(writer, rule);
		i += equals > 0 ? equals : 1;
	}
	emit_return(writer, fallback);
}

/* which width it is */

/** A call of x32 leaps; its number tells it from one of x86_64. */
static size_t leap_if_x32(struct writer *writer)
{
	emit_load(writer, offsetof(struct seccomp_data, nr));
	emit_jump(writer, BPF_JSET, SECCOMP_X32_BIT, 0, 1);
	return leap(writer);
}

static size_t leap_unless_wide(struct writer *writer, const struct seccomp_widths *widths)
{
	emit_load(writer, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < widths->n_wide; i++)
		emit_jump(writer, BPF_JEQ, widths->wide[i], (uint8_t)(widths->n_wide - i), 0);
	return leap(writer);
}

/** Masks without an upper half: 64 bits are compared as 32 are. */
static bool is_one_width(const struct seccomp_call *call)
{
	for (size_t i = 0; i < call->n_rules; i++) {
		const struct seccomp_rule *rule = &call->rules[i];

		for (size_t j = 0; j < rule->n_args; j++) {
			if (rule->args[j].op != OCI_SECCOMP_MASKED_EQ ||
			    upper_half(rule->args[j].value) != 0)
				return false;
		}
	}
	return true;
}

static void emit_call(struct writer *writer, const struct seccomp_call *call,
		      const struct seccomp_widths *widths, uint32_t fallback)
{
	size_t leaps[2];
	size_t n = 0;

	if (is_one_width(call)) {
		emit_rules(writer, call, false, fallback);
		return;
	}
	if (widths->n_wide > 0) {
		if (widths->x32)
			leaps[n++] = leap_if_x32(writer);
		if (widths->narrow)
			leaps[n++] = leap_unless_wide(writer, widths);
		emit_rules(writer, call, true, fallback);
	}
	for (size_t i = 0; i < n; i++)
		land(writer, leaps[i]);
	if (widths->x32 || widths->narrow)
		emit_rules(writer, call, false, fallback);
}

/* markers */

/** Returns whether there was one: none of the filter's architectures may have the call. */
static bool replace_marker(struct sock_filter *insns, size_t n, uint32_t marker, size_t target)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (insns[i].code != (BPF_RET | BPF_K) || insns[i].k != marker)
			continue;
		insns[i] =
		    (struct sock_filter){.code = BPF_JMP | BPF_JA, .k = (uint32_t)(target - i - 1)};
		found = true;
	}
	return found;
}

size_t seccomp_conditions_append(struct sock_filter *insns, size_t n,
				 const struct seccomp_call *calls, size_t n_calls,
				 const struct seccomp_widths *widths, uint32_t fallback)
{
	struct writer writer = {.insns = insns, .n = n, .big_endian = widths->big_endian};

	for (size_t i = 0; i < n_calls; i++) {
		if (replace_marker(insns, n, calls[i].marker, writer.n))
			emit_call(&writer, &calls[i], widths, fallback);
	}
	return writer.n;
}
