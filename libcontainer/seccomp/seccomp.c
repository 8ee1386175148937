/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/seccomp.h"

#include <ctype.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/seccomp/cache.h"
#include "libcontainer/seccomp/conditions.h"
#include "libcontainer/seccomp/enosys.h"
#include "libcontainer/seccomp/multiplexed.h"
#include "libcontainer/seccomp/rules.h"
#include "oci-spec/enums.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

/**
 * Where the numbers of ARM's private system calls begin: they say nothing about the age of a
 * profile.
 */
#define ARM_PRIVATE 0x0f0000U
/*
 * SCMP_FLTATR_CTL_OPTIMIZE: a binary tree over the numbers instead of one comparison a system call.
 * Docker's profile then takes 23 instructions a call on average instead of 316, and no longer to
 * compile.
 */
#define OPTIMIZE_TREE 2
/** The largest of the direct numbers of calls that are also made by socketcall or ipc (Linux 5.1). */
#define MULTIPLEXED_NEWEST 402

/**
 * libseccomp's token of an architecture of the document: its name is the document's without prefix
 * and in small letters. 0: unknown to it.
 */
static uint32_t arch_token(int64_t architecture)
{
	const char *name = name_table_name(&oci_seccomp_architectures, architecture);
	const char *rest = name ? str_after(name, "SCMP_ARCH_") : NULL;
	char lower[32];
	size_t i = 0;

	if (!rest || strlen(rest) >= sizeof(lower))
		return 0;
	for (; rest[i]; i++)
		lower[i] = (char)tolower((unsigned char)rest[i]);
	lower[i] = '\0';
	return seccomp_arch_resolve_name(lower);
}

void seccomp_library_version(char *buf, size_t size)
{
	const struct scmp_version *version = seccomp_version();

	snprintf(buf, size, "%u.%u.%u", version->major, version->minor, version->micro);
}

size_t seccomp_unknown_syscalls(const struct oci_seccomp *profile)
{
	size_t count = 0;

	for (size_t i = 0; i < profile->n_syscalls; i++) {
		for (size_t j = 0; j < profile->syscalls[i].n_names; j++)
			count += seccomp_syscall_resolve_name(profile->syscalls[i].names[j]) ==
				 __NR_SCMP_ERROR;
	}
	return count;
}

/* what is wrong with a profile here */

static void check_action(int64_t action, uint32_t *checked, struct problems *problems)
{
	uint32_t kernel = seccomp_actions[action].kernel;

	if (*checked & (1U << action))
		return;
	*checked |= 1U << action;
	if (sys_seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &kernel) < 0)
		problems_add(problems, PROBLEM_ERROR, "linux.seccomp: this kernel does not have %s",
			     name_table_name(&oci_seccomp_actions, action));
}

/** A flag that the kernel knows gets as far as reading the filter, which is not there. */
static bool flag_available(int64_t flag)
{
	unsigned int flags = (unsigned int)flag;

	if (flag == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, NULL) == -EFAULT;
}

static void check_flags(const struct oci_seccomp *profile, struct problems *problems)
{
	for (size_t i = 0; i < profile->n_flags; i++) {
		if (!flag_available(profile->flags[i]))
			problems_add(problems, PROBLEM_ERROR,
				     "linux.seccomp.flags[%zu]: this kernel does not have %s", i,
				     name_table_name(&oci_seccomp_flags, profile->flags[i]));
	}
}

static void check_architectures(const struct oci_seccomp *profile, struct problems *problems)
{
	for (size_t i = 0; i < profile->n_architectures; i++) {
		if (arch_token(profile->architectures[i]) == 0)
			problems_add(
			    problems, PROBLEM_ERROR,
			    "linux.seccomp.architectures[%zu]: this libseccomp does not know %s", i,
			    name_table_name(&oci_seccomp_architectures, profile->architectures[i]));
	}
}

/*
 * Between loading the filter and handing over its listener init makes one system call, sendmsg(2):
 * a notification of it would wait for an answer from somebody who has not got the listener yet. All
 * that init does later (close, prctl, capset, execve) can be answered.
 */
static void check_notify(const struct oci_seccomp_syscall *syscall, size_t index,
			 struct problems *problems)
{
	if (syscall->action != OCI_SECCOMP_NOTIFY)
		return;
	for (size_t i = 0; i < syscall->n_names; i++) {
		if (streq(syscall->names[i], "sendmsg"))
			problems_add(problems, PROBLEM_ERROR,
				     "linux.seccomp.syscalls[%zu]: SCMP_ACT_NOTIFY cannot be used "
				     "for sendmsg, by which the listener is handed over",
				     index);
	}
}

void seccomp_check(const struct oci_seccomp *profile, struct problems *problems)
{
	uint32_t checked = 0;

	check_action(profile->default_action, &checked, problems);
	if (profile->default_action == OCI_SECCOMP_NOTIFY)
		problems_add(problems, PROBLEM_ERROR,
			     "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used for all "
			     "system calls: the listener could not be handed over");
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		check_action(profile->syscalls[i].action, &checked, problems);
		check_notify(&profile->syscalls[i], i, problems);
	}
	check_architectures(profile, problems);
	check_flags(profile, problems);
}

static int add_architectures(scmp_filter_ctx ctx, const struct oci_seccomp *profile,
			     struct wh_error *err)
{
	for (size_t i = 0; i < profile->n_architectures; i++) {
		uint32_t token = arch_token(profile->architectures[i]);
		int rc = token ? seccomp_arch_add(ctx, token) : -EINVAL;

		if (rc < 0 && rc != -EEXIST)
			return wh_fail(
			    err, -rc, "linux.seccomp.architectures[%zu]: add %s", i,
			    name_table_name(&oci_seccomp_architectures, profile->architectures[i]));
	}
	return 0;
}

static int fill(scmp_filter_ctx ctx, const struct oci_seccomp *profile, struct arena *arena,
		struct seccomp_calls *calls, struct wh_error *err)
{
	int rc = add_architectures(ctx, profile, err);

	if (rc == 0)
		rc = seccomp_rules_add(ctx, profile, arena, calls, err);
	if (rc < 0)
		return rc;
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_TREE);
	return rc < 0 ? wh_fail(err, -rc, "ask libseccomp for a binary tree") : 0;
}

/* the newest system calls that a profile knows */

/** Raise @range's newest to the number of @name where that is in the range. */
static void raise_newest(struct seccomp_newest *range, uint32_t token, const char *name,
			 bool *found)
{
	int number = seccomp_syscall_resolve_name_arch(token, name);
	uint32_t nr;

	/* sockets and System V IPC, where they also have one number for all */
	if (number <= SECCOMP_MULTIPLEXED_FIRST && number >= SECCOMP_MULTIPLEXED_LAST)
		number = MULTIPLEXED_NEWEST;
	nr = (uint32_t)number;
	if (number < 0 || nr < range->first || nr >= range->end)
		return;
	if (!*found || nr > range->newest)
		range->newest = nr;
	*found = true;
}

static bool find_newest(const struct oci_seccomp *profile, uint32_t token,
			struct seccomp_newest *ret)
{
	struct seccomp_newest range = {.audit_arch = token, .end = UINT32_MAX};
	bool found = false;

	if (token == SCMP_ARCH_X86_64) {
		range.end = SECCOMP_X32_BIT;
	} else if (token == SCMP_ARCH_X32) {
		range.audit_arch = SCMP_ARCH_X86_64;
		range.first = SECCOMP_X32_BIT;
	} else if (token == SCMP_ARCH_ARM) {
		range.end = ARM_PRIVATE;
	}
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		for (size_t j = 0; j < profile->syscalls[i].n_names; j++)
			raise_newest(&range, token, profile->syscalls[i].names[j], &found);
	}
	*ret = range;
	return found;
}

/** Put @range where its architecture is, by ascending first. */
static void insert_range(struct seccomp_newest *ranges, size_t *count,
			 const struct seccomp_newest *range)
{
	size_t at = *count;

	for (size_t i = 0; i < *count; i++) {
		if (ranges[i].audit_arch == range->audit_arch) {
			at = ranges[i].first < range->first ? i + 1 : i;
			break;
		}
	}
	memmove(&ranges[at + 1], &ranges[at], (*count - at) * sizeof(*ranges));
	ranges[at] = *range;
	(*count)++;
}

/** Whether calls that nobody thought of are denied, and not by ENOSYS already. */
static bool needs_enosys(const struct oci_seccomp *profile)
{
	if (seccomp_actions[profile->default_action].lets_pass)
		return false;
	return seccomp_action_value(profile->default_action, profile->default_errno_ret) !=
	       SCMP_ACT_ERRNO(ENOSYS);
}

/**
 * The instructions in front of the filter, for each architecture that is in it. Returns their
 * number.
 */
static size_t build_enosys(scmp_filter_ctx ctx, const struct oci_seccomp *profile,
			   struct sock_filter *insns)
{
	struct seccomp_newest ranges[SECCOMP_ENOSYS_MAX_INSNS];
	size_t count = 0;

	if (!needs_enosys(profile))
		return 0;
	for (size_t i = 0; i < oci_seccomp_architectures.len; i++) {
		uint32_t token = arch_token(oci_seccomp_architectures.rows[i].value);
		struct seccomp_newest range;

		if (token && seccomp_arch_exist(ctx, token) == 0 &&
		    find_newest(profile, token, &range))
			insert_range(ranges, &count, &range);
	}
	return seccomp_enosys_build(ranges, count, insns);
}

/* how wide arguments are */

static bool is_wide(uint32_t token)
{
	return (token & __AUDIT_ARCH_64BIT) && token != SCMP_ARCH_MIPS64N32 &&
	       token != SCMP_ARCH_MIPSEL64N32;
}

static void add_width(struct seccomp_widths *widths, uint32_t token)
{
	if (token == SCMP_ARCH_X32)
		widths->x32 = true;
	else if (!is_wide(token))
		widths->narrow = true;
	else if (widths->n_wide < SECCOMP_ARCHS_MAX)
		widths->wide[widths->n_wide++] = token;
}

/** This machine's architecture is in every filter. */
static void find_widths(scmp_filter_ctx ctx, struct seccomp_widths *ret)
{
	uint32_t native = seccomp_arch_native();

	*ret = (struct seccomp_widths){.big_endian = !(native & __AUDIT_ARCH_LE)};
	add_width(ret, native);
	for (size_t i = 0; i < oci_seccomp_architectures.len; i++) {
		uint32_t token = arch_token(oci_seccomp_architectures.rows[i].value);

		if (token && token != native && seccomp_arch_exist(ctx, token) == 0)
			add_width(ret, token);
	}
}

/* the program */

static uint32_t flags_of(const struct oci_seccomp *profile, bool notify)
{
	uint32_t flags = 0;

	/*
	 * as runc does: whoever filters for other reasons than speculation does not want its
	 * slow-down
	 */
	if (!profile->flags)
		return SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	for (size_t i = 0; i < profile->n_flags; i++)
		flags |= (uint32_t)profile->flags[i];
	/* the kernel refuses it without a listener */
	return notify ? flags : flags & ~(uint32_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
}

bool seccomp_uses_notify(const struct oci_seccomp *profile)
{
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		if (profile->syscalls[i].action == OCI_SECCOMP_NOTIFY)
			return true;
	}
	return profile->default_action == OCI_SECCOMP_NOTIFY;
}

static int refuse_size(size_t n, struct wh_error *err)
{
	return wh_fail(err, 0,
		       "linux.seccomp: the filter has %zu instructions, the kernel takes %d", n,
		       BPF_MAXINSNS);
}

/** Read libseccomp's filter into @insns. Returns how many there are, or -errno. */
static int read_filter(scmp_filter_ctx ctx, struct sock_filter *insns, size_t room,
		       struct wh_error *err)
{
	auto_fd fd = sys_memfd_create("seccomp", 1 /* MFD_CLOEXEC */);
	off_t size;
	int rc;

	if (fd < 0)
		return wh_fail(err, -fd, "make a memfd for the filter");
	rc = seccomp_export_bpf(ctx, fd);
	if (rc < 0)
		return wh_fail(err, -rc, "linux.seccomp: compile the filter");
	size = lseek(fd, 0, SEEK_END);
	if (size <= 0 || (size_t)size % sizeof(*insns) != 0)
		return wh_fail(err, EIO, "read the filter that libseccomp made");
	if ((size_t)size / sizeof(*insns) > room)
		return refuse_size((size_t)size / sizeof(*insns) + BPF_MAXINSNS - room, err);
	if (pread(fd, insns, (size_t)size, 0) != size)
		return wh_fail(err, EIO, "read the filter that libseccomp made");
	return (int)((size_t)size / sizeof(*insns));
}

/** ENOSYS in front, libseccomp's filter, and behind it what judges @calls by their arguments. */
static int make_program(scmp_filter_ctx ctx, const struct oci_seccomp *profile,
			const struct seccomp_calls *calls, struct arena *arena,
			struct seccomp_program *program, struct wh_error *err)
{
	uint32_t fallback =
	    seccomp_action_value(profile->default_action, profile->default_errno_ret);
	auto_free struct sock_filter *insns = calloc(BPF_MAXINSNS, sizeof(*insns));
	struct seccomp_widths widths;
	size_t n;
	int rc;

	if (!insns)
		return wh_oom(err);
	n = build_enosys(ctx, profile, insns);
	rc = read_filter(ctx, insns + n, BPF_MAXINSNS - n, err);
	if (rc < 0)
		return rc;
	find_widths(ctx, &widths);
	n = seccomp_conditions_append(insns, n + (size_t)rc, calls->calls, calls->n, &widths,
				      fallback);
	if (n > BPF_MAXINSNS)
		return refuse_size(n, err);
	program->insns = arena_memdup(arena, insns, n * sizeof(*insns));
	program->n_insns = (uint32_t)n;
	return program->insns ? 0 : wh_oom(err);
}

static void describe_program(const struct oci_seccomp *profile, struct seccomp_program *program)
{
	program->notify = seccomp_uses_notify(profile);
	program->flags = flags_of(profile, program->notify);
	program->listener_path = profile->listener_path;
	program->listener_metadata = profile->listener_metadata;
}

int seccomp_compile(const struct oci_seccomp *profile, struct arena *arena,
		    struct seccomp_program *ret_program, struct wh_error *err)
{
	struct seccomp_program program = {0};
	struct seccomp_calls calls = {0};
	scmp_filter_ctx ctx;
	int rc;

	ctx =
	    seccomp_init(seccomp_action_value(profile->default_action, profile->default_errno_ret));
	if (!ctx)
		return wh_fail(err, 0,
			       "linux.seccomp: libseccomp does not take %s as default action",
			       name_table_name(&oci_seccomp_actions, profile->default_action));
	rc = fill(ctx, profile, arena, &calls, err);
	if (rc == 0)
		rc = make_program(ctx, profile, &calls, arena, &program, err);
	seccomp_release(ctx);
	if (rc < 0)
		return rc;
	describe_program(profile, &program);
	*ret_program = program;
	return 0;
}

int seccomp_prepare(const struct oci_seccomp *profile, const char *state_root, struct arena *arena,
		    struct seccomp_program **ret_program, struct wh_error *err)
{
	struct seccomp_cache_key key = {0};
	struct seccomp_program *program;
	char version[32];
	int rc;

	*ret_program = NULL;
	if (profile->default_action == OCI_SECCOMP_ALLOW && profile->n_syscalls == 0)
		return 0;
	program = arena_new(arena, struct seccomp_program);
	if (!program)
		return wh_oom(err);
	seccomp_library_version(version, sizeof(version));
	rc = seccomp_cache_key_make(profile, version, arena, &key, err);
	if (rc < 0)
		return rc;
	if (seccomp_cache_load(state_root, &key, arena, program) < 0) {
		rc = seccomp_compile(profile, arena, program, err);
		if (rc < 0)
			return rc;
		/* without a cache the next container waits as long as this one did */
		seccomp_cache_store(state_root, &key, program, NULL);
	}
	describe_program(profile, program);
	*ret_program = program;
	return 0;
}
