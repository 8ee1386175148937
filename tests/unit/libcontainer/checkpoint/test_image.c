/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/image.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

static char top[] = "/tmp/wherry-test-image-XXXXXX";
static struct arena arena;
static int dir = -EBADF;

static void put(const char *name, const char *text)
{
	assert_int_equal(file_replace(dir, name, text, strlen(text), 0600, NULL), 0);
}

static int setup(void **state)
{
	strcpy(top + sizeof(top) - 7, "XXXXXX");
	if (!mkdtemp(top))
		return -1;
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : arena_init(&arena, NULL);
}

static int teardown(void **state)
{
	path_remove_entries(dir, PATH_REMOVE_ALL);
	dir = fd_close(dir);
	arena_done(&arena);
	return rmdir(top);
}

static void write_image(enum image_check check)
{
	static struct image_mount mounts[] = {
	    {"m1", "/a", "b"}
        };
	static const char *stdio[] = {"/dev/null", "pipe:[5]", "file[1:2]"};
	struct checkpoint_image image = {
	    .format = IMAGE_FORMAT,
	    .id = "x",
	    .created = "now",
	    .machine = "vax",
	    .kernel = "6",
	    .criu_version = 40101,
	    .page_size = 512,
	    .mounts = mounts,
	    .n_mounts = 1,
	    .stdio = stdio,
	    .n_stdio = 3,
	};

	put("core-1.img", "core");
	put("pages-1.img", "memory");
	put("descriptors.json", "[]");
	put("dump.log", "not a part of it");
	assert_int_equal(checkpoint_image_write(dir, &image, check, &arena, NULL), 0);
	assert_int_equal(image.n_files, 3);
}

static int read_image(enum image_check check, struct wh_error *err)
{
	struct checkpoint_image image;
	int rc;

	*err = WH_ERROR_INIT;
	rc = checkpoint_image_read(dir, "dir", check, &arena, &image, err);
	if (rc == 0) {
		assert_string_equal(image.machine, "vax");
		assert_int_equal(image.criu_version, 40101);
		assert_int_equal(image.n_mounts, 1);
		assert_string_equal(image.mounts[0].path, "b");
		assert_int_equal(image.n_stdio, 3);
		assert_string_equal(image.stdio[1], "pipe:[5]");
	}
	return rc;
}

static void test_there_and_back(void **state)
{
	struct wh_error err;

	write_image(IMAGE_CHECK_ALL);
	assert_int_equal(read_image(IMAGE_CHECK_ALL, &err), 0);
	put("dump.log", "changed");
	assert_int_equal(read_image(IMAGE_CHECK_ALL, &err), 0);
}

static void test_damage(void **state)
{
	struct wh_error err;

	write_image(IMAGE_CHECK_ALL);
	put("core-1.img", "cor");
	assert_true(read_image(IMAGE_CHECK_ALL, &err) < 0);
	assert_non_null(strstr(err.message, "'core-1.img' has 3 bytes instead of 4"));
	put("core-1.img", "c0re");
	assert_true(read_image(IMAGE_CHECK_ALL, &err) < 0);
	assert_non_null(strstr(err.message, "checksum of 'core-1.img'"));
	unlinkat(dir, "core-1.img", 0);
	assert_true(read_image(IMAGE_CHECK_ALL, &err) < 0);
	assert_non_null(strstr(err.message, "'core-1.img' is missing"));
	assert_int_equal(symlinkat("pages-1.img", dir, "core-1.img"), 0);
	assert_true(read_image(IMAGE_CHECK_ALL, &err) < 0);
}

/** Without checksums of memory only its size tells. */
static void test_fast(void **state)
{
	struct wh_error err;

	for (int written = 0; written < 2; written++) {
		write_image(written ? IMAGE_CHECK_FAST : IMAGE_CHECK_ALL);
		put("pages-1.img", "mEmory");
		assert_int_equal(read_image(IMAGE_CHECK_FAST, &err), 0);
		assert_int_equal(read_image(IMAGE_CHECK_ALL, &err) < 0, written == 0);
		put("pages-1.img", "m");
		assert_true(read_image(IMAGE_CHECK_FAST, &err) < 0);
	}
}

static void test_incomplete(void **state)
{
	struct wh_error err;

	assert_true(read_image(IMAGE_CHECK_ALL, &err) < 0);
	assert_non_null(strstr(err.message, "no complete image"));
	write_image(IMAGE_CHECK_ALL);
	assert_int_equal(checkpoint_image_invalidate(dir, &err), 0);
	assert_true(read_image(IMAGE_CHECK_ALL, &err) < 0);
	assert_int_equal(checkpoint_image_invalidate(dir, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_fast, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_incomplete, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
