/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/unsure.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/** The copy took from second 100 to second 200; times below are in halves of a second. */
static const struct migrate_copied copied = {
    .begun = {100, 0},
      .ended = {200, 0}
};

static struct timespec at(int halves)
{
	return (struct timespec){halves / 2, halves % 2 * 500000000L};
}

static void test_times(void **state)
{
	static const struct {
		const char *name;
		int written;
		int changed;
		bool want;
	} cases[] = {
	    {"written long before",                         50,  50,  false},
	    {"changed just before",                         50,  199, false},
	    {"written as the copy began",                   200, 200, true },
	    {"written in the middle",                       300, 300, true },
	    {"written as the copy ended",                   400, 400, true },
	    {"written afterwards",                          401, 401, false},
	    {"changed in the middle, with an older time",   50,  300, true },
	    {"changed afterwards, with the time of before", 50,  500, true },
	    {"changed afterwards, with a time set since",   450, 500, true },
	    {"with a time to come",                         900, 500, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct stat st = {.st_mode = S_IFREG | 0644,
					.st_mtim = at(cases[i].written),
					.st_ctim = at(cases[i].changed)};
		struct stat link = st;

		if (migrate_is_unsure(&st, &copied) != cases[i].want)
			fail_msg("%s", cases[i].name);
		/* what it leads to is compared anyway */
		link.st_mode = S_IFLNK | 0777;
		assert_false(migrate_is_unsure(&link, &copied));
	}
}

static void make_file(int dir_fd, const char *name)
{
	auto_fd fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
}

/** In directories of any depth, and not through links. */
static void test_the_tree_is_searched(void **state)
{
	char path[] = "/tmp/test-unsure-XXXXXX";
	struct migrate_copied while_now;
	struct migrate_names names;
	auto_fd root = -EBADF;
	size_t found = 0;

	(void)state;
	assert_non_null(mkdtemp(path));
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	clock_gettime(CLOCK_REALTIME_COARSE, &while_now.begun);
	while_now.ended = while_now.begun;
	while_now.ended.tv_sec += 100;
	make_file(root, "top");
	assert_int_equal(mkdirat(root, "a", 0700), 0);
	assert_int_equal(mkdirat(root, "a/b c", 0700), 0);
	make_file(root, "a/b c/deep\nfile");
	assert_int_equal(symlinkat("/etc", root, "away"), 0);
	assert_int_equal(migrate_unsure_find(root, &while_now, &names, NULL), 0);
	for (const char *name = names.data; name < names.data + names.len;
	     name += strlen(name) + 1) {
		if (!streq(name, "top"))
			assert_string_equal(name, "a/b c/deep\nfile");
		found++;
	}
	assert_int_equal(found, 2);
	migrate_names_done(&names);
	while_now.begun.tv_sec += 100;
	assert_int_equal(migrate_unsure_find(root, &while_now, &names, NULL), 0);
	assert_int_equal(names.len, 0);
	migrate_names_done(&names);
	assert_int_equal(path_remove_entries(root, PATH_REMOVE_ALL), 0);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_the_tree_is_searched),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
