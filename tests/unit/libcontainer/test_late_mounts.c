/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/late_mounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../base/scratch.h"
#include "base/str.h"

static void test_round_trip(void **state)
{
	struct scratch *scratch = *state;
	struct late_mount list[] = {
	    {"/a",      UINT64_MAX},
            {"/b \"\n", 2         },
            {"/a",      3         }
        };
	struct late_mounts mounts = {list, 3};
	struct late_mounts back;
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_int_equal(late_mounts_read(scratch->fd, &arena, &back, NULL), 0);
	assert_int_equal(back.n_list, 0);
	assert_int_equal(late_mounts_write(scratch->fd, &mounts, &arena, NULL), 0);
	assert_int_equal(late_mounts_read(scratch->fd, &arena, &back, NULL), 0);
	assert_int_equal(back.n_list, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(back.list[i].destination, list[i].destination);
		assert_true(back.list[i].id == list[i].id);
	}
	arena_done(&arena);
}

static void test_which_it_may_be(void **state)
{
	static const struct late_mount list[] = {
	    {"/a", 1},
            {"/b", 2},
            {"/a", 3},
            {"/a", 4},
            {"/c", 5}
        };
	static const struct {
		uint64_t seen; /* of those at /a */
		uint64_t left[5];
		size_t n_left;
	} cases[] = {
	    {4, {1, 2, 3, 5}, 4}, /* the last one goes first, and the others keep their order */
	    {3, {1, 2, 5},    3}, /* 4 was never attached, or the container has taken it away */
	    {1, {2, 5},       2},
	};
	struct late_mount copy[ARRAY_LEN(list)];
	struct late_mount_ids ids;
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct late_mounts mounts = {copy, ARRAY_LEN(list)};

		memcpy(copy, list, sizeof(list));
		assert_int_equal(late_mounts_find(&mounts, "/a", &arena, &ids), 0);
		assert_int_equal(ids.count, 3);
		assert_true(ids.list[0] == 1 && ids.list[1] == 3 && ids.list[2] == 4);
		assert_int_equal(late_mounts_find(&mounts, "/d", &arena, &ids), -ENOENT);
		late_mounts_forget(&mounts, "/a", cases[i].seen);
		assert_int_equal(mounts.n_list, cases[i].n_left);
		for (size_t j = 0; j < mounts.n_list; j++)
			assert_true(mounts.list[j].id == cases[i].left[j]);
	}
	arena_done(&arena);
}

static void test_what_is_not_ours(void **state)
{
	struct scratch *scratch = *state;
	struct wh_error err = WH_ERROR_INIT;
	struct late_mounts back;
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	scratch_write(scratch, "mounts.json", "{\"added\":[{\"destination\":\"/a\"}]}");
	assert_int_equal(late_mounts_read(scratch->fd, &arena, &back, &err), -EINVAL);
	assert_non_null(strstr(err.message, "added[0].id"));
	arena_done(&arena);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_round_trip),
	    TEST(test_which_it_may_be),
	    TEST(test_what_is_not_ours),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
