/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "namespaces/device_plan.h"
#include "tests/unit/group_arena.h"

/** A device: type, path, and what else is given. */
#define DEVICE(type_, path_, ...)                                                                  \
	{                                                                                          \
		.type = type_, .path = path_, __VA_ARGS__                                          \
	}

static const int64_t one = 1, five = 5, too_large = 4096, negative = -1;
static const uint32_t mode_640 = 0100640, owner = 7;
static struct problems problems;

static struct oci_device *build(struct oci_device *devices, size_t count, size_t *ret_count)
{
	const struct oci_linux linux_ = {.devices = devices, .n_devices = count};
	struct oci_device *planned = NULL;

	problems_init(&problems, &arena);
	assert_int_equal(device_plan_build(&linux_, &arena, &problems, &planned, ret_count, NULL),
			 0);
	return planned;
}

static void test_defaults(void **state)
{
	const struct {
		const char *path;
		int64_t major, minor;
	} want[] = {
	    {"/dev/null",    1, 3},
            {"/dev/zero",    1, 5},
            {"/dev/full",    1, 7},
	    {"/dev/random",  1, 8},
            {"/dev/urandom", 1, 9},
            {"/dev/tty",     5, 0},
	};
	size_t count;
	struct oci_device *devices = build(NULL, 0, &count);

	assert_int_equal(count, ARRAY_LEN(want));
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(devices[i].path, want[i].path);
		assert_int_equal(devices[i].type, 'c');
		assert_int_equal(*devices[i].major, want[i].major);
		assert_int_equal(*devices[i].minor, want[i].minor);
		assert_int_equal(*devices[i].file_mode, 0666);
		assert_int_equal(*devices[i].uid, 0);
		assert_int_equal(*devices[i].gid, 0);
		/* init is another program: it can read nothing but the arena */
		assert_true((const char *)devices[i].major >= arena.base &&
			    devices[i].path >= arena.base);
	}
}

static void test_listed(void **state)
{
	struct oci_device listed[] = {
	    DEVICE('c', "/dev//fuse/", .major = &one, .minor = &five, .file_mode = &mode_640,
		   .uid = &owner, .gid = &owner),
	    DEVICE('u', "/dev/zero", .major = &five, .minor = &one),
	    DEVICE('p', "/run/fifo", .major = NULL),
	};
	size_t count;
	struct oci_device *devices = build(listed, ARRAY_LEN(listed), &count);

	assert_int_equal(problems.n_errors, 0);
	assert_int_equal(count, 8);
	assert_string_equal(devices[6].path, "/dev/fuse");
	assert_int_equal(*devices[6].file_mode, 0640); /* without the type's bits */
	assert_int_equal(*devices[6].uid, 7);
	assert_int_equal(*devices[6].gid, 7);
	assert_string_equal(devices[1].path, "/dev/zero"); /* in its default's place */
	assert_int_equal(devices[1].type, 'c');
	assert_int_equal(*devices[1].major, 5);
	assert_string_equal(devices[7].path, "/run/fifo");
	assert_int_equal(devices[7].type, 'p');
}

static struct oci_device wrong[] = {
    DEVICE('c', "dev/x", .major = &one, .minor = &one),
    DEVICE('c', "", .major = &one, .minor = &one),
    DEVICE('c', "/", .major = &one, .minor = &one),
    DEVICE('c', "/dev/x", .minor = &one),
    DEVICE('b', "/dev/x", .major = &one),
    DEVICE('c', "/dev/x", .major = &too_large, .minor = &one),
    DEVICE('c', "/dev/x", .major = &one, .minor = &negative),
};

static const char *const wrong_texts[] = {
    "linux.devices[0].path: 'dev/x' is not an absolute path",
    "linux.devices[0].path: '' is not an absolute path",
    "linux.devices[0].path: '/' is no name",
    "linux.devices[0].major: is missing",
    "linux.devices[0].minor: is missing",
    "linux.devices[0].major: 4096 is not between 0 and 4095",
    "linux.devices[0].minor: -1 is not between 0 and 1048575",
};
_Static_assert(ARRAY_LEN(wrong) == ARRAY_LEN(wrong_texts), "one text a case");

static void test_wrong(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		size_t count;

		build(&wrong[i], 1, &count);
		assert_int_equal(count, 6);
		assert_int_equal(problems.n_errors, 1);
		if (!strstr(problems.first->text, wrong_texts[i]))
			fail_msg("expected '%s', got '%s'", wrong_texts[i], problems.first->text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_listed),
	    cmocka_unit_test(test_wrong),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
