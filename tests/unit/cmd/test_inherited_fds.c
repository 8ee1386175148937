/* SPDX-License-Identifier: Apache-2.0 */
/* Each case runs in a child, which may do with its fds and environment what it likes. */
#include "cmd/inherited_fds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

#define OPEN_FDS 5 /* 3 to 7 */
#define FIRST_FD 3

enum owner { OWNER_SELF, OWNER_OTHER, OWNER_NONE };

struct fds_case {
	unsigned int preserve;
	const char *listen_fds;
	enum owner owner;
	int kept;          /* fds from 3 on without FD_CLOEXEC; -1: an error */
	bool listen_stays; /* LISTEN_FDS is still in the environment */
};

static const struct fds_case cases[] = {
    {0,	  NULL,          OWNER_NONE,  0,  false},
    {2,	  NULL,          OWNER_NONE,  2,  false},
    {5,	  NULL,          OWNER_NONE,  5,  false},
    {6,	  NULL,          OWNER_NONE,  -1, false},
    {0,	  "2",           OWNER_SELF,  2,  true },
    {1,	  "2",           OWNER_SELF,  3,  true },
    {4,	  "2",           OWNER_SELF,  -1, true },
    {1,	  "2",           OWNER_OTHER, 1,  false},
    {1,	  "2",           OWNER_NONE,  1,  false},
    {0,	  "x",           OWNER_SELF,  0,  false},
    {0,	  "-1",          OWNER_SELF,  0,  false},
    {0,	  "99999999999", OWNER_SELF,  0,  false},
    {2147483647, NULL,          OWNER_NONE,  -1, false},
};

static void set_environment(const struct fds_case *c)
{
	char pid[16];

	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	if (c->listen_fds)
		setenv("LISTEN_FDS", c->listen_fds, 1);
	snprintf(pid, sizeof(pid), "%d", c->owner == OWNER_SELF ? getpid() : 1);
	if (c->owner != OWNER_NONE)
		setenv("LISTEN_PID", pid, 1);
}

static void open_fds(void)
{
	int null = open("/dev/null", O_RDWR);
	int high = fcntl(null, F_DUPFD, 100);

	for (int fd = FIRST_FD; fd < FIRST_FD + OPEN_FDS; fd++)
		dup2(high, fd);
	for (int fd = FIRST_FD + OPEN_FDS; fd < 100; fd++)
		close(fd);
}

/** In the child: 0 when all is as the case says, else which question failed. */
static int judge(const struct fds_case *c)
{
	struct wh_error err = WH_ERROR_INIT;
	int rc;

	open_fds();
	set_environment(c);
	rc = inherited_fds_keep(c->preserve, &err);
	if (!!getenv("LISTEN_FDS") != c->listen_stays)
		return 1;
	if (c->kept < 0)
		return rc < 0 && wh_error_set(&err) ? 0 : 2;
	if (rc != 0)
		return 3;
	for (int i = 0; i < OPEN_FDS; i++) {
		bool kept = !(fcntl(FIRST_FD + i, F_GETFD) & FD_CLOEXEC);

		if (kept != (i < c->kept))
			return 4;
	}
	return fcntl(100, F_GETFD) & FD_CLOEXEC ? 0 : 5;
}

static void test_keep(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(judge(&cases[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0)
			print_message("# case %zu: question %d\n", i, WEXITSTATUS(status));
		assert_int_equal(status, 0);
	}
}

static void test_close(void **state)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		open_fds();
		if (inherited_fds_close(NULL) < 0)
			_exit(1);
		for (int fd = FIRST_FD; fd < FIRST_FD + OPEN_FDS; fd++) {
			if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
				_exit(2);
		}
		_exit(fcntl(1, F_GETFD) & FD_CLOEXEC ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keep),
	    cmocka_unit_test(test_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("inherited_fds", tests, NULL, NULL);
}
