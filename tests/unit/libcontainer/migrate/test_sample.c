/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/sample.h"

#include <time.h>

#include "base/str.h"
#include "tests/unit/base/scratch.h"

static struct arena arena = {.fd = -EBADF};

static int setup(void **state)
{
	return arena_init(&arena, NULL) < 0 ? -1 : scratch_setup(state);
}

static int teardown(void **state)
{
	arena_done(&arena);
	return scratch_teardown(state);
}

/** Files of a small root at @name, all of one time. Returns its fd. */
static int make_root(const struct scratch *scratch, const char *name)
{
	static const char *const files[] = {"etc/passwd", "usr/bin/sh", "usr/bin/new one"};
	static const char *const dirs[] = {"etc", "usr", "usr/bin"};
	struct timespec times[] = {
	    {1000, 0},
            {1000, 0}
        };
	char path[64];
	int fd;

	scratch_mkdir(scratch, name);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", name, dirs[i]);
		scratch_mkdir(scratch, path);
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", name, files[i]);
		scratch_write(scratch, path, files[i]);
		assert_return_code(utimensat(scratch->fd, path, times, 0), errno);
	}
	snprintf(path, sizeof(path), "%s/usr/bin/dash", name);
	assert_return_code(symlinkat("sh", scratch->fd, path), errno);
	fd = openat(scratch->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(fd, errno);
	return fd;
}

static void set_time(int fd, const char *path, time_t seconds)
{
	struct timespec times[] = {
	    {seconds, 0},
            {seconds, 0}
        };

	assert_return_code(utimensat(fd, path, times, 0), errno);
}

static bool has(const struct migrate_sample *sample, const char *path)
{
	for (size_t i = 0; i < sample->n_files; i++) {
		if (streq(strchr(sample->files[i], ' ') + 1, path))
			return true;
	}
	return false;
}

static const char *differs(const struct migrate_sample *sample, int fd)
{
	return migrate_sample_differs(sample->files, sample->n_files, fd);
}

static void test_what_differs(void **state)
{
	struct migrate_sample sample = {0};
	int here = make_root(*state, "a");
	int there = make_root(*state, "b");

	assert_int_equal(migrate_sample_spread(&sample, here, time(NULL) + 100, &arena, NULL), 0);
	assert_true(has(&sample, "/etc/passwd") && has(&sample, "/usr/bin/dash"));
	assert_false(has(&sample, "/usr/bin/new one")); /* has a blank in its name */
	assert_null(differs(&sample, here));
	assert_null(differs(&sample, there));

	set_time(there, "usr/bin/sh", 1001);
	assert_string_equal(differs(&sample, there), "/usr/bin/sh");
	set_time(there, "usr/bin/sh", 1000);
	assert_null(differs(&sample, there));

	assert_return_code(unlinkat(there, "usr/bin/dash", 0), errno);
	assert_string_equal(differs(&sample, there), "/usr/bin/dash");
	assert_return_code(symlinkat("/bin/sh", there, "usr/bin/dash"), errno);
	assert_string_equal(differs(&sample, there), "/usr/bin/dash");
	assert_return_code(unlinkat(there, "usr/bin/dash", 0), errno);
	assert_return_code(symlinkat("sh", there, "usr/bin/dash"), errno);

	scratch_write(*state, "b/etc/passwd", "etc/passwt");
	set_time(there, "etc/passwd", 1000);
	assert_string_equal(differs(&sample, there), "/etc/passwd");
	assert_return_code(fchmodat(here, "etc", 0700, 0), errno);
	assert_string_equal(differs(&sample, here), "/etc");
	close(here);
	close(there);
}

static void test_what_is_chosen(void **state)
{
	struct migrate_sample sample = {0};
	int fd = make_root(*state, "c");

	set_time(fd, "usr/bin/sh", 2000);
	assert_int_equal(migrate_sample_spread(&sample, fd, 2000, &arena, NULL), 0);
	assert_true(has(&sample, "/etc/passwd"));
	assert_false(has(&sample, "/usr/bin/sh")); /* changed since then */
	assert_int_equal(migrate_sample_add(&sample, fd, "/usr/bin/sh", &arena, NULL), 0);
	assert_true(has(&sample, "/usr/bin/sh"));
	assert_int_equal(migrate_sample_add(&sample, fd, "/nowhere", &arena, NULL), 0);
	assert_false(has(&sample, "/nowhere"));
	for (int i = 0; i < 2 * MIGRATE_SAMPLE_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c/n%d", i);
		scratch_write(*state, name, "");
		assert_int_equal(migrate_sample_add(&sample, fd, name + 1, &arena, NULL), 0);
	}
	assert_int_equal(sample.n_files, MIGRATE_SAMPLE_MAX);
	close(fd);
}

/** What the source sends is not believed to have a form. */
static void test_what_is_no_sample(void **state)
{
	static const char *const bad[] = {"", "x", "x /etc/passwd", " /etc/passwd"};
	int fd = make_root(*state, "d");

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_non_null(migrate_sample_differs(&bad[i], 1, fd));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_differs),
	    cmocka_unit_test(test_what_is_chosen),
	    cmocka_unit_test(test_what_is_no_sample),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
