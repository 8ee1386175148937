/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/enosys.h"

#include <errno.h>
#include <linux/seccomp.h>

/**
 * Targets of jumps that are known only once everything is written: the last instruction, and the
 * one after it.
 */
#define TO_ENOSYS 0xfe
#define TO_FILTER 0xff

struct writer {
	struct sock_filter *insns;
	size_t n;
};

static void emit(struct writer *writer, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	writer->insns[writer->n++] = (struct sock_filter){.code = code, .k = k, .jt = jt, .jf = jf};
}

static size_t same_arch(const struct seccomp_newest *ranges, size_t count)
{
	size_t n = 1;

	while (n < count && ranges[n].audit_arch == ranges[0].audit_arch)
		n++;
	return n;
}

/**
 * The ranges of one architecture, from the highest: the first whose beginning is not above the
 * number judges it. For each: "is it below my beginning? then the next one"; "at or beyond my end?
 * then not mine"; "above my newest?".
 */
static void emit_ranges(struct writer *writer, const struct seccomp_newest *ranges, size_t count)
{
	emit(writer, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	for (size_t i = count; i-- > 0;) {
		const struct seccomp_newest *range = &ranges[i];
		bool bounded = range->end != UINT32_MAX;

		if (range->first > 0)
			emit(writer, BPF_JMP | BPF_JGE | BPF_K, range->first, 0,
			     i > 0 ? (bounded ? 2 : 1) : TO_FILTER);
		if (bounded)
			emit(writer, BPF_JMP | BPF_JGE | BPF_K, range->end, TO_FILTER, 0);
		emit(writer, BPF_JMP | BPF_JGT | BPF_K, range->newest, TO_ENOSYS, TO_FILTER);
	}
}

static uint8_t resolve(uint8_t target, size_t at, size_t enosys)
{
	if (target == TO_ENOSYS)
		return (uint8_t)(enosys - at - 1);
	if (target == TO_FILTER)
		return (uint8_t)(enosys - at);
	return target;
}

static void resolve_jumps(struct writer *writer, size_t enosys)
{
	for (size_t i = 0; i < enosys; i++) {
		struct sock_filter *insn = &writer->insns[i];

		if (BPF_CLASS(insn->code) != BPF_JMP)
			continue;
		insn->jt = resolve(insn->jt, i, enosys);
		insn->jf = resolve(insn->jf, i, enosys);
	}
}

size_t seccomp_enosys_build(const struct seccomp_newest *ranges, size_t count,
			    struct sock_filter *insns)
{
	struct writer writer = {.insns = insns};
	size_t enosys;

	/*
	 * one load and the return; at most a check and a load for each architecture, and three
	 * comparisons a range
	 */
	if (count == 0 || 2 + count * 5 > SECCOMP_ENOSYS_MAX_INSNS)
		return 0;
	emit(&writer, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	for (size_t i = 0; i < count;) {
		size_t n = same_arch(ranges + i, count - i);
		size_t check = writer.n;

		emit(&writer, BPF_JMP | BPF_JEQ | BPF_K, ranges[i].audit_arch, 0, 0);
		emit_ranges(&writer, ranges + i, n);
		i += n;
		insns[check].jf = i < count ? (uint8_t)(writer.n - check - 1) : TO_FILTER;
	}
	enosys = writer.n;
	resolve_jumps(&writer, enosys);
	emit(&writer, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
	return writer.n;
}
