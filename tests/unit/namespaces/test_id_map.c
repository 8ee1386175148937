/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "namespaces/ns_enter.h"

/** A process in a user namespace without maps, or -1 where none may be made. */
static pid_t child_in_user_namespace(void)
{
	int ends[2];
	char ready = 0;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare(CLONE_NEWUSER) < 0 ||
		    write(ends[1], "r", 1) != 1)
			_exit(77);
		for (;;)
			pause();
	}
	close(ends[1]);
	if (read(ends[0], &ready, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(ends[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void assert_proc_file(int proc, pid_t pid, const char *name, const char *want)
{
	struct wh_error err = WH_ERROR_INIT;
	char path[64], text[256], one_blank[256];
	size_t len = 0;

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	assert_true(procfs_read(proc, path, text, sizeof(text), &err) >= 0);
	for (const char *p = text; *p; p++) {
		if (*p != ' ' ||
		    (len > 0 && one_blank[len - 1] != ' ' && one_blank[len - 1] != '\n'))
			one_blank[len++] = *p;
	}
	one_blank[len] = '\0';
	assert_string_equal(one_blank, want);
}

static void skip_without_root(void)
{
	if (geteuid() != 0) {
		print_message("# needs root: maps of more than the own id\n");
		skip();
	}
}

static void test_direct(void **state)
{
	struct oci_id_mapping uids[] = {
	    {0,     100000, 65536},
            {65536, 0,      1    }
        };
	struct oci_id_mapping gids[] = {
	    {0, 200000, 1000}
        };
	struct ns_plan plan = {
	    .uid_mappings = uids, .n_uid_mappings = 2, .gid_mappings = gids, .n_gid_mappings = 1};
	struct wh_error err = WH_ERROR_INIT;
	auto_fd proc = procfs_open(false, &err);
	pid_t pid;

	skip_without_root();
	pid = child_in_user_namespace();
	if (pid < 0) {
		print_message("# user namespaces are not allowed here\n");
		skip();
	}
	assert_true(proc >= 0);
	assert_int_equal(id_map_write(&plan, pid, proc, &err), 0);
	assert_proc_file(proc, pid, "uid_map", "0 100000 65536\n65536 0 1\n");
	assert_proc_file(proc, pid, "gid_map", "0 200000 1000\n");
	assert_proc_file(proc, pid, "setgroups", "allow\n");
	/*
	 * A map is written once: the second time the kernel says no, and the helpers are asked in
	 * vain.
	 */
	assert_true(id_map_write(&plan, pid, proc, &err) < 0);
	assert_non_null(strstr(err.message, "uid"));
	end(pid);
}

static void test_limits(void **state)
{
	static struct oci_id_mapping maps[341];
	struct oci_id_mapping one = {0, 0, 1};
	struct ns_plan plan = {
	    .uid_mappings = maps, .n_uid_mappings = 341, .gid_mappings = &one, .n_gid_mappings = 1};
	struct wh_error err = WH_ERROR_INIT;
	auto_fd proc = procfs_open(false, &err);

	for (uint32_t i = 0; i < 341; i++)
		maps[i] = (struct oci_id_mapping){i, i, 1};
	assert_true(id_map_write(&plan, getpid(), proc, &err) < 0);
	assert_string_equal(err.message, "uid_map: 341 mappings, the kernel takes 340 at most");
	for (uint32_t i = 0; i < 340; i++)
		maps[i] = (struct oci_id_mapping){1000000000 + i, 2000000000 + i, 1};
	plan.n_uid_mappings = 340;
	assert_true(id_map_write(&plan, getpid(), proc, &err) < 0);
	assert_non_null(strstr(err.message, "longer than the 4095 bytes"));
}

/** The most lines that fit. */
static void test_340_lines(void **state)
{
	static struct oci_id_mapping maps[340];
	struct ns_plan plan = {.uid_mappings = maps,
			       .n_uid_mappings = 340,
			       .gid_mappings = maps,
			       .n_gid_mappings = 340};
	struct wh_error err = WH_ERROR_INIT;
	auto_fd proc = procfs_open(false, &err);
	pid_t pid;

	skip_without_root();
	pid = child_in_user_namespace();
	if (pid < 0) {
		print_message("# user namespaces are not allowed here\n");
		skip();
	}
	for (uint32_t i = 0; i < 340; i++)
		maps[i] = (struct oci_id_mapping){i, 1000 + i, 1};
	assert_int_equal(id_map_write(&plan, pid, proc, &err), 0);
	end(pid);
}

/**
 * As an ordinary user: the own id is mapped without help, setgroups is denied first; other ids need
 * the helpers.
 */
static int unprivileged(void)
{
	struct oci_id_mapping own = {0, 1000, 1};
	struct oci_id_mapping other = {0, 100000, 65536};
	struct ns_plan plan = {
	    .uid_mappings = &own,
	    .n_uid_mappings = 1,
	    .gid_mappings = &own,
	    .n_gid_mappings = 1,
	    .deny_setgroups = true,
	};
	struct wh_error err = WH_ERROR_INIT;
	pid_t pid;
	int proc;

	if (setgid(1000) < 0 || setuid(1000) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return 77;
	proc = procfs_open(false, &err);
	pid = child_in_user_namespace();
	if (proc < 0 || pid < 0)
		return 77;
	if (id_map_write(&plan, pid, proc, &err) < 0) {
		dprintf(2, "# %s\n", err.message);
		return 1;
	}
	assert_proc_file(proc, pid, "uid_map", "0 1000 1\n");
	assert_proc_file(proc, pid, "gid_map", "0 1000 1\n");
	assert_proc_file(proc, pid, "setgroups", "deny\n");
	end(pid);
	pid = child_in_user_namespace();
	plan.uid_mappings = &other;
	/*
	 * Never by a program planted in the caller's PATH; user 1000 without a line in /etc/subuid
	 * gets a refusal of the helper's.
	 */
	setenv("PATH", "/nonexistent", 1);
	if (id_map_write(&plan, pid, proc, &err) == 0)
		return 2;
	if (!strstr(err.message, "newuidmap") || !strstr(err.message, "/usr/bin"))
		return 3;
	end(pid);
	return 0;
}

static void test_unprivileged(void **state)
{
	int status = 0;
	pid_t pid;

	skip_without_root();
	pid = fork();
	if (pid == 0) {
		alarm(30);
		_exit(unprivileged());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# user namespaces are not for ordinary users here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_direct),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_340_lines),
	    cmocka_unit_test(test_unprivileged),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
