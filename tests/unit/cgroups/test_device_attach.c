/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules as the kernel enforces them: a child inside the cgroup makes nodes in a tmpfs of its
 * own and opens them.
 */
#include "cgroup_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "cgroups/device_program.h"

#define CANNOT_PREPARE 100

/** What a child tries, and what the kernel should answer. */
struct attempt {
	mode_t type;
	unsigned int major;
	unsigned int minor;
	int flags; /* of open(2); -1: mknod only */
	int want;  /* 0, or the errno */
};

struct attempts {
	const struct attempt *list;
	size_t count;
};

static int try_one(const struct attempt *attempt)
{
	int fd;

	unlink("/mnt/node");
	if (mknod("/mnt/node", attempt->type | 0600, makedev(attempt->major, attempt->minor)) < 0)
		return errno;
	if (attempt->flags < 0)
		return 0;
	fd = open("/mnt/node", attempt->flags | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/** Returns 0, CANNOT_PREPARE, or 1 + the index of the attempt that went another way. */
static int try_all(void *arg)
{
	const struct attempts *attempts = arg;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, "mode=700") < 0)
		return CANNOT_PREPARE;
	for (size_t i = 0; i < attempts->count; i++) {
		int got = try_one(&attempts->list[i]);
		/* ENXIO: it passed the rules and there is no such driver. */
		int seen = got == ENXIO || got == ENODEV ? 0 : got;

		if (seen != attempts->list[i].want) {
			fprintf(stderr, "attempt %zu: want %d, got %d\n", i, attempts->list[i].want,
				got);
			return 1 + (int)i;
		}
	}
	return 0;
}

static void set_rules(struct cgroup_fixture *fixture, const struct oci_device_rule *rules,
		      size_t n_rules)
{
	struct bpf_insn *insns;

	assert_int_equal(device_program_build(rules, n_rules, &fixture->arena, &insns,
					      &fixture->plan.n_device_program, NULL),
			 0);
	fixture->plan.device_program = insns;
}

static struct cgroup create_with_rules(struct cgroup_fixture *fixture)
{
	struct cgroup cgroup = fixture_create(fixture);
	struct wh_error err = WH_ERROR_INIT;

	if (cgroup_attach_devices(&fixture->plan, &cgroup, &err) < 0)
		fail_msg("attach: %s", err.message);
	return cgroup;
}

static void check(const struct cgroup *cgroup, const struct attempt *list, size_t count)
{
	struct attempts attempts = {list, count};
	int status = fixture_reap(fixture_spawn(cgroup, try_all, &attempts));

	if (status == CANNOT_PREPARE) {
		fprintf(stderr, "skipped: no mount namespace of its own for the child\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static uint32_t count_programs(const struct cgroup *cgroup)
{
	uint32_t ids[64];
	union bpf_attr attr = {
	    .query.target_fd = (uint32_t)cgroup->dir_fd,
	    .query.attach_type = BPF_CGROUP_DEVICE,
	    .query.prog_ids = (uintptr_t)ids,
	    .query.prog_cnt = ARRAY_LEN(ids),
	};

	assert_true(sys_bpf(BPF_PROG_QUERY, &attr, sizeof(attr)) == 0);
	return attr.query.prog_cnt;
}

static const int64_t mem_major = 1, kmsg_minor = 11;
static const struct oci_device_rule deny_all = {.allow = false, .type = 'a', .access = "rwm"};

static void test_rules_are_enforced(void **state)
{
	/* clang-format off */
	static const struct attempt attempts[] = {
		{ S_IFCHR, 1, 3, O_RDWR, 0 },		 /* null: always */
		{ S_IFCHR, 1, 9, O_RDONLY, 0 },		 /* urandom: always */
		{ S_IFCHR, 1, 11, -1, 0 },		 /* mknod: always */
		{ S_IFCHR, 1, 11, O_RDONLY, 0 },	 /* kmsg: as allowed */
		{ S_IFCHR, 1, 11, O_WRONLY, EPERM },
		{ S_IFCHR, 1, 11, O_RDWR, EPERM },
		{ S_IFCHR, 1, 1, O_RDONLY, EPERM },	 /* mem */
		{ S_IFBLK, 7, 0, O_RDONLY, EPERM },	 /* loop0 */
		{ S_IFBLK, 1, 3, O_RDONLY, EPERM },	 /* null's number, of the other type */
		{ S_IFCHR, 10, 229, O_RDWR, EPERM },	 /* fuse */
	};
	/* clang-format on */
	const struct oci_device_rule rules[] = {
	    deny_all,
	    {.allow = true, .type = 'c', .major = &mem_major, .minor = &kmsg_minor, .access = "r"},
	};
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup;

	set_rules(fixture, rules, ARRAY_LEN(rules));
	cgroup = create_with_rules(fixture);
	assert_int_equal(count_programs(&cgroup), 1);
	check(&cgroup, attempts, ARRAY_LEN(attempts));
	cgroup_close(&cgroup);
}

static void test_denials_among_allowed(void **state)
{
	/* clang-format off */
	static const struct attempt attempts[] = {
		{ S_IFCHR, 1, 1, O_RDONLY, 0 },
		{ S_IFCHR, 1, 11, O_RDONLY, 0 },
		{ S_IFCHR, 1, 11, O_WRONLY, EPERM },
	};
	/* clang-format on */
	/* clang-format off */
	const struct oci_device_rule rules[] = {
		{ .allow = true, .type = 'a' },
		{ .allow = false, .type = 'c', .major = &mem_major, .minor = &kmsg_minor, .access = "w" },
	};
	/* clang-format on */
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup;

	set_rules(fixture, rules, ARRAY_LEN(rules));
	cgroup = create_with_rules(fixture);
	check(&cgroup, attempts, ARRAY_LEN(attempts));
	cgroup_close(&cgroup);
}

static void test_older_program_is_replaced(void **state)
{
	static const struct attempt denied = {S_IFCHR, 1, 11, O_RDONLY, EPERM},
				    allowed = {S_IFCHR, 1, 11, O_RDONLY, 0};
	const struct oci_device_rule open_rules[] = {
	    deny_all,
	    {.allow = true, .type = 'c', .major = &mem_major, .access = "rw"},
	};
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup first, second, third;

	set_rules(fixture, &deny_all, 1);
	first = create_with_rules(fixture);
	check(&first, &denied, 1);
	set_rules(fixture, open_rules, ARRAY_LEN(open_rules));
	second = create_with_rules(fixture);
	assert_int_equal(count_programs(&second), 1);
	check(&second, &allowed, 1);
	fixture->plan.device_program = NULL;
	third = create_with_rules(fixture);
	assert_int_equal(count_programs(&third), 0);
	cgroup_close(&first);
	cgroup_close(&second);
	cgroup_close(&third);
}

/** A program under another name, as systemd's would be; it refuses everything. */
static int attach_foreign(const struct cgroup *cgroup)
{
	/* clang-format off */
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	/* clang-format on */
	union bpf_attr load = {
	    .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
	    .insns = (uintptr_t)insns,
	    .insn_cnt = ARRAY_LEN(insns),
	    .license = (uintptr_t) "GPL",
	    .prog_name = "sd_devices",
	};
	auto_fd fd = (int)sys_bpf(BPF_PROG_LOAD, &load, sizeof(load));
	union bpf_attr attach = {
	    .target_fd = (uint32_t)cgroup->dir_fd,
	    .attach_bpf_fd = (uint32_t)fd,
	    .attach_type = BPF_CGROUP_DEVICE,
	    .attach_flags = BPF_F_ALLOW_MULTI,
	};

	return fd < 0 ? fd : (int)sys_bpf(BPF_PROG_ATTACH, &attach, sizeof(attach));
}

static void test_programs_of_others_stay(void **state)
{
	static const struct attempt denied = {S_IFCHR, 1, 11, -1, EPERM};
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup first = create_with_rules(fixture), second;

	assert_int_equal(attach_foreign(&first), 0);
	set_rules(fixture, &deny_all, 1);
	second = create_with_rules(fixture);
	assert_int_equal(count_programs(&second), 2);
	check(&second, &denied, 1);
	cgroup_close(&first);
	cgroup_close(&second);
}

/** What a child without the privilege attaches, and where. */
struct attachment {
	const struct cgroup_plan *plan;
	const struct cgroup *cgroup;
};

static int attach_quietly(const struct attachment *attachment)
{
	return cgroup_attach_devices(attachment->plan, attachment->cgroup, NULL) == 0 ? 0 : 1;
}

/** As user 1000: no program may be loaded, and that is no error. */
static int attach_unprivileged(void *arg)
{
	if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
		return CANNOT_PREPARE;
	return attach_quietly(arg);
}

/** Root of a user namespace: the same. */
static int attach_in_user_namespace(void *arg)
{
	return unshare(CLONE_NEWUSER) < 0 ? CANNOT_PREPARE : attach_quietly(arg);
}

static void test_unprivileged_is_no_error(void **state)
{
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	struct attachment attachment = {&fixture->plan, &cgroup};
	int in_namespace;

	set_rules(fixture, &deny_all, 1);
	assert_int_equal(fixture_reap(fixture_spawn(&cgroup, attach_unprivileged, &attachment)), 0);
	in_namespace = fixture_reap(fixture_spawn(&cgroup, attach_in_user_namespace, &attachment));
	if (in_namespace == CANNOT_PREPARE)
		fprintf(stderr, "not covered: user namespaces are not allowed here\n");
	else
		assert_int_equal(in_namespace, 0);
	assert_int_equal(count_programs(&cgroup), 0);
	cgroup_close(&cgroup);
}

static void test_bad_program_is_an_error(void **state)
{
	static const struct bpf_insn bad = {.code = BPF_JMP | BPF_JA, .off = 100};
	struct cgroup_fixture *fixture = fixture_or_skip(state);
	struct cgroup cgroup = fixture_create(fixture);
	struct wh_error err = WH_ERROR_INIT;

	fixture->plan.device_program = &bad;
	fixture->plan.n_device_program = 1;
	assert_true(cgroup_attach_devices(&fixture->plan, &cgroup, &err) < 0);
	assert_non_null(strstr(err.message, "device rules"));
	assert_int_equal(count_programs(&cgroup), 0);
	cgroup_close(&cgroup);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, cgroup_fixture_setup, cgroup_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_rules_are_enforced),        TEST(test_denials_among_allowed),
	    TEST(test_older_program_is_replaced), TEST(test_programs_of_others_stay),
	    TEST(test_unprivileged_is_no_error),  TEST(test_bad_program_is_an_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
