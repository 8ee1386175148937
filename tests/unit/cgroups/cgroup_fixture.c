/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/sys.h"

#define CHILD_LIMIT_S 20

int cgroup_fixture_setup(void **state)
{
	static unsigned int number;
	struct cgroup_fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture || arena_init(&fixture->arena, NULL) < 0)
		return -1;
	fixture->mount_fd = cgroup_open_mount(NULL);
	snprintf(fixture->path, sizeof(fixture->path), "/wherry-test-%d-%u", (int)getpid(),
		 number++);
	fixture->plan =
	    (struct cgroup_plan){.manager = CGROUP_MANAGER_CGROUPFS, .path = fixture->path};
	*state = fixture;
	return 0;
}

int cgroup_fixture_teardown(void **state)
{
	struct cgroup_fixture *fixture = *state;
	struct wh_error err = WH_ERROR_INIT;
	int rc = 0;

	if (fixture->mount_fd >= 0)
		rc = cgroup_remove(fixture->mount_fd, fixture->path, 5000, &err);
	if (rc < 0)
		fprintf(stderr, "tear-down: %s\n", err.message);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	fd_close(fixture->mount_fd);
	arena_done(&fixture->arena);
	free(fixture);
	return rc < 0 ? -1 : 0;
}

struct cgroup_fixture *fixture_or_skip(void **state)
{
	struct cgroup_fixture *fixture = *state;

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: making a cgroup needs root\n");
		skip();
	}
	if (fixture->mount_fd < 0) {
		fprintf(stderr, "skipped: this host has no cgroup v2 mount\n");
		skip();
	}
	return fixture;
}

struct cgroup fixture_create(struct cgroup_fixture *fixture)
{
	struct cgroup cgroup = CGROUP_NONE;
	struct wh_error err = WH_ERROR_INIT;

	if (cgroup_create(&fixture->plan, fixture->mount_fd, &cgroup, &err) < 0)
		fail_msg("create: %s", err.message);
	return cgroup;
}

pid_t fixture_spawn(const struct cgroup *cgroup, int (*body)(void *), void *arg)
{
	struct clone_args args = {
	    .flags = CLONE_INTO_CGROUP,
	    .exit_signal = SIGCHLD,
	    .cgroup = (uint64_t)cgroup->dir_fd,
	};
	long pid = sys_clone3(&args, sizeof(args));

	assert_true(pid >= 0);
	if (pid > 0)
		return (pid_t)pid;
	alarm(CHILD_LIMIT_S);
	if (body)
		_exit(body(arg));
	for (;;)
		pause();
}

int fixture_reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool fixture_exists(const struct cgroup_fixture *fixture, const char *path)
{
	return faccessat(fixture->mount_fd, path + 1, F_OK, 0) == 0;
}
