/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

/** Only who is root may give a file to a group that it is not in. */
static gid_t some_group(void)
{
	return getuid() == 0 ? 100000 : getgid();
}

/** Whose memory lies there is nobody's to see but its own: of the others none passes the directory of all rounds. */
static void test_who_may_read_images(void **state)
{
	static const struct {
		const char *name;
		mode_t before;
		mode_t after;
	} cases[] = {
	    {".", 0700, 0710},
	    {"0", 0700, 0750},
	    {"1", 0700, 0750},
	    {"2", 0700, 0700},
	};
	char path[PATH_MAX];
	struct wh_error err = WH_ERROR_INIT;
	auto_fd fd = -EBADF;
	struct stat st;

	(void)state;
	assert_int_equal(setenv("TMPDIR", "/tmp", 1), 0);
	umask(0);
	fd = migrate_images_make("test-host", "destination", 0, path, NULL);
	assert_true(fd >= 0);
	for (uint64_t n = 0; n < 3; n++)
		assert_int_equal(close(migrate_images_make_round(fd, n, NULL)), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(fstatat(fd, cases[i].name, &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, cases[i].before);
	}
	assert_int_equal(migrate_images_let_pass(fd, 2, some_group(), NULL), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(fstatat(fd, cases[i].name, &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, cases[i].after);
		assert_true(i == 3 || st.st_gid == some_group());
	}
	assert_int_equal(migrate_images_let_pass(fd, 4, some_group(), &err), -ENOENT);
	migrate_images_remove(path);
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who_may_read_images),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
