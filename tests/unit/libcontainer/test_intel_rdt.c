/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.intelRdt against a prepared tree. The linker puts this file's mkdirat() and unlinkat() in
 * the place of the C library's, so that directories come with the files that resctrl's have, and go
 * with them.
 */
#include "libcontainer/intel_rdt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>

#include "../base/scratch.h"
#include "base/fd.h"
#include "base/str.h"

#define DEFAULT_SCHEMATA "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"

int __real_mkdirat(int dir_fd, const char *path, mode_t mode);
int __real_unlinkat(int dir_fd, const char *path, int flags);
int __wrap_mkdirat(int dir_fd, const char *path, mode_t mode);
int __wrap_unlinkat(int dir_fd, const char *path, int flags);

static int no_space; /* mkdirat() of this and later calls fails; 0: none does */

static void make_file(int dir_fd, const char *path, const char *name, const char *text)
{
	char full[PATH_MAX];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	fd = openat(dir_fd, full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

int __wrap_mkdirat(int dir_fd, const char *path, mode_t mode)
{
	char full[PATH_MAX];

	if (no_space && --no_space == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (__real_mkdirat(dir_fd, path, mode) < 0)
		return -1;
	make_file(dir_fd, path, "tasks", "");
	if (strstr(path, "mon_groups/"))
		return 0;
	make_file(dir_fd, path, "schemata", "");
	snprintf(full, sizeof(full), "%s/mon_groups", path);
	return __real_mkdirat(dir_fd, full, mode);
}

int __wrap_unlinkat(int dir_fd, const char *path, int flags)
{
	static const char *const inside[] = {"tasks", "schemata"};
	char full[PATH_MAX];

	for (size_t i = 0; (flags & AT_REMOVEDIR) && i < ARRAY_LEN(inside); i++) {
		snprintf(full, sizeof(full), "%s/%s", path, inside[i]);
		__real_unlinkat(dir_fd, full, 0);
	}
	snprintf(full, sizeof(full), "%s/mon_groups", path);
	__real_unlinkat(dir_fd, full, AT_REMOVEDIR);
	return __real_unlinkat(dir_fd, path, flags);
}

struct fixture {
	struct scratch *scratch;
	struct arena arena;
	struct intel_rdt_plan plan;
	struct wh_error err;
	bool missing;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *scratch;

	if (!f || scratch_setup(&scratch) < 0 || arena_init(&f->arena, NULL) < 0)
		return -1;
	f->scratch = scratch;
	f->err = WH_ERROR_INIT;
	no_space = 0;
	scratch_write(scratch, "schemata", DEFAULT_SCHEMATA);
	scratch_write(scratch, "tasks", "1\n");
	assert_return_code(__real_mkdirat(f->scratch->fd, "info", 0755), errno);
	assert_return_code(__real_mkdirat(f->scratch->fd, "mon_groups", 0755), errno);
	scratch_write(scratch, "info/last_cmd_status", "ok\n");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	arena_done(&f->arena);
	free(f);
	return scratch_teardown(&scratch);
}

static void plan(struct fixture *f, const struct oci_intel_rdt *rdt)
{
	assert_int_equal(intel_rdt_plan_build(rdt, "box", &f->arena, &f->plan, &f->err), 0);
}

static int check(struct fixture *f)
{
	f->err = WH_ERROR_INIT;
	return intel_rdt_check(&f->plan, f->scratch->fd, &f->missing, &f->err);
}

static int make(struct fixture *f)
{
	return intel_rdt_make(&f->plan, f->scratch->fd, f->missing, &f->err);
}

static bool exists(const struct fixture *f, const char *path)
{
	return faccessat(f->scratch->fd, path, F_OK, 0) == 0;
}

static const bool on = true, off = false;

/** NULL is a value, too. */
static void assert_text(const char *text, const char *want)
{
	assert_string_equal(text ? text : "none", want ? want : "none");
}

static void test_plan(void **state)
{
	static const char *schemata[] = {"L2:0=f", "L3:0=1\n"};
	static const struct {
		struct oci_intel_rdt rdt;
		const char *group;
		bool own;
		const char *limits, *schemata, *monitor;
	} cases[] = {
	    {{0},								   "box", true,  NULL,               NULL,               NULL                },
	    {{.clos_id = "/"},						      ".",   false, NULL,               NULL,               NULL                },
	    {{.clos_id = "/", .enable_monitoring = &on},
	     ".",									  false,
	     NULL,												    NULL,
	     "./mon_groups/box"															       },
	    {{.clos_id = "c", .enable_monitoring = &off},                           "c",   false, NULL,               NULL,               NULL                },
	    {{.enable_monitoring = &on},					    "box", true,  NULL,               NULL,               "box/mon_groups/box"},
	    {{.l3_cache_schema = "L3:0=f"},                                         "box", true,  "L3:0=f\n",         NULL,               NULL                },
	    {{.mem_bw_schema = "MB:0=20"},                                          "box", true,  "MB:0=20\n",        NULL,               NULL                },
	    {{.l3_cache_schema = "MB:0=5\n\nL3:0=f\n", .mem_bw_schema = "MB:0=20"},
	     "box",									true,
	     "L3:0=f\nMB:0=20\n",										     NULL,
	     NULL																	     },
	    {{.l3_cache_schema = "L3:0=f\nMB:0=5"},                                 "box", true,  "L3:0=f\nMB:0=5\n", NULL,               NULL                },
	    {{.l3_cache_schema = "L3:0=f", .schemata = schemata, .n_schemata = 2},
	     "box",									true,
	     "L3:0=f\n",											      "L2:0=f\nL3:0=1\n",
	     NULL																	     },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		plan(f, &cases[i].rdt);
		assert_int_equal(f->plan.own, cases[i].own);
		assert_string_equal(f->plan.group, cases[i].group);
		assert_text(f->plan.limits, cases[i].limits);
		assert_text(f->plan.schemata, cases[i].schemata);
		assert_text(f->plan.monitor, cases[i].monitor);
	}
	plan(f, NULL);
	assert_null(f->plan.group);
}

static void test_limits_hold(void **state)
{
	static const char schemata[] = "    MB:0=100;1= 70\n    L3:0=07ff;1=00f\nL3CODE:0=1";
	static const struct {
		const char *limits;
		bool want;
	} cases[] = {
	    {"L3:0=7ff;1=f\n",         true },
	    {"L3:1=F\n",               true },
	    {"L3:1=f;\n",              true },
	    {"L3: 0 = 7FF\nMB:1=70\n", true },
	    {"L3CODE:00=0001\n",       true },
	    {"",		       true },
	    {"L3:0=7fe\n",             false},
	    {"L3:0=7ff;1=e\n",         false},
	    {"L3:2=7ff\n",             false},
	    {"L3:0=\n",                false},
	    {"L2:0=1\n",               false},
	    {"MB:0=10\n",              false},
	    {"L3:0=7ff\nMB:0=10\n",    false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (intel_rdt_limits_hold(cases[i].limits, schemata) != cases[i].want)
			fail_msg("case %zu: %s", i, cases[i].limits);
	}
}

static void test_a_class_of_its_own(void **state)
{
	static const char *schemata[] = {"L3:0=3"};
	const struct oci_intel_rdt rdt = {
	    .l3_cache_schema = "L3:0=f;1=f", .mem_bw_schema = "MB:0=20", .enable_monitoring = &on};
	struct oci_intel_rdt more = rdt;
	struct fixture *f = *state;

	plan(f, &rdt);
	assert_int_equal(check(f), 0);
	assert_true(f->missing);
	assert_int_equal(make(f), 0);
	scratch_assert_text(f->scratch, "box/schemata", "L3:0=f;1=f\nMB:0=20\n");
	assert_int_equal(intel_rdt_add(&f->plan, f->scratch->fd, 4711, &f->err), 0);
	scratch_assert_text(f->scratch, "box/tasks", "4711\n");
	scratch_assert_text(f->scratch, "box/mon_groups/box/tasks", "4711\n");
	scratch_assert_text(f->scratch, "tasks", "1\n");
	assert_int_equal(check(f), -EEXIST);

	scratch_write(f->scratch, "box/tasks", "");
	assert_int_equal(intel_rdt_remove(f->scratch->fd, "box", "box/mon_groups/box", &f->err), 0);
	assert_false(exists(f, "box"));
	assert_int_equal(intel_rdt_remove(f->scratch->fd, "box", "box/mon_groups/box", &f->err), 0);

	/* schemata come last: over the first lines, which a file keeps and resctrl does not */
	more.schemata = schemata;
	more.n_schemata = 1;
	plan(f, &more);
	assert_int_equal(check(f), 0);
	assert_int_equal(make(f), 0);
	scratch_assert_text(f->scratch, "box/schemata", "L3:0=3\n1=f\nMB:0=20\n");
}

static void test_a_class_that_is_there(void **state)
{
	struct oci_intel_rdt rdt = {.clos_id = "gold"};
	struct fixture *f = *state;

	plan(f, &rdt);
	assert_int_equal(check(f), -ENOENT);
	assert_non_null(strstr(f->err.message, "'gold'"));
	rdt.mem_bw_schema = "MB:0=100";
	plan(f, &rdt);
	assert_int_equal(check(f), 0);
	assert_int_equal(make(f), 0);
	assert_true(exists(f, "gold"));

	/* another container of the same class */
	scratch_write(f->scratch, "gold/schemata", DEFAULT_SCHEMATA);
	assert_int_equal(check(f), 0);
	assert_false(f->missing);
	assert_int_equal(make(f), 0);
	scratch_assert_text(f->scratch, "gold/schemata", DEFAULT_SCHEMATA);
	rdt.mem_bw_schema = "MB:0=50";
	plan(f, &rdt);
	assert_int_equal(check(f), -EEXIST);
	assert_non_null(strstr(f->err.message, "memBwSchema"));
	rdt.mem_bw_schema = NULL;
	rdt.enable_monitoring = &on;
	plan(f, &rdt);
	assert_int_equal(check(f), 0);
	assert_int_equal(make(f), 0);
	assert_int_equal(intel_rdt_add(&f->plan, f->scratch->fd, 12, &f->err), 0);
	scratch_assert_text(f->scratch, "gold/mon_groups/box/tasks", "12\n");
	assert_int_equal(check(f), -EEXIST);

	/* its maker goes: the other one is still in it */
	assert_int_equal(intel_rdt_remove(f->scratch->fd, "gold", NULL, &f->err), 0);
	assert_true(exists(f, "gold/tasks"));
	assert_int_equal(intel_rdt_remove(f->scratch->fd, NULL, "gold/mon_groups/box", &f->err), 0);
	assert_false(exists(f, "gold/mon_groups/box"));
	assert_true(exists(f, "gold"));
}

static void test_other_limits(void **state)
{
	const struct oci_intel_rdt rdt = {.clos_id = "/", .mem_bw_schema = "MB:0=30"};
	struct fixture *f = *state;
	const char *before = NULL, *after = NULL;

	plan(f, &rdt);
	assert_int_equal(
	    intel_rdt_change(&f->plan, f->scratch->fd, f->plan.limits, &f->arena, &before, &f->err),
	    0);
	assert_string_equal(before, DEFAULT_SCHEMATA);
	/* a file keeps what was not written over */
	scratch_assert_text(f->scratch, "schemata", "MB:0=30\n=100;1=100\n    L3:0=7ff;1=7ff\n");
	assert_int_equal(
	    intel_rdt_change(&f->plan, f->scratch->fd, before, &f->arena, &after, &f->err), 0);
	scratch_assert_text(f->scratch, "schemata", DEFAULT_SCHEMATA);
}

static void test_the_default_class(void **state)
{
	const struct oci_intel_rdt rdt = {.clos_id = "/", .enable_monitoring = &on};
	const struct oci_intel_rdt wrong = {.clos_id = "/", .l3_cache_schema = "L3:0=1"};
	struct fixture *f = *state;

	plan(f, &rdt);
	assert_int_equal(check(f), 0);
	assert_false(f->missing);
	assert_int_equal(make(f), 0);
	assert_int_equal(intel_rdt_add(&f->plan, f->scratch->fd, 12345, &f->err), 0);
	scratch_assert_text(f->scratch, "tasks", "12345\n");
	scratch_assert_text(f->scratch, "mon_groups/box/tasks", "12345\n");
	scratch_assert_text(f->scratch, "schemata", DEFAULT_SCHEMATA);
	plan(f, &wrong);
	assert_int_equal(check(f), -EEXIST);
}

static void test_a_failure_leaves_nothing(void **state)
{
	const struct oci_intel_rdt rdt = {.l3_cache_schema = "L3:0=f", .enable_monitoring = &on};
	struct fixture *f = *state;

	plan(f, &rdt);
	for (int failing = 1; failing <= 2; failing++) {
		assert_int_equal(check(f), 0);
		no_space = failing;
		scratch_write(f->scratch, "info/last_cmd_status", "out of CLOSIDs\n");
		assert_int_equal(make(f), -ENOSPC);
		assert_non_null(strstr(f->err.message, "out of CLOSIDs"));
		assert_false(exists(f, "box"));
		no_space = 0;
	}
	assert_int_equal(intel_rdt_add(&f->plan, f->scratch->fd, 1, &f->err), -ENOENT);
}

/** Make the directory @path of the scratch tree, and what is above it. */
static void make_dirs(struct fixture *f, const char *path)
{
	char part[PATH_MAX];

	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (*part && __real_mkdirat(f->scratch->fd, part, 0755) < 0)
			assert_int_equal(errno, EEXIST);
	}
	if (__real_mkdirat(f->scratch->fd, path, 0755) < 0)
		assert_int_equal(errno, EEXIST);
}

static void write_file(struct fixture *f, const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];

	make_dirs(f, dir);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	scratch_write(f->scratch, path, text);
}

static struct oci_rdt_stats read_stats(struct fixture *f)
{
	struct oci_rdt_stats stats = {.n_cache_use = 0};

	assert_int_equal(intel_rdt_stats_read(&f->plan, f->scratch->fd, &f->arena, &stats, &f->err),
			 0);
	return stats;
}

static void test_stats_of_everything(void **state)
{
	const struct oci_intel_rdt rdt = {.l3_cache_schema = "L3:0=f;1=f",
					  .enable_monitoring = &on};
	struct fixture *f = *state;
	struct oci_rdt_stats stats;

	plan(f, &rdt);
	assert_int_equal(check(f), 0);
	assert_int_equal(make(f), 0);
	scratch_write(f->scratch, "box/schemata", "    MB:0=20;1=30\n    L3:0=00f;1=00f\n");
	write_file(f, "info/L3", "cbm_mask", "7ff\n");
	write_file(f, "info/L3", "min_cbm_bits", "2\n");
	write_file(f, "info/L3", "num_closids", "16\n");
	write_file(f, "info/MB", "bandwidth_gran", "10\n");
	write_file(f, "info/MB", "delay_linear", "1\n");
	write_file(f, "info/MB", "min_bandwidth", "5\n");
	write_file(f, "info/MB", "num_closids", "8\n");
	/* the later cache first: a directory has no order */
	write_file(f, "box/mon_groups/box/mon_data/mon_L3_01", "mbm_total_bytes", "30\n");
	write_file(f, "box/mon_groups/box/mon_data/mon_L3_01", "mbm_local_bytes", "Unavailable\n");
	write_file(f, "box/mon_groups/box/mon_data/mon_L3_01", "llc_occupancy", "7\n");
	write_file(f, "box/mon_groups/box/mon_data/mon_L3_00", "mbm_total_bytes",
		   "18446744073709551615\n");
	write_file(f, "box/mon_groups/box/mon_data/mon_L3_00", "mbm_local_bytes", "20\n");
	write_file(f, "box/mon_groups/box/mon_data/mon_L3_00", "llc_occupancy", "6\n");
	/* of the class, which others may be in */
	write_file(f, "box/mon_data/mon_L3_00", "llc_occupancy", "99\n");

	stats = read_stats(f);
	assert_string_equal(stats.cache->cbm_mask, "7ff");
	assert_int_equal(stats.cache->min_cbm_bits, 2);
	assert_int_equal(stats.cache->num_closids, 16);
	assert_int_equal(stats.bandwidth->bandwidth_gran, 10);
	assert_int_equal(stats.bandwidth->delay_linear, 1);
	assert_int_equal(stats.bandwidth->min_bandwidth, 5);
	assert_int_equal(stats.bandwidth->num_closids, 8);
	assert_string_equal(stats.cache_schema_root, "L3:0=7ff;1=7ff");
	assert_string_equal(stats.bandwidth_schema_root, "MB:0=100;1=100");
	assert_string_equal(stats.cache_schema, "L3:0=00f;1=00f");
	assert_string_equal(stats.bandwidth_schema, "MB:0=20;1=30");
	assert_int_equal(stats.n_bandwidth_use, 2);
	assert_true(stats.bandwidth_use[0].total_bytes == UINT64_MAX);
	assert_int_equal(stats.bandwidth_use[0].local_bytes, 20);
	assert_int_equal(stats.bandwidth_use[1].total_bytes, 30);
	assert_int_equal(stats.bandwidth_use[1].local_bytes, 0);
	assert_int_equal(stats.n_cache_use, 2);
	assert_int_equal(stats.cache_use[0].llc_occupancy, 6);
	assert_int_equal(stats.cache_use[1].llc_occupancy, 7);
}

/** A CPU that only monitors the caches; a container without a group of its own. */
static void test_stats_of_the_default_class(void **state)
{
	const struct oci_intel_rdt rdt = {.clos_id = "/"};
	struct fixture *f = *state;
	struct oci_rdt_stats stats;

	plan(f, &rdt);
	stats = read_stats(f);
	assert_null(stats.cache);
	assert_null(stats.cache_schema);
	assert_null(stats.bandwidth);
	assert_null(stats.bandwidth_schema_root);
	assert_int_equal(stats.n_bandwidth_use + stats.n_cache_use, 0);

	write_file(f, "mon_data/mon_L3_00", "llc_occupancy", "5\n");
	write_file(f, "mon_data/other", "llc_occupancy", "6\n");
	stats = read_stats(f);
	assert_int_equal(stats.n_bandwidth_use, 0);
	assert_int_equal(stats.n_cache_use, 1);
	assert_int_equal(stats.cache_use[0].llc_occupancy, 5);
}

static void test_stats_of_a_class_that_is_gone(void **state)
{
	const struct oci_intel_rdt rdt = {.clos_id = "gone"};
	struct fixture *f = *state;
	struct oci_rdt_stats stats;

	make_dirs(f, "info/L3");
	plan(f, &rdt);
	stats = read_stats(f);
	assert_null(stats.cache);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_plan),
	    TEST(test_limits_hold),
	    TEST(test_a_class_of_its_own),
	    TEST(test_a_class_that_is_there),
	    TEST(test_other_limits),
	    TEST(test_the_default_class),
	    TEST(test_a_failure_leaves_nothing),
	    TEST(test_stats_of_everything),
	    TEST(test_stats_of_the_default_class),
	    TEST(test_stats_of_a_class_that_is_gone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
