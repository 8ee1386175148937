/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/access.h"

#include "tests/unit/base/scratch.h"

#include "base/procfs.h"
#include "base/str.h"

/** What a walk has come by. */
struct seen {
	pid_t pids[4];
	size_t count;
	size_t gone; /* of those, without a /proc/PID/status */
	int answer;  /* to the walk */
};

static int note(void *ctx, const struct access_processes *all, pid_t pid, struct wh_error *err)
{
	struct seen *seen = ctx;
	char path[32], text[64];

	assert_int_equal(all->count, 3);
	assert_int_equal(all->pids[seen->count], pid);
	seen->pids[seen->count++] = pid;
	snprintf(path, sizeof(path), "%d/status", (int)pid);
	seen->gone += procfs_read(all->proc, path, text, sizeof(text), NULL) < 0;
	return seen->answer < 0 ? wh_fail(err, -seen->answer, "look at it") : seen->answer;
}

/** A plain directory stands for the container's cgroup, with a cgroup of its own making in it. */
static struct access open_access(const struct scratch *scratch)
{
	struct access access = ACCESS_INIT;
	char own[32];

	snprintf(own, sizeof(own), "%d\n", (int)getpid());
	scratch_write(scratch, "cgroup.procs",
		      "4194305\n1\n"); /* the first is above PID_MAX_LIMIT */
	scratch_mkdir(scratch, "below");
	scratch_write(scratch, "below/cgroup.procs", own);
	assert_int_equal(arena_init(&access.arena, NULL), 0);
	access.cgroup.dir_fd = dup(scratch->fd);
	return access;
}

static void test_all_are_visited(void **state)
{
	struct access access = open_access(*state);
	struct seen seen = {.count = 0};

	assert_int_equal(access_each_process(&access, note, &seen, NULL), 0);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.pids[0], 1);
	assert_int_equal(seen.pids[1], getpid());
	assert_int_equal(seen.pids[2], 4194305);
	assert_int_equal(seen.gone, 1);
	access_done(&access);
}

static void test_a_visit_ends_it(void **state)
{
	struct access access = open_access(*state);
	struct seen seen = {.answer = 7};
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(access_each_process(&access, note, &seen, &err), 7);
	assert_int_equal(seen.count, 1);
	seen = (struct seen){.answer = -EPERM};
	assert_int_equal(access_each_process(&access, note, &seen, &err), -EPERM);
	assert_int_equal(seen.count, 1);
	assert_string_equal(err.message, "look at it");
	access_done(&access);
}

static void test_without_a_cgroup(void **state)
{
	struct access access = ACCESS_INIT;
	struct seen seen = {.count = 0};
	struct wh_error err = WH_ERROR_INIT;

	access.record.id = "box";
	assert_int_equal(access_each_process(&access, note, &seen, &err), -ENOENT);
	assert_int_equal(seen.count, 0);
	assert_non_null(strstr(err.message, "container 'box' has no cgroup"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_all_are_visited, scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_a_visit_ends_it, scratch_setup, scratch_teardown),
	    cmocka_unit_test(test_without_a_cgroup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
