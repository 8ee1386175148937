/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/access.h"

#include "tests/unit/base/scratch.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
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

/** A container "box" in the scratch directory, "creating" by process @creator. Returns its directory, the caller's. */
static int make_creating(const struct scratch *scratch, pid_t creator,
			 struct container_record *ret_record, struct arena *arena)
{
	static char boot_id[BOOT_ID_SIZE];
	struct runtime rt = {.root = scratch->path};
	auto_fd root = state_root_open(&rt, false, NULL);
	int dir = state_claim(root, "box", NULL);

	assert_true(dir >= 0);
	state_unlock(dir);
	assert_int_equal(process_boot_id(boot_id, NULL), 0);
	*ret_record = (struct container_record){
	    .id = "box",
	    .bundle = "/b",
	    .rootfs = "/b/rootfs",
	    .oci_version = "1.3.0",
	    .created = "2026-01-02T03:04:05.123456789Z",
	    .boot_id = boot_id,
	    .status = OCI_STATUS_CREATING,
	    .creator = {.pid = creator},
	};
	assert_int_equal(process_stat(creator, &ret_record->creator.start_time, NULL), 0);
	assert_int_equal(record_write(dir, ret_record, arena, NULL), 0);
	return dir;
}

/** A child that does what @work says until it is killed. */
static pid_t fork_creator(void (*work)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			work();
	}
	return pid;
}

static void spin(void)
{
}

static void rest(void)
{
	pause();
}

static enum oci_status status_of_box(const struct scratch *scratch)
{
	struct runtime rt = {.root = scratch->path};
	struct access access;
	enum oci_status status;

	assert_int_equal(access_open(&access, &rt, "box", STATE_UNLOCKED, NULL), 0);
	status = access.status;
	access_done(&access);
	return status;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/** A creator that wants a processor is about to write how things are: long after its container's program has begun here. */
static void test_a_creator_at_work_is_waited_for(void **state)
{
	const struct scratch *scratch = *state;
	struct timespec late = {0, 300000000};
	struct container_record record;
	struct arena arena;
	pid_t creator = fork_creator(spin);
	pid_t writer;

	assert_int_equal(arena_init(&arena, NULL), 0);
	auto_fd dir = make_creating(scratch, creator, &record, &arena);
	writer = fork();
	assert_true(writer >= 0);
	if (writer == 0) {
		record.status = OCI_STATUS_RUNNING;
		record.init = record.creator;
		nanosleep(&late, NULL);
		_exit(record_write(dir, &record, &arena, NULL) < 0);
	}
	assert_int_equal(status_of_box(scratch), OCI_STATUS_RUNNING);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	end(creator);
	arena_done(&arena);
}

/** One that sleeps waits for its container, or for a hook: how long nobody knows. */
static void test_a_creator_that_waits_is_not(void **state)
{
	const struct scratch *scratch = *state;
	struct container_record record;
	struct arena arena;
	pid_t creator = fork_creator(rest);
	int64_t began;

	assert_int_equal(arena_init(&arena, NULL), 0);
	fd_close(make_creating(scratch, creator, &record, &arena));
	/* it sleeps soon: of the looks the last ones see that */
	began = clock_ms();
	assert_int_equal(status_of_box(scratch), OCI_STATUS_CREATING);
	assert_true(clock_ms() - began < 2500);
	end(creator);
	assert_int_equal(status_of_box(scratch), OCI_STATUS_STOPPED);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_all_are_visited, scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_a_visit_ends_it, scratch_setup, scratch_teardown),
	    cmocka_unit_test(test_without_a_cgroup),
	    cmocka_unit_test_setup_teardown(test_a_creator_at_work_is_waited_for, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_a_creator_that_waits_is_not, scratch_setup,
					    scratch_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
