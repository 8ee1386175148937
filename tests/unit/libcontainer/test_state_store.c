/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/state_store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

struct fixture {
	char dir[64];
	char root[96];
	struct runtime rt;
	struct arena arena;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/wherry-test-XXXXXX");
	if (!mkdtemp(f->dir) || arena_init(&f->arena, NULL) < 0)
		return -1;
	snprintf(f->root, sizeof(f->root), "%s/state", f->dir);
	f->rt.root = f->root;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[160];

	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	arena_done(&f->arena);
	int rc = system(command);

	free(f);
	return rc;
}

static void test_ids(void **state)
{
	static const char *const good[] = {"a", "A_9+x-.y", "_", "+", "0"};
	static const char *const bad[] = {"",     ".",  "..", "../x",  "a/b", "a b",
					  "a\nb", "-x", ".x", "a\x80", "ä"};
	char longest[CONTAINER_ID_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(container_id_check(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct wh_error err = WH_ERROR_INIT;

		assert_true(container_id_check(bad[i], &err) < 0);
		assert_int_equal(err.kind, WH_ERROR_USAGE);
		assert_non_null(strstr(err.message, "container id"));
	}
	memset(longest, 'a', sizeof(longest));
	longest[CONTAINER_ID_MAX + 1] = '\0';
	assert_true(container_id_check(longest, NULL) < 0);
	longest[CONTAINER_ID_MAX] = '\0';
	assert_int_equal(container_id_check(longest, NULL), 0);
}

static void test_root_is_made_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	auto_fd missing = state_root_open(&f->rt, false, NULL);
	auto_fd fd = state_root_open(&f->rt, true, NULL);

	assert_int_equal(missing, -ENOENT);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_root_writable_by_others_is_refused(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(mkdir(f->root, 0700), 0);
	assert_int_equal(chmod(f->root, 0777), 0);
	assert_true(state_root_open(&f->rt, true, &err) < 0);
	assert_non_null(strstr(err.message, "can be written by others (mode 0777)"));
}

static void test_claim_wins_once(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	auto_fd root = state_root_open(&f->rt, true, NULL);
	auto_fd first = state_claim(root, "c", &err);
	auto_fd second = state_claim(root, "c", &err);

	assert_true(first >= 0);
	assert_int_equal(second, -EEXIST);
	assert_int_equal(err.kind, WH_ERROR_EXISTS);
	assert_non_null(strstr(err.message, "container with given ID already exists"));
	/* and it is locked */
	auto_fd again = openat(root, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), -1);
}

/** Another description of the same directory, as another process has it: who holds the lock is us. */
static void test_lock_names_its_holder(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	auto_fd root = state_root_open(&f->rt, true, NULL);
	auto_fd dir = state_claim(root, "c", NULL);
	auto_fd other = state_open(root, "c", STATE_UNLOCKED, NULL);
	pid_t pid = 0;
	auto_fd pidfd = state_lock_holder(other, &pid);

	assert_true(pidfd >= 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(state_lock(dir, "c", &err), 0); /* it stays ours */
	assert_int_equal(state_lock_within(other, 10), -EBUSY);
	state_unlock(dir);
	assert_int_equal(state_lock_holder(other, &pid), -ESRCH);
	assert_int_equal(state_lock_within(other, 10), 0);
	assert_int_equal(unlinkat(root, "c", AT_REMOVEDIR), 0);
	assert_int_equal(state_lock(other, "c", &err), -ENOENT);
	assert_int_equal(err.kind, WH_ERROR_NOT_FOUND);
}

static void test_open_and_remove(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	auto_fd root = state_root_open(&f->rt, true, NULL);
	auto_fd dir = state_claim(root, "c", NULL);

	assert_int_equal(state_open(root, "d", STATE_UNLOCKED, &err), -ENOENT);
	assert_int_equal(err.kind, WH_ERROR_NOT_FOUND);
	assert_non_null(strstr(err.message, "does not exist"));
	assert_int_equal(mkdirat(dir, "notify", 0755), 0);
	int file = openat(dir, "notify/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(file >= 0);
	close(file);
	assert_int_equal(state_remove(root, "c", dir, &err), 0);
	assert_int_equal(state_open(root, "c", STATE_UNLOCKED, NULL), -ENOENT);
}

static struct container_record sample(void)
{
	static struct oci_string_map annotations[] = {
	    {"k", "v \" \n"}
        };

	return (struct container_record){
	    .id = "c",
	    .bundle = "/b",
	    .rootfs = "/b/rootfs",
	    .oci_version = "1.3.0",
	    .created = "2026-01-02T03:04:05.123456789Z",
	    .owner = 1000,
	    .boot_id = "00000000-0000-0000-0000-000000000000",
	    .cgroup_path = "/wherry-c",
	    .status = OCI_STATUS_RUNNING,
	    .creator = {10, 20                     },
	    .init = {30, 18446744073709551615ULL},
	    .no_pivot = true,
	    .annotations = annotations,
	    .n_annotations = 1,
	};
}

static void test_record_round_trip(void **state)
{
	struct fixture *f = *state;
	auto_fd root = state_root_open(&f->rt, true, NULL);
	auto_fd dir = state_claim(root, "c", NULL);
	struct container_record in = sample();
	struct container_record out;

	assert_int_equal(record_write(dir, &in, &f->arena, NULL), 0);
	assert_int_equal(record_write_cgroup(dir, in.cgroup_path, 3, NULL), 0);
	assert_int_equal(record_read(dir, "c", &f->arena, &out, NULL), 0);
	assert_int_equal(out.cgroup_made, 3);
	assert_string_equal(out.bundle, in.bundle);
	assert_string_equal(out.rootfs, in.rootfs);
	assert_string_equal(out.created, in.created);
	assert_string_equal(out.cgroup_path, in.cgroup_path);
	assert_int_equal(out.owner, 1000);
	assert_int_equal(out.status, OCI_STATUS_RUNNING);
	assert_int_equal(out.creator.pid, 10);
	assert_true(out.init.start_time == in.init.start_time);
	assert_true(out.no_pivot);
	assert_int_equal(out.n_annotations, 1);
	assert_string_equal(out.annotations[0].value, "v \" \n");
	/* another boot: whatever has that pid now is not the container */
	assert_int_equal(record_status(&out, dir), OCI_STATUS_STOPPED);
}

static void test_damaged_records(void **state)
{
	static const char *const texts[] = {
	    "", "{", "{}", "[]", "null", "{\"id\":\"c\"}", "\xff\xfe", "{\"id\":7}"};
	struct fixture *f = *state;
	auto_fd root = state_root_open(&f->rt, true, NULL);
	auto_fd dir = state_claim(root, "c", NULL);

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct container_record out;
		struct wh_error err = WH_ERROR_INIT;
		int fd =
		    openat(dir, STATE_RECORD_FILE, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

		assert_true(fd >= 0);
		assert_int_equal(fd_write_all(fd, texts[i], strlen(texts[i])), 0);
		close(fd);
		assert_int_equal(record_read(dir, "c", &f->arena, &out, &err), -EBADMSG);
		assert_non_null(strstr(err.message, "delete --force"));
	}
	/* the cgroup is found all the same */
	struct container_record found = {0};

	assert_int_equal(record_write_cgroup(dir, "/x/y", 2, NULL), 0);
	assert_int_equal(record_read_cgroup(dir, &f->arena, &found, NULL), 0);
	assert_string_equal(found.cgroup_path, "/x/y");
	assert_int_equal(found.cgroup_made, 2);
	/* a record of another container does not count */
	struct container_record other = sample();
	struct container_record out;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(record_write(dir, &other, &f->arena, NULL), 0);
	assert_int_equal(record_read(dir, "d", &f->arena, &out, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "another container's"));
}

static void test_status_follows_the_process(void **state)
{
	struct fixture *f = *state;
	auto_fd root = state_root_open(&f->rt, true, NULL);
	auto_fd dir = state_claim(root, "c", NULL);
	struct container_record record = sample();
	char boot_id[BOOT_ID_SIZE];

	assert_int_equal(process_boot_id(boot_id, NULL), 0);
	record.boot_id = boot_id;
	record.init.pid = getpid();
	assert_int_equal(process_stat(getpid(), &record.init.start_time, NULL), 0);
	assert_int_equal(record_status(&record, dir), OCI_STATUS_RUNNING);
	/* nobody listens on a start socket: it has been started, whatever the record says */
	record.status = OCI_STATUS_CREATED;
	assert_int_equal(record_status(&record, dir), OCI_STATUS_RUNNING);
	/* the same pid with another start time is another process */
	record.init.start_time++;
	assert_int_equal(record_status(&record, dir), OCI_STATUS_STOPPED);
	record.status = OCI_STATUS_CREATING;
	record.creator.pid = getpid();
	assert_int_equal(process_stat(getpid(), &record.creator.start_time, NULL), 0);
	assert_int_equal(record_status(&record, dir), OCI_STATUS_CREATING);
	record.creator.start_time++;
	assert_int_equal(record_status(&record, dir), OCI_STATUS_STOPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test_setup_teardown(test_root_is_made_private, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_root_writable_by_others_is_refused, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_claim_wins_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lock_names_its_holder, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_open_and_remove, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_record_round_trip, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged_records, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_status_follows_the_process, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
