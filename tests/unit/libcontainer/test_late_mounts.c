/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/late_mounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../base/scratch.h"

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
	uint64_t id;

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
	/* the last one at a place goes first, and the others keep their order */
	assert_int_equal(late_mounts_take(&back, "/a", &id), 0);
	assert_int_equal(id, 3);
	assert_int_equal(late_mounts_take(&back, "/a", &id), 0);
	assert_true(id == UINT64_MAX);
	assert_int_equal(late_mounts_take(&back, "/a", &id), -ENOENT);
	assert_int_equal(back.n_list, 1);
	assert_string_equal(back.list[0].destination, "/b \"\n");
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
	    TEST(test_what_is_not_ours),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
