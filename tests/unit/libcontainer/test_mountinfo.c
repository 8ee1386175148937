/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "tests/unit/group_arena.h"

static int parse(const char *text, struct mountinfo **ret, size_t *ret_count)
{
	return mountinfo_parse(arena_strdup(&arena, text), &arena, ret, ret_count);
}

static void test_lines(void **state)
{
	struct mountinfo *mounts;
	size_t count;

	assert_int_equal(
	    parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n"
		  "37 36 0:5 / /a\\040b\\134c ro,relatime shared:7 master:1 - tmpfs none rw\n"
		  "38 36 0:6 / /c ro - proc proc rw\n",
		  &mounts, &count),
	    0);
	assert_int_equal(count, 3);
	assert_int_equal(mounts[0].id, 36);
	assert_int_equal(mounts[0].parent, 35);
	assert_true(mounts[0].dev == makedev(98, 0));
	assert_string_equal(mounts[0].root, "/mnt1");
	assert_string_equal(mounts[0].mountpoint, "/mnt2");
	assert_string_equal(mounts[0].fs_type, "ext3");
	assert_string_equal(mounts[1].mountpoint, "/a b\\c");
	assert_string_equal(mounts[2].fs_type, "proc");
}

static void test_malformed(void **state)
{
	static const char *const cases[] = {
	    "36 35 98:0 /mnt1\n",
	    "x 35 98:0 / / rw - ext3 a rw\n",
	    "36 35 980 / / rw - ext3 a rw\n",
	    "36 35 98:0 / / rw ext3 a rw\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mountinfo *mounts;
		size_t count;

		assert_int_equal(parse(cases[i], &mounts, &count), -EBADMSG);
	}
}

/** What the kernel says of us: the root is there, and the mount of an fd is in the list. */
static void test_our_own(void **state)
{
	auto_fd fd = open("/", O_PATH | O_CLOEXEC);
	struct wh_error err = WH_ERROR_INIT;
	struct mountinfo *mounts;
	bool found = false;
	size_t count;
	uint32_t id;

	assert_int_equal(mountinfo_read(0, &arena, &mounts, &count, &err), 0);
	assert_true(count > 0);
	assert_int_equal(mountinfo_of_fd(0, fd, &id), 0);
	for (size_t i = 0; i < count; i++)
		found = found || mounts[i].id == id;
	assert_true(found);
	assert_true(mountinfo_of_fd(0, 12345, &id) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_our_own),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
